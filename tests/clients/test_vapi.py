"""VAPI's messages in the types of its own SDK, sent to the real calltrace; and the repair of lost ones."""

import json
import os
import re
import shutil
import subprocess
import uuid

import pytest

from support import clients, paths
from support.clients import BUILT
from support.fake_vapi import VAPI_KEY, Vapi, read_iso

NODE = BUILT / "bin/node"
HOME = BUILT / "vapi"
TSC = HOME / "node_modules/typescript/bin/tsc"
START_MS = 1_769_846_400_000  # 2026-01-31T08:00:00Z


@pytest.fixture(scope="module", autouse=True)
def sdk():
    clients.need("vapi", "vapi")


@pytest.fixture
def vapi(servers):
    running = Vapi(servers.authority)
    yield running
    running.close()


@pytest.fixture
def vapi_env(servers, vapi):
    return {"VAPI_URL": vapi.url, "VAPI_API_KEY": VAPI_KEY,
            "NODE_EXTRA_CA_CERTS": str(servers.authority.ca)}


def node(program, *arguments, env=None):
    return clients.run([NODE, HOME / program, *arguments], {**os.environ, **(env or {})})


def story(call_id=None, start_ms=START_MS):
    (told,) = node("print.ts", call_id or str(uuid.uuid4()), start_ms)
    return told


# --- types --------------------------------------------------------------------------------------


def compile_in(folder):
    return subprocess.run([NODE, TSC, "--noEmit", "--strict", "-p", folder], capture_output=True,
                          text=True, timeout=120, check=False)


def test_the_fixtures_have_the_types_of_the_sdk():
    done = compile_in(HOME)
    assert done.returncode == 0, done.stdout


WRONG = {
    "time: start + 7600,": "time: String(start + 7600),",
    "type: 'end-of-call-report',": "type: 'end-of-call',",
    "turnLatency: 2300": "turnLatncy: 2300",
    "event(4590, 'pipeline.turnStarted'": "event(4590, 'pipeline.turnBegun'",
    "status: 'ended',": "status: 'over',",
    "toolCallId: TOOL_CALL_ID,\n    name": "toolId: TOOL_CALL_ID,\n    name",
}


def test_the_compiler_would_tell_of_another_shape(tmp_path):
    """Guards the test above: types that are not looked at would hold anything."""
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(HOME / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(HOME / "node_modules")
    text = (HOME / "story.ts").read_text()
    lines = set()
    for right, wrong in WRONG.items():
        assert text.count(right) == 1, right
        lines.add(text[:text.index(right)].count("\n") + 1)
        text = text.replace(right, wrong)
    (tmp_path / "story.ts").write_text(text)
    told = {int(line) for line in re.findall(r"story\.ts\((\d+),", compile_in(tmp_path).stdout)}
    assert told == lines


# --- the stand-in for VAPI -----------------------------------------------------------------------


def test_the_stand_in_answers_the_sdk_s_own_client(vapi, vapi_env):
    """Path, query, key and shape of GET /call are those that VAPI's client uses."""
    inside = [vapi.add(story(start_ms=START_MS + i * 1000)["call"]) for i in range(3)]
    vapi.add(story(start_ms=START_MS + 86_400_000)["call"])
    listed = node("list.ts", "2026-01-31T00:00:00.000Z", "2026-02-01T00:00:00.000Z", env=vapi_env)
    assert listed == sorted(inside, key=lambda call: read_iso(call["createdAt"]), reverse=True)
    [request] = vapi.requests
    assert (request.method, request.path) == ("GET", "/call")
    assert request.query == {"limit": ["1000"], "createdAtGe": ["2026-01-31T00:00:00.000Z"],
                             "createdAtLt": ["2026-02-01T00:00:00.000Z"]}
    assert request.headers["Authorization"] == f"Bearer {VAPI_KEY}"


def test_the_stand_in_refuses_a_wrong_key_as_the_sdk_expects(vapi, vapi_env):
    done = subprocess.run(
        [str(NODE), str(HOME / "list.ts"), "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"],
        env={**os.environ, **vapi_env, "VAPI_API_KEY": "wrong"}, capture_output=True, text=True,
        timeout=60, check=False)
    assert done.returncode != 0
    assert "401" in done.stderr and len(vapi.requests) == 1


def test_the_story_can_be_told_twice():
    call_id = str(uuid.uuid4())
    assert json.dumps(story(call_id)) == json.dumps(story(call_id))


# --- the real calltrace ---------------------------------------------------------------------------

ORDER = ("report-first", "call-first")
SPOKEN = [("AGENT", 900, 3400), ("CUSTOMER", 4600, 6800), ("AGENT", 9100, 11000),
          ("CUSTOMER", 10800, 12400), ("AGENT", 13500, 16900)]


def send(server, what, call_id):
    return node("send.ts", what, call_id, START_MS, env=server.client_env())


def create(server, call_id, **more):
    response = server.client.post_json("/v1/call", {"vapiCallId": call_id, **more})
    assert response.status == 200, response.body
    return response.data["id"]


def linked_trace(server, call):
    (linked,) = server.get(f"/v1/call/{call}/traces")["data"]
    return linked


def spans_by_id(server, trace_id):
    return {span["spanId"]: span for span in clients.spans_of(server.get(f"/v1/traces/{trace_id}"))}


def value_of(attributes, key):
    (found,) = [one["value"] for one in attributes if one["key"] == key] or [None]
    return None if found is None else next(iter(found.values()))


def check_call(server, call):
    shown = server.get(f"/v1/call/{call}")["data"]
    assert shown["status"] == "ENDED" and shown["endedStatus"] == "AGENT_ENDED_CALL"
    assert shown["callDirection"] == "INBOUND"
    assert shown["startedAt"] == "2026-01-31T08:00:00.000Z"
    assert shown["endedAt"] == "2026-01-31T08:00:17.600Z" and shown["durationMs"] == 17600
    assert shown["summary"] == "The caller asked for a book and had a copy kept."
    assert shown["customers"] == [{"phoneNumberE164": "+15550100123", "label": "A. Reader"}]
    assert len(shown["agents"]) == 1
    entries = server.get(f"/v1/call/{call}/transcript")["data"]["entries"]
    assert [(one["role"], one["startOffsetMs"], one["endOffsetMs"]) for one in entries] == SPOKEN
    return shown


def check_trace(server, call, call_id):
    """One trace, linked by VAPI's id, which is its own id as well; a tree of call, turns and work."""
    linked = linked_trace(server, call)
    assert linked["traceId"] == call_id.replace("-", "")
    assert linked["matches"] == [{"kind": "vapi", "value": call_id}]
    document = server.get(f"/v1/traces/{linked['traceId']}")
    (resource,) = document["resourceSpans"]
    assert value_of(resource["resource"]["attributes"], "vapi.call.id") == call_id
    spans = spans_by_id(server, linked["traceId"])
    roots = [span for span in spans.values() if not span.get("parentSpanId")]
    assert [span["name"] for span in roots] == ["call"]
    root = roots[0]
    assert int(root["startTimeUnixNano"]) == START_MS * 10**6
    assert int(root["endTimeUnixNano"]) == (START_MS + 17600) * 10**6
    turns = [span for span in spans.values() if span["name"] == "turn"]
    assert turns and all(span["parentSpanId"] == root["spanId"] for span in turns)
    work = [span for span in spans.values() if span["name"] not in ("call", "turn")]
    inside = {span["spanId"] for span in (root, *turns)}
    assert {span["name"] for span in work} <= {"transcriber", "endpointing", "model", "tool", "voice"}
    assert all(span["parentSpanId"] in inside for span in work)
    return linked, spans


def check_tool(spans):
    (tool,) = [span for span in spans.values() if span["name"] == "tool"]
    assert value_of(tool["attributes"], "gen_ai.tool.name") == "lookup_book"
    assert value_of(tool["attributes"], "gen_ai.tool.call.id") == "call_lookup_1"
    assert int(tool["startTimeUnixNano"]) == (START_MS + 7600) * 10**6
    assert int(tool["endTimeUnixNano"]) == (START_MS + 8300) * 10**6


# What the log's lines tell: name, number of the turn (0: the call), start and end in ms.
LOGGED = [
    ("call", 0, 0, 17600),
    ("turn", 1, 750, 3405), ("voice", 1, 760, 1200),
    ("turn", 2, 4590, 11005), ("transcriber", 2, 5200, 7110), ("endpointing", 2, 6800, 7320),
    ("model", 2, 7330, 7595), ("tool", 2, 7600, 8300), ("model", 2, 8310, 8900),
    ("voice", 2, 8730, 9090),
    ("turn", 3, 10800, 16900), ("transcriber", 3, 12400, 12580), ("endpointing", 3, 12400, 12620),
    ("model", 3, 12630, 13400), ("voice", 3, 13050, 14100)]
QUESTION, INTERRUPTION = "Is the book Middlemarch in?", "Please keep one for me."


def check_logged(spans):
    def of_turn(span):
        turn = span if span["name"] == "turn" else spans.get(span.get("parentSpanId"))
        return int(value_of(turn["attributes"], "turn.number")) if turn else 0

    def ms(nanoseconds):
        return int(nanoseconds) // 10**6 - START_MS

    assert sorted((span["name"], of_turn(span), ms(span["startTimeUnixNano"]),
                   ms(span["endTimeUnixNano"])) for span in spans.values()) == sorted(LOGGED)
    heard = {of_turn(span): value_of(span["attributes"], "transcript") for span in spans.values()
             if span["name"] == "transcriber"}
    assert heard == {2: QUESTION, 3: INTERRUPTION}
    interrupted = {of_turn(span): value_of(span["attributes"], "turn.was_interrupted")
                   for span in spans.values() if span["name"] == "turn"}
    assert interrupted == {1: False, 2: True, 3: False}


@pytest.mark.parametrize("what", ["report", "server"])
@pytest.mark.parametrize("order", ORDER)
def test_a_report_makes_the_call_its_trace_and_their_link(server, order, what):
    call_id = str(uuid.uuid4())
    if order == "call-first":
        call = create(server, call_id)
        *_, answer = send(server, what, call_id)
    else:
        *_, answer = send(server, what, call_id)
        call = create(server, call_id)
    if what == "report":
        assert answer["body"] == {"data": {"callId": call}}
    check_call(server, call)
    _, spans = check_trace(server, call, call_id)
    check_tool(spans)


def test_what_a_create_says_goes_before_the_report(server):
    call_id = str(uuid.uuid4())
    send(server, "report", call_id)
    call = create(server, call_id, callDirection="OUTBOUND", externalId=f"e-{call_id}")
    shown = server.get(f"/v1/call/{call}")["data"]
    assert shown["callDirection"] == "OUTBOUND" and shown["externalId"] == f"e-{call_id}"
    assert shown["durationMs"] == 17600


def test_a_status_shows_the_call_as_it_runs_and_does_not_reopen_it(server):
    call_id = str(uuid.uuid4())
    (answer,) = send(server, "status", call_id)
    call = answer["body"]["data"]["callId"]
    assert server.get(f"/v1/call/{call}")["data"]["status"] == "IN_PROGRESS"
    assert server.get(f"/v1/call/{call}/traces")["data"] == []
    send(server, "report", call_id)
    before = check_call(server, call)
    send(server, "status", call_id)
    after = check_call(server, call)
    assert {**after, "updatedAt": None} == {**before, "updatedAt": None}


def test_a_repeated_report_changes_nothing(server):
    call_id = str(uuid.uuid4())
    first = send(server, "report", call_id)
    call = first[0]["body"]["data"]["callId"]
    trace_id = call_id.replace("-", "")
    before = (server.get(f"/v1/call/{call}"), linked_trace(server, call),
              server.get(f"/v1/traces/{trace_id}"))
    for what in ("report", "server", "report"):
        *_, again = send(server, what, call_id)
        assert again["body"]["data"]["callId"] == call
    after = (server.get(f"/v1/call/{call}"), linked_trace(server, call),
             server.get(f"/v1/traces/{trace_id}"))
    for state in (before, after):
        state[0]["data"].pop("updatedAt", None)
        state[1].pop("lastSeenAt")
    assert after == before


# --- the repair -----------------------------------------------------------------------------------


def pull(server, vapi, *words):
    ca = str(server.cluster.authority.ca)
    done = subprocess.run(
        [str(paths.api_binary()), "vapi", "pull", "--since", "2026-01-31", "--until", "2026-02-01",
         "--url", server.url, "--ca-file", ca, "--vapi-url", vapi.url, "--vapi-ca-file", ca,
         "--allow-loopback", *words], input=f"{VAPI_KEY}\n{server.project.key}\n",
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", done.stdout)}


def found(server, call_id):
    """The call that a create with this id completes."""
    return create(server, call_id)


def test_pulled_calls_are_those_that_the_reports_would_have_made(server, vapi):
    told = story()
    vapi.add(told["call"], told["log"])
    other = server.new_project(f"vapi-{uuid.uuid4()}")
    counts = pull(other, vapi)
    assert (counts["seen"], counts["sent"], counts["without_log"]) == (1, 1, 0)
    call = found(other, told["callId"])
    pulled = check_call(other, call)
    linked, spans = check_trace(other, call, told["callId"])
    check_tool(spans)
    (root,) = [span for span in spans.values() if span["name"] == "call"]
    assert value_of(root["attributes"], "vapi.source") == "log"
    assert linked["spanCount"] == len(spans)
    check_logged(spans)

    # The same by the report itself, with the log beside it.
    twin = server.new_project(f"vapi-{uuid.uuid4()}")
    body = {"vapiEndOfCallReportPayload": told["report"], "callLog": told["log"]}
    response = twin.client.post_json("/v1/vapi/call", body)
    assert response.status == 200, response.body
    sent = check_call(twin, found(twin, told["callId"]))
    differ = ("id", "projectId", "createdAt", "updatedAt", "agents")
    assert {k: v for k, v in pulled.items() if k not in differ} == {
        k: v for k, v in sent.items() if k not in differ}
    trace_id = told["callId"].replace("-", "")
    assert other.get(f"/v1/traces/{trace_id}") == twin.get(f"/v1/traces/{trace_id}")


def test_a_second_pull_changes_nothing(server, vapi):
    told = story()
    vapi.add(told["call"], told["log"])
    other = server.new_project(f"vapi-{uuid.uuid4()}")
    pull(other, vapi)
    call = found(other, told["callId"])
    trace_id = told["callId"].replace("-", "")
    before = other.get(f"/v1/call/{call}"), other.get(f"/v1/traces/{trace_id}")
    counts = pull(other, vapi)
    assert (counts["sent"], counts["already_there"]) == (0, 1)
    assert (other.get(f"/v1/call/{call}"), other.get(f"/v1/traces/{trace_id}")) == before


def test_a_pull_completes_what_only_a_status_told(server, vapi):
    """The report was lost after the status had come."""
    told = story()
    vapi.add(told["call"], told["log"])
    send(server, "status", told["callId"])
    counts = pull(server, vapi)
    assert (counts["sent"], counts["already_there"]) == (1, 0)
    call = found(server, told["callId"])
    check_call(server, call)
    check_trace(server, call, told["callId"])
