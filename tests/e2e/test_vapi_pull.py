"""`calltrace-api vapi pull` against a stand-in for VAPI and one for calltrace."""

import base64
import datetime
import gzip
import json
import os
import re
import subprocess
import uuid

import pytest

from support import paths
from support.fake_vapi import VAPI_KEY, FakeCalltrace, Proxy, Vapi, call_of

NOW = datetime.datetime(2026, 1, 31, 8, 0, tzinfo=datetime.timezone.utc)
SINCE = "2026-01-01T00:00:00Z"
UNTIL = "2026-02-01T00:00:00Z"


class Pull:
    """The command with its two servers."""

    def __init__(self, authority, vapi, calltrace):
        self.authority = authority
        self.vapi = vapi
        self.calltrace = calltrace

    def run(self, *words, stdin=f"{VAPI_KEY}\n{FakeCalltrace.KEY}\n", env=None, timeout=60,
            url=None):
        ca = str(self.authority.ca)
        return subprocess.run(
            [str(paths.api_binary()), "vapi", "pull", "--since", SINCE, "--until", UNTIL,
             "--url", url or self.calltrace.url, "--ca-file", ca, "--vapi-url", self.vapi.url,
             "--vapi-ca-file", ca, "--allow-loopback", *words],
            input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
            env={**os.environ, **(env or {})})

    def counts(self, *words, code=0, **more):
        done = self.run(*words, **more)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        found = re.findall(r"(\w+)=(\d+)", done.stdout.splitlines()[0])
        return {name: int(number) for name, number in found}, done


@pytest.fixture(scope="module")
def authority(servers):
    return servers.authority


@pytest.fixture
def pull(authority):
    vapi, calltrace = Vapi(authority), FakeCalltrace(authority)
    yield Pull(authority, vapi, calltrace)
    vapi.close()
    calltrace.close()


def at(seconds):
    return NOW - datetime.timedelta(seconds=seconds)


def lines_of(body):
    log = gzip.decompress(base64.b64decode(body["callLog"]))
    return [json.loads(line) for line in log.splitlines()]


def test_a_call_becomes_a_report(pull):
    call = pull.vapi.add(call_of(at(0), name="n\u00e4me \U0001f600", extra={"deep": [1, 2.5, None]}))
    counts, _ = pull.counts()
    assert counts == {"seen": 1, "sent": 1, "already_there": 0, "not_ended": 0, "refused": 0,
                      "without_log": 0}
    body = pull.calltrace.bodies[call["id"]]
    assert body["skipAlreadyImported"] is True
    message = body["vapiEndOfCallReportPayload"]["message"]
    assert message["type"] == "end-of-call-report"
    assert message["endedReason"] == call["endedReason"]
    assert message["artifact"] == call["artifact"]
    assert message["analysis"] == call["analysis"]
    assert message["cost"] == call["cost"] and message["costs"] == call["costs"]
    rest = {name: value for name, value in call.items()
            if name not in ("artifact", "analysis", "costs")}
    assert message["call"] == rest


@pytest.mark.parametrize("page_max", [10, 25, 1000])
def test_every_call_of_every_page_is_sent_once(pull, page_max):
    """Groups of equal times lie over the borders of the pages."""
    pull.vapi.page_max = page_max
    wanted = [pull.vapi.add(call_of(at(i // 7)))["id"] for i in range(100)]
    outside = pull.vapi.add(call_of(at(60 * 86400)))["id"]
    counts, _ = pull.counts()
    assert counts["seen"] == counts["sent"] == 100
    assert sorted(pull.calltrace.bodies) == sorted(wanted) and outside not in wanted
    posts = [request for request in pull.calltrace.requests if request.method == "POST"]
    assert len(posts) == 100
    assert all(request.query["limit"] == ["1000"] for request in pull.vapi.requests)


def test_a_second_pull_finds_all_of_it_there(pull):
    for i in range(3):
        pull.vapi.add(call_of(at(i)))
    pull.counts()
    counts, _ = pull.counts()
    assert (counts["sent"], counts["already_there"]) == (0, 3)


def test_calls_that_have_not_ended_are_left(pull):
    pull.vapi.add(call_of(at(0), status="in-progress"))
    pull.vapi.add(call_of(at(1), status="queued"))
    pull.vapi.add(call_of(at(2)))
    counts, _ = pull.counts()
    assert (counts["seen"], counts["sent"], counts["not_ended"]) == (3, 1, 2)


def test_more_calls_of_one_millisecond_than_a_page_holds_are_told(pull):
    pull.vapi.page_max = 10
    for i in range(45):
        pull.vapi.add(call_of(at(0 if i < 25 else i)))
    counts, done = pull.counts(code=1)
    assert counts["sent"] == 30
    assert "one millisecond" in done.stderr


# --- logs ---------------------------------------------------------------------------------------


def test_a_log_behind_a_redirect_goes_along_and_the_key_stays(pull):
    lines = [{"time": 1, "body": "a"}, {"time": 2, "body": "b"}]
    call = pull.vapi.add(call_of(at(0)), lines)
    pull.counts()
    assert lines_of(pull.calltrace.bodies[call["id"]]) == lines
    [asked] = pull.vapi.store.requests
    assert "Authorization" not in asked.headers and asked.query == {"signature": ["s"]}


def test_no_logs_are_asked_for_when_none_are_wanted(pull):
    call = pull.vapi.add(call_of(at(0)), [{"time": 1}])
    counts, _ = pull.counts("--no-logs")
    assert counts["sent"] == 1 and counts["without_log"] == 0
    assert "callLog" not in pull.calltrace.bodies[call["id"]]
    assert not pull.vapi.store.requests


@pytest.mark.parametrize("status", [404, 403])
def test_a_call_whose_log_cannot_be_had_goes_without(pull, status):
    call = pull.vapi.add(call_of(at(0)), [{"time": 1}])
    pull.vapi.refuses_logs = status
    counts, done = pull.counts()
    assert counts["sent"] == 1 and counts["without_log"] == 1
    assert f"{call['id']} goes without its log" in done.stderr
    assert "callLog" not in pull.calltrace.bodies[call["id"]]


def test_a_log_that_would_make_the_body_too_large_stays_behind(pull):
    call = pull.vapi.add(call_of(at(0), artifact={"transcript": "x" * (10 << 20)}), [{"time": 1}])
    pull.vapi.store.logs[call["id"]] = b"\x1f\x8b" + b"l" * (6 << 20)
    counts, done = pull.counts()
    assert counts["sent"] == 1 and counts["without_log"] == 1
    assert "its log: it is too large" in done.stderr
    assert "callLog" not in pull.calltrace.bodies[call["id"]]


def test_a_report_that_is_too_large_is_refused(pull):
    call = pull.vapi.add(call_of(at(0), artifact={"transcript": "x" * (17 << 20)}))
    pull.vapi.add(call_of(at(1)))
    counts, done = pull.counts(code=1)
    assert (counts["sent"], counts["refused"]) == (1, 1)
    assert f"{call['id']}: the data is larger than allowed" in done.stderr


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/x", "https://10.0.0.1/x",
                                      "https://[::ffff:127.0.0.1]/x", "file:///etc/passwd"])
def test_a_log_s_redirect_to_where_nobody_may_go_is_not_followed(pull, location):
    call = pull.vapi.add(call_of(at(0)), [{"time": 1}])
    pull.vapi.answer = lambda request: (
        (302, {"Location": location}, b"") if request.path.endswith("/call-logs")
        else Vapi.answer(pull.vapi, request))
    counts, done = pull.counts()
    assert counts["sent"] == 1 and counts["without_log"] == 1
    assert "after a redirect" in done.stderr
    assert call["id"] in pull.calltrace.bodies


# --- answers that are none ------------------------------------------------------------------------


def test_busy_servers_are_asked_again(pull):
    pull.vapi.add(call_of(at(0)))
    pull.vapi.answers.extend([(429, {"Retry-After": "1"}, {}), (500, {}, {}), (502, {}, b"<html>")])
    pull.calltrace.answers.extend([(503, {"Retry-After": "1"}, {"message": "later"}),
                                   (429, {}, {})])
    counts, _ = pull.counts()
    assert counts["sent"] == 1 and counts["refused"] == 0


def test_a_refused_call_is_named_and_the_others_go_on(pull):
    calls = [pull.vapi.add(call_of(at(i))) for i in range(4)]
    pull.calltrace.refused[calls[1]["id"]] = (400, "startedAt is no time\x1b[31m")
    pull.calltrace.refused[calls[2]["id"]] = (400, "startedAt is no time\x1b[31m")
    counts, done = pull.counts(code=1)
    assert (counts["seen"], counts["sent"], counts["refused"]) == (4, 2, 2)
    assert f"{calls[1]['id']}: calltrace answered status 400: startedAt is no time" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "refused 2: calltrace answered status 400: startedAt" in done.stdout


@pytest.mark.parametrize("broken, reason", [
    ({"createdAt": "2026-01-31T07:00:00.000Z"}, "it has no id that is a UUID"),
    ({"id": "no uuid", "createdAt": "2026-01-31T07:00:00.000Z"}, "it has no id that is a UUID"),
    ({"id": str(uuid.UUID(int=7))}, "it has no createdAt"),
    (None, "it has no id that is a UUID"), ("text", "it has no id that is a UUID"),
    ([], "it has no id that is a UUID")])
def test_a_broken_item_costs_only_itself(pull, broken, reason):
    pull.vapi.calls.append(broken)
    pull.vapi.add(call_of(at(0)))
    pull.vapi.add(call_of(at(100000)))
    pull.vapi.answers.append((200, {}, pull.vapi.calls))
    pull.vapi.answers.append((200, {}, []))
    counts, done = pull.counts(code=1)
    assert (counts["sent"], counts["refused"]) == (2, 1)
    assert f"item 1 of a page: {reason}" in done.stderr


@pytest.mark.parametrize("value", [{"message": "hello"}, {"results": []}, b"", b"[{", b"<html>", 7])
def test_an_answer_that_is_no_list_is_a_sentence(pull, value):
    pull.vapi.answers.append((200, {}, value))
    counts, done = pull.counts(code=1)
    assert counts["seen"] == 0
    assert "not all calls were seen: " in done.stderr and "ssertion" not in done.stderr


def test_odd_texts_pass(pull):
    """A lone surrogate and U+0000, as the words of a model may hold."""
    call = call_of(at(0))
    page = json.dumps([call]).replace("AI: Hello", r"\ud800 \u0000 ok").encode()
    pull.vapi.answers.extend([(200, {}, page), (200, {}, [])])
    pull.counts()
    message = pull.calltrace.bodies[call["id"]]["vapiEndOfCallReportPayload"]["message"]
    assert message["artifact"]["transcript"] == "\ufffd \0 ok"


def test_a_page_that_is_too_large_is_asked_for_in_parts(pull):
    text = "x" * (1 << 20)
    ids = [pull.vapi.add(call_of(at(i), artifact={"transcript": text}))["id"] for i in range(80)]
    counts, _ = pull.counts(timeout=120)
    assert counts["sent"] == 80 and sorted(pull.calltrace.bodies) == sorted(ids)
    limits = [int(request.query["limit"][0]) for request in pull.vapi.requests]
    assert limits[:4] == [1000, 500, 250, 125] and min(limits) >= 8


# --- keys, addresses, options -----------------------------------------------------------------------


def test_keys_come_from_files_as_well(pull, tmp_path):
    mine, theirs = tmp_path / "calltrace", tmp_path / "vapi"
    mine.write_text(FakeCalltrace.KEY + "\n")
    theirs.write_text(f"  {VAPI_KEY}  \r\n")
    pull.vapi.add(call_of(at(0)))
    counts, _ = pull.counts("--key-file", mine, "--vapi-key-file", theirs, stdin="")
    assert counts["sent"] == 1
    counts, _ = pull.counts("--vapi-key-file", theirs, stdin=FakeCalltrace.KEY)
    assert counts["already_there"] == 1


def test_a_wrong_key_of_vapi_ends_it(pull):
    _, done = pull.counts(code=1, stdin=f"wrong\n{FakeCalltrace.KEY}\n")
    assert "VAPI refused its key with status 401" in done.stderr and "wrong" not in done.stderr


def test_a_wrong_key_of_calltrace_ends_it(pull):
    for i in range(5):
        pull.vapi.add(call_of(at(i)))
    counts, done = pull.counts(code=1, stdin=f"{VAPI_KEY}\nwrong-key\n")
    assert counts["refused"] == 1 and len(pull.calltrace.requests) == 1
    assert "status 401: the API key is not valid" in done.stderr
    assert "wrong-key" not in done.stderr


@pytest.mark.parametrize("stdin, named", [
    ("", "the key for VAPI is missing"), ("\n\n", "the key for VAPI is missing"),
    ("a\n", "the key for calltrace is missing"), ("k" * 2000 + "\nb\n", "too long")])
def test_missing_keys_are_named(pull, stdin, named):
    done = pull.run(stdin=stdin)
    assert done.returncode == 2 and named in done.stderr and not pull.vapi.requests


@pytest.mark.parametrize("words, named", [
    (["--vapi-url", "http://localhost:1"], "--vapi-url: localhost: the address is not https"),
    (["--url", "http://localhost:1"], "--url: localhost: the address is not https"),
    (["--url", "https://a:b@localhost"], "--url: the address holds a user or a password"),
    (["--url", "https://localhost/?x=1"], "--url: the address has a query"),
    (["--url", "nonsense"], "--url: the address is no https URL"),
    (["--key-file", "/nonexistent/k"], "/nonexistent/k"),
    (["ct_live_secret"], "none of its options")])
def test_wrong_usage_is_exit_2_with_a_sentence(pull, words, named):
    done = pull.run(*words)
    assert done.returncode == 2 and named in done.stderr, done.stderr
    assert "secret" not in done.stderr and not pull.vapi.requests


def test_vapi_on_this_machine_must_be_allowed(pull):
    pull.vapi.add(call_of(at(0)))
    ca = str(pull.authority.ca)
    done = subprocess.run(
        [str(paths.api_binary()), "vapi", "pull", "--since", SINCE, "--url", pull.calltrace.url,
         "--ca-file", ca, "--vapi-url", pull.vapi.url, "--vapi-ca-file", ca],
        input=f"{VAPI_KEY}\n{FakeCalltrace.KEY}\n", capture_output=True, text=True, timeout=30,
        check=False)
    assert done.returncode == 1
    assert "its address is not on the public internet" in done.stderr
    assert not pull.vapi.requests


def test_certificates_are_verified(pull):
    done = pull.run("--vapi-ca-file", "/etc/ssl/certs/ca-certificates.crt")
    assert done.returncode == 1 and "certificate is not trusted" in done.stderr
    pull.vapi.add(call_of(at(0)))
    done = pull.run("--ca-file", "/etc/ssl/certs/ca-certificates.crt")
    assert done.returncode == 1 and "certificate is not trusted" in done.stderr
    assert not pull.calltrace.requests


def test_the_environment_s_proxy_is_not_used(pull):
    pull.vapi.add(call_of(at(0)))
    counts, _ = pull.counts(env={"https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    assert counts["sent"] == 1


def test_a_proxy_that_was_asked_for_is_used_on_the_way_to_vapi_alone(pull):
    call = pull.vapi.add(call_of(at(0)), [{"time": 1}])
    proxy = Proxy()
    counts, _ = pull.counts("--proxy", proxy.url)
    proxy.close()
    assert counts["sent"] == 1 and "callLog" in pull.calltrace.bodies[call["id"]]
    assert set(proxy.targets) == {f"localhost:{pull.vapi.port}",
                                  f"127.0.0.1:{pull.vapi.store.port}"}


def test_a_calltrace_that_is_elsewhere_ends_it(pull):
    for i in range(5):
        pull.vapi.add(call_of(at(i)))
    counts, done = pull.counts(code=1, url=pull.vapi.url)
    assert counts["refused"] == 1
    assert "status 401" in done.stderr or "status 404" in done.stderr


def test_addresses_may_end_in_a_slash(pull):
    pull.vapi.add(call_of(at(0)))
    counts, _ = pull.counts("--vapi-url", pull.vapi.url + "/", url=pull.calltrace.url + "//")
    assert counts["sent"] == 1
