"""The real voice frameworks, with fake models and without a media server, against running daemons.

Each program holds one call (a greeting, a tool, a story that the caller interrupts, a last word) and
prints every span that the framework ended. What calltrace links, keeps and shows must be exactly that.
"""

import uuid

import pytest

from support import clients
from support.clients import BUILT, CLIENTS
from support.linked import ORDER, by_trace, check_linked, check_spans, check_tree, create_call, new_room

NODE = BUILT / "bin/node"
PROGRAMS = {
    "livekit-python": [BUILT / "livekit-python/bin/python", CLIENTS / "livekit-python/agent.py"],
    "livekit-node": [NODE, BUILT / "livekit-node/agent.ts"],
    "livekit-node-old": [NODE, BUILT / "livekit-node-old/agent.ts"],
    "pipecat": [BUILT / "pipecat/bin/python", CLIENTS / "pipecat/agent.py"],
}
LIVEKIT = [client for client in PROGRAMS if client.startswith("livekit")]
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
