"""The real voice frameworks, with fake models and without a media server, against running daemons.

Each program holds one call (a greeting, a tool, a story that the caller interrupts, a last word) and
prints every span that the framework ended. What calltrace links, keeps and shows must be exactly that.
"""

import uuid

import pytest

from support import clients
from support.clients import BUILT, CLIENTS, spans_of

NODE = BUILT / "bin/node"
PROGRAMS = {
    "livekit-python": [BUILT / "livekit-python/bin/python", CLIENTS / "livekit-python/agent.py"],
    "livekit-node": [NODE, BUILT / "livekit-node/agent.ts"],
    "livekit-node-old": [NODE, BUILT / "livekit-node-old/agent.ts"],
    "pipecat": [BUILT / "pipecat/bin/python", CLIENTS / "pipecat/agent.py"],
}
LIVEKIT = [client for client in PROGRAMS if client.startswith("livekit")]
ORDER = ("trace-first", "call-first")
DOZENS = 24

# client, where the room's SID stands, and how many traces one call makes (at least, at most)
LINKED = [
    ("livekit-python", "resource", 1, 1),
    ("livekit-python", "metadata", 1, 1),
    ("livekit-python", "job", 1, 1),
    ("livekit-node", "resource", 1, 1),
    ("livekit-node", "metadata", 1, 1),
    ("livekit-node", "job", 1, 1),
    ("livekit-node", "unregistered", DOZENS, 200),
    ("livekit-node-old", "resource", 2, 10),
    ("livekit-node-old", "unregistered", DOZENS, 200),
]


def play(server, client, *arguments):
    """Runs one program; the spans that it logged."""
    clients.need(client, client)
    framework, *spans = clients.run([*PROGRAMS[client], *arguments], server.client_env())
    assert framework["version"]
    assert any(span["interrupted"] for span in spans)
    return spans


def create_call(server, **keys):
    response = server.client.post_json("/v1/call", keys)
    assert response.status == 200, response.body
    return response.data["id"]


def by_trace(spans):
    traces = {}
    for span in spans:
        traces.setdefault(span["traceId"], {})[span["spanId"]] = span
    return traces


def check_linked(server, call_id, match, logged):
    """The call has exactly the logged traces, each matched by this key, each with its own spans."""
    traces = by_trace(logged)
    linked = {one["traceId"]: one for one in server.get(f"/v1/call/{call_id}/traces")["data"]}
    assert sorted(linked) == sorted(traces)
    for trace_id, spans in traces.items():
        matches = {(one["kind"], one["value"]) for one in linked[trace_id]["matches"]}
        assert matches == {match}
        assert linked[trace_id]["spanCount"] == len(spans)
        check_spans(server, trace_id, spans)
        check_tree(server, trace_id, spans)


def check_spans(server, trace_id, spans):
    """The stored spans, their names and parents, are the logged ones."""
    stored = spans_of(server.get(f"/v1/traces/{trace_id}"))
    assert sorted((one["spanId"], one.get("parentSpanId", ""), one["name"]) for one in stored) == sorted(
        (one["spanId"], one["parentSpanId"], one["name"]) for one in spans.values()
    )
    assert {one["traceId"] for one in stored} == {trace_id}


def check_tree(server, trace_id, spans):
    """Every span once, below its parent; below the provisional root if the parent never came."""
    tree = server.get(f"/v1/traces/{trace_id}/tree")["data"]
    rows = tree["spans"]
    assert sorted(row["spanId"] for row in rows) == sorted(spans)
    depth = {}
    for row in rows:
        logged = spans[row["spanId"]]
        parent = logged["parentSpanId"]
        is_orphan = bool(parent) and parent not in spans
        assert (row["name"], row["parentSpanId"] or "") == (logged["name"], parent)
        assert row["isOrphan"] is is_orphan
        assert row["depth"] == (1 if is_orphan else depth[parent] + 1 if parent else 0)
        depth[row["spanId"]] = row["depth"]
    assert tree["spanCount"] == len(spans)
    interrupted = {row["spanId"] for row in rows if row["voice"].get("isInterrupted")}
    assert interrupted == {one["spanId"] for one in spans.values() if one["interrupted"]}


def check_tool(server, logged, name):
    """The one tool call is shown with the tool's name."""
    (tool,) = [span for span in logged if span["name"] == "function_tool"]
    rows = server.get(f"/v1/traces/{tool['traceId']}/tree")["data"]["spans"]
    (row,) = [row for row in rows if row["spanId"] == tool["spanId"]]
    assert row["voice"]["toolName"] == name


def check_delay(server, logged):
    """The pause before the spoken turn ended, of about 50 ms, whatever unit the framework uses."""
    turns = [span for span in logged if span["name"] == "user_turn"]
    assert turns
    for turn in turns:
        rows = server.get(f"/v1/traces/{turn['traceId']}/tree")["data"]["spans"]
        (row,) = [row for row in rows if row["spanId"] == turn["spanId"]]
        assert 10 <= row["voice"]["endOfTurnMs"] <= 5000


def new_room():
    return f"RM_{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize("order", ORDER)
@pytest.mark.parametrize(("client", "variant", "least", "most"), LINKED)
def test_a_livekit_call_is_linked(server, client, variant, least, most, order):
    room = new_room()
    call = create_call(server, livekitRoomId=room) if order == "call-first" else None
    logged = play(server, client, room, variant)
    call = call or create_call(server, livekitRoomId=room)
    assert least <= len(by_trace(logged)) <= most
    check_linked(server, call, ("livekit", room), logged)
    check_tool(server, logged, "lookup_weather" if client == "livekit-python" else "lookupWeather")
    check_delay(server, logged)


@pytest.mark.parametrize("client", LIVEKIT)
def test_roark_skip_keeps_the_traces_out(server, client):
    room = new_room()
    before = create_call(server, livekitRoomId=room)
    logged = play(server, client, room, "skip")
    assert server.get(f"/v1/call/{before}/traces")["data"] == []
    for trace_id in by_trace(logged):
        assert server.client.get(f"/v1/traces/{trace_id}").status == 404


@pytest.mark.parametrize("order", ORDER)
def test_a_pipecat_call_is_linked_by_its_external_id(server, order):
    conversation, external_id = f"pipecat-{uuid.uuid4()}", f"order-{uuid.uuid4()}"
    call = create_call(server, externalId=external_id) if order == "call-first" else None
    logged = play(server, "pipecat", conversation, external_id)
    call = call or create_call(server, externalId=external_id)
    assert len(by_trace(logged)) == 1
    check_linked(server, call, ("external", external_id), logged)


def test_a_pipecat_conversation_arrives_with_its_id(server):
    conversation = f"pipecat-{uuid.uuid4()}"
    logged = play(server, "pipecat", conversation)
    ((trace_id, spans),) = by_trace(logged).items()
    check_spans(server, trace_id, spans)
    check_tree(server, trace_id, spans)
    (listed,) = [one for one in server.get("/v1/traces")["data"] if one["traceId"] == trace_id]
    assert (listed["rootName"], listed["linked"]) == ("conversation", False)
    document = server.get(f"/v1/traces/{trace_id}")
    kept = {"key": "conversation.id", "value": {"stringValue": conversation}}
    scopes = [scope for resource in document["resourceSpans"] for scope in resource["scopeSpans"]]
    holders = {span["name"] for scope in scopes for span in scope["spans"] if kept in span["attributes"]}
    assert holders == {"conversation", "turn"}
    assert all(scope["scope"]["name"].startswith("pipecat") for scope in scopes)
