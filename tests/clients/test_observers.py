"""The real observers inside the real frameworks, against running daemons.

Each program holds one call and prints what the framework itself logs: spans, words, tools, times. The call that the
observer makes must tell the same, and have the trace.
"""

import json
import uuid
from datetime import datetime

import pytest

from support import clients
from support.clients import BUILT, CLIENTS
from support.linked import ORDER, check_linked, create_call, new_room

# client -> the step of setup that brings it, its program, and what is said to it
PROGRAMS = {
    "roark-livekit": ("livekit-python", CLIENTS / "livekit-python/agent.py", ["observed"]),
    "roark-livekit-recording": ("livekit-python-old", CLIENTS / "livekit-python/agent.py", ["recorded"]),
    "roark-pipecat": ("pipecat", CLIENTS / "pipecat/agent.py", ["", "observed"]),
}
ROLES = {"assistant": "AGENT", "user": "CUSTOMER"}


class Log:
    """What one program printed."""

    def __init__(self, lines):
        self.framework, *lines = lines
        self.spans = [line for line in lines if "spanId" in line]
        self.said = [(ROLES[line["role"]], line["said"].strip()) for line in lines if "said" in line]
        self.tools = [line for line in lines if "tool" in line]
        (self.call,) = [line for line in lines if "callId" in line]


def play(server, client, call):
    step, program, words = PROGRAMS[client]
    clients.need(client, step)
    python = BUILT / step / "bin/python"
    return Log(clients.run([python, program, call, *words], server.client_env()))


def counted(server, name):
    return server.cluster.apis[0].metrics().get(name, 0)


def pieces(server):
    return counted(server, 'calltrace_api_chunks_total{outcome="discarded"}')


def find_call(server, **key):
    """The call that has this key, as GET /v1/call/{id} shows it."""
    wanted = [{"kind": kind, "value": value} for kind, value in key.items()]
    found = [one["id"] for one in server.get("/v1/conversations?limit=100")["data"]
             if all(part in one["keys"] for part in wanted)]
    assert len(found) == 1, found
    return server.get(f"/v1/call/{found[0]}")["data"]


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def check_times(call, log):
    assert (call["status"], call["endedStatus"]) == ("ENDED", "AGENT_ENDED_CALL")
    assert log.call["beganAt"] - 0.001 <= seconds(call["startedAt"])
    assert seconds(call["startedAt"]) < seconds(call["endedAt"]) <= log.call["endedAt"] + 0.001
    assert call["durationMs"] == pytest.approx(1000 * (seconds(call["endedAt"]) - seconds(call["startedAt"])), abs=2)


def check_transcript(server, call, log):
    """Every utterance that the framework logged, in its order, inside the call."""
    entries = server.get(f"/v1/call/{call['id']}/transcript")["data"]["entries"]
    assert [(entry["role"], entry["text"]) for entry in entries] == log.said
    assert {role for role, _ in log.said} == {"AGENT", "CUSTOMER"}
    for entry in entries:
        assert 0 <= entry["startOffsetMs"] <= entry["endOffsetMs"] <= call["durationMs"] + 1
    return entries


def check_tools(call, log, has_results):
    """LiveKit's observer looks for results where the framework has none (of 1.x), and sends none."""
    assert len(log.tools) == 1
    wanted = [{"name": tool["tool"], "parameters": json.loads(tool["arguments"]), "toolCallId": tool["id"],
               "result": tool["output"] if has_results else None} for tool in log.tools]
    shown = [{name: tool.get(name) for name in wanted[0]} for tool in call["toolInvocations"]]
    assert shown == wanted
    for tool in call["toolInvocations"]:
        assert 0 < tool["startOffsetMs"] <= tool.get("endOffsetMs", tool["startOffsetMs"]) <= call["durationMs"]


def check_agent(call, name, custom_id):
    assert [(agent["name"], agent["customId"]) for agent in call["agents"]] == [(name, custom_id)]
    assert call["title"] == name


@pytest.mark.parametrize("order", ORDER)
@pytest.mark.parametrize("client", ["roark-livekit", "roark-livekit-recording"])
def test_a_livekit_call_is_made_by_its_observer(server, client, order):
    """Trace first: the call is made when the trace has come. Call first: a POST has made it before."""
    room = new_room()
    posted = create_call(server, livekitRoomId=room) if order == "call-first" else None
    before = pieces(server)
    log = play(server, client, room)
    call = find_call(server, livekit=room, observer=room)
    assert posted in (None, call["id"])
    check_linked(server, call["id"], ("livekit", room), log.spans)
    check_transcript(server, call, log)
    check_tools(call, log, has_results=False)
    assert pieces(server) - before == log.call["pieces"]
    assert (log.call["pieces"] > 0) == (client == "roark-livekit-recording")
    if posted is None:
        check_times(call, log)
        check_agent(call, "Reception", "reception-1")
        assert call["source"] == "livekit-sdk"
        assert call["properties"]["isTest"] is True and call["properties"]["roomName"] == "lobby"
        assert call["metrics"] and {one["kind"] for one in call["metrics"]} <= {"eou", "stt", "llm", "tts", "agent"}
        assert call.get("recordingUrl") is None


@pytest.mark.parametrize("order", ORDER)
def test_a_pipecat_call_is_made_by_its_observer(server, order):
    """Call first: the observer has told of the call before, as when its agent starts again."""
    conversation = f"session-{uuid.uuid4()}"
    first = None
    if order == "call-first":
        event = {"event": "call-started", "pipecatCallId": conversation, "agentId": "reception-1"}
        first = server.client.post_json("/v1/integrations/pipecat", event).data["callId"]
    before = pieces(server)
    log = play(server, "roark-pipecat", conversation)
    call = find_call(server, pipecat=conversation)
    assert log.call["callId"] == conversation and first in (None, call["id"])
    check_linked(server, call["id"], ("pipecat", conversation), log.spans)
    check_transcript(server, call, log)
    check_tools(call, log, has_results=True)
    check_times(call, log)
    check_agent(call, "Reception", "reception-1")
    assert call["source"] == "pipecat" and call["properties"]["recordingNumChannels"] == 2
    assert pieces(server) > before
    assert call.get("recordingUrl") is None
