"""The last export that was refused with a valid key: known to every api, told to live pages, still there afterwards."""

import gzip
import threading
import time

import pytest

from support import otlp
from support.client import JSON, PROTOBUF, NoAnswer
from support.live import Stream
from support.process import wait_until

LIMIT = 1 << 20
SOON = 2.0  # seconds until a page may show it


@pytest.fixture(scope="module")
def pair(servers):
    running = servers.cluster(apis=2, correlators=2, api_rows={"body_bytes_max": LIMIT})
    yield running
    running.close()


@pytest.fixture
def named(pair):
    return pair.project(f"refused-{otlp.new_trace_id().hex()[:10]}")


@pytest.fixture
def sender(pair, named):
    return pair.client(named)


@pytest.fixture
def reader(pair, named):
    """Reads at the api that nothing is sent to."""
    return pair.client(named, api=1)


def last(reader):
    response = reader.get("/v1/refusal")
    assert response.status == 200, response.body
    return response.data


def told(reader, status, limit=SOON):
    wait_until(lambda: (last(reader) or {}).get("status") == status, limit, f"a refusal with {status}")
    return last(reader)


def body():
    return otlp.request([otlp.span(otlp.new_trace_id(), "one")], {}).SerializeToString()


def test_nothing_was_refused_yet(sender, reader):
    assert sender.export(body()).status == 200
    assert last(reader) is None


@pytest.mark.parametrize("path, content_type, data, status, says", [
    ("/v1/traces", PROTOBUF, b"\x0a\xff\xff", 400, ""),
    ("/v1/traces", JSON, b"{not json", 400, ""),
    ("/v1/otel/v1/traces", PROTOBUF, b"\x0a\xff\xff", 400, ""),
    ("/v1/traces", "text/plain", b"hello", 415, "application/x-protobuf"),
    ("/v1/traces", PROTOBUF, b"\x00" * (LIMIT + 1), 413, f"{LIMIT + 1} bytes, the limit is {LIMIT}"),
    ("/v1/trace", PROTOBUF, b"", 404, "nothing at this path"),
    ("/", PROTOBUF, b"", 404, "/v1/traces"),
    ("/v1/logs", PROTOBUF, b"", 404, "traces only"),
    ("/v1/traces/v1/traces", PROTOBUF, b"", 404, "nothing at this path"),
    ("/v1/links", PROTOBUF, b"", 405, "GET"),
])
def test_what_an_exporter_did_wrong_is_known_at_the_other_api(sender, reader, path, content_type, data, status, says):
    before = time.time()
    try:
        assert sender.export(data, content_type, path).status == status
    except NoAnswer:
        assert status == 413  # sent on and on, and did not read the answer
    refusal = told(reader, status)
    assert refusal["path"] == path and says in refusal["message"] and refusal["message"]
    assert refusal["at"].endswith("Z") and refusal["keyId"]
    at = time.mktime(time.strptime(refusal["at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert before - 2 < at < time.time() + 2


def test_a_chunked_and_an_inflated_body_count_too(sender, reader):
    response = sender.export(iter([b"\x00" * (LIMIT // 2)] * 3))
    assert response.status == 413
    assert "larger than" in told(reader, 413)["message"]
    assert sender.export(body()[:-3] + b"xyz" * 9).status == 400
    told(reader, 400)
    response = sender.export(gzip.compress(b"\x00" * (LIMIT + 1)), headers={"Content-Encoding": "gzip"})
    assert response.status == 413
    assert "inflates" in told(reader, 413)["message"]


def test_a_key_without_the_scope_is_told(pair, named, reader):
    weak = reader.post_json("/v1/keys", {"name": "reads only", "scopes": ["read"]}).data
    assert pair.client(named).with_key(weak["key"]).export(body()).status == 403
    refusal = told(reader, 403)
    assert "ingest" in refusal["message"] and refusal["keyId"] == weak["id"]


def test_the_last_of_many_counts_and_costs_one_message_a_second(pair, sender, reader):
    def messages():
        return sum(one.metrics().get('calltrace_messages_total{kind="key_use"}', 0) for one in pair.correlators)

    def refuse(count):
        mine = sender.with_key(sender.key)
        for _ in range(count):
            assert mine.export(b"\x0a\xff\xff").status == 400
        mine.close()

    before, began = messages(), time.monotonic()
    threads = [threading.Thread(target=refuse, args=(500,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sender.export(b"x", "text/plain").status == 415
    told(reader, 415)
    took = time.monotonic() - began
    assert messages() - before <= 2 * (took + 2), "no message for each refusal"


@pytest.mark.parametrize("kind", ["wrong key", "no key", "fine", "read", "create", "session"])
def test_what_is_no_refused_export_is_not_shown(pair, named, sender, reader, kind):
    if kind == "wrong key":
        assert sender.with_key("ct_" + "0" * 40).export(body()).status == 401
    elif kind == "no key":
        assert sender.with_key(None).export(body()).status == 401
    elif kind == "fine":
        assert sender.export(body()).status == 200
    elif kind == "read":
        assert sender.get("/v1/nothing").status == 404
    elif kind == "create":
        assert sender.post_json("/v1/call", {"externalId": 5}).status == 400
    else:
        made = sender.request("POST", "/v1/session")
        cookie = made.header("Set-Cookie").split(";")[0]
        page = {"Cookie": cookie, "x-calltrace-page": "1", "Authorization": ""}
        assert sender.with_key(None).request("POST", "/v1/nothing", b"{}", page).status in (401, 404)
    time.sleep(1.5)
    assert last(reader) is None


def test_another_project_sees_nothing(pair, sender, reader):
    assert sender.export(b"\x0a\xff\xff").status == 400
    told(reader, 400)
    assert last(pair.client(pair.project(f"other-{otlp.new_trace_id().hex()[:10]}"), )) is None


def test_it_is_there_after_everybody_was_started_again(pair, sender, reader):
    assert sender.export(b"x", "text/plain").status == 415
    shown = told(reader, 415)
    pair.apis[1].restart()
    reader.close()
    assert last(reader) == shown


def test_live_pages_of_every_api_hear_of_use_and_refusal(pair, named):
    streams = [Stream(pair, named.key, api=n) for n in range(2)]
    try:
        for stream in streams:
            assert stream.read()[0] == "ready"
            stream.until(("key", {}))  # this very key was used for the first time
        began = time.monotonic()
        assert pair.client(named).export(b"x", "text/plain").status == 415
        for stream in streams:
            stream.until(("key", {}))
        assert time.monotonic() - began < SOON
    finally:
        for stream in streams:
            stream.close()


def test_a_session_that_reads_may_ask_and_an_ingest_key_may_not(pair, named, reader):
    weak = reader.post_json("/v1/keys", {"name": "sends only", "scopes": ["ingest"]}).data
    assert reader.with_key(weak["key"]).get("/v1/refusal").status == 403
