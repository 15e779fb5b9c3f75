"""The events of the LiveKit and Pipecat observers: in any order, repeated, about one call or two, and bad ones.

What the real packages send is held by tests/clients/test_observers.py; these bodies have their shapes.
"""

import itertools
import json
import re
import time
import uuid
from urllib.parse import urlsplit

import pytest

from support import otlp
from support.client import JSON, PROTOBUF
from support.cluster import error_of

PATHS = {"livekit-sdk": "/v1/integrations/livekit-sdk", "pipecat": "/v1/integrations/pipecat"}
FIELDS = {"livekit-sdk": "livekitCallId", "pipecat": "pipecatCallId"}
OBSERVERS = sorted(PATHS)
STARTED_AT = "2026-01-02T03:04:05.250000+00:00"
ENDED_AT = "2026-01-02T03:04:35.500000+00:00"
PIECE = b"\0\1" * 1000


def new_id(observer):
    return f"{observer}-{uuid.uuid4()}"


def new_room():
    return f"RM_{uuid.uuid4().hex[:12]}"


def started(observer, call, **more):
    return {"event": "call-started", FIELDS[observer]: call, "eventTimestamp": STARTED_AT, "agentId": "bot-3",
            "agentName": "Reception", "agentPrompt": "You are the reception.", **more}


def ended(observer, call, **more):
    return {
        "event": "call-ended", FIELDS[observer]: call, "eventTimestamp": ENDED_AT, "callStartedAt": STARTED_AT,
        "callEndedAt": ENDED_AT, "callEndedReason": "agent-ended", "agentSpokeFirst": True,
        "transcript": [
            {"role": "system", "content": "You are the reception."},
            {"role": "assistant", "content": "Hello", "timestamp": "2026-01-02T03:04:06+00:00",
             "endTimestamp": "2026-01-02T03:04:07.5+00:00", "audioOffsetMs": 100, "endAudioOffsetMs": 1600},
            {"role": "user", "content": "Weather?", "timestamp": "2026-01-02T03:04:08+00:00",
             "userId": "caller", "language": "en"}],
        "toolCalls": [
            {"kind": "tool_call", "toolCallId": "c1", "name": "weather", "arguments": "{\"city\":\"Paris\"}",
             "timestamp": "2026-01-02T03:04:09+00:00"},
            {"kind": "tool_result", "toolCallId": "c1", "content": "sunny",
             "timestamp": "2026-01-02T03:04:09.250+00:00"}],
        "metrics": [{"kind": "llm", "ttft": 0.25, "extra": {"request_id": "r"}}], **more}


def send(client, observer, event):
    response = client.post_json(PATHS[observer], event)
    assert response.status == 200, response.body
    return response.data["callId"]


def call_of(client, call_id):
    response = client.get(f"/v1/call/{call_id}")
    assert response.status == 200, response.body
    return response.data


def check_whole(client, observer, call_id):
    """Everything that started() and ended() tell."""
    call = call_of(client, call_id)
    assert call["status"] == "ENDED" and call["endedStatus"] == "AGENT_ENDED_CALL"
    assert call["startedAt"] == "2026-01-02T03:04:05.250Z" and call["endedAt"] == "2026-01-02T03:04:35.500Z"
    assert call["durationMs"] == 30250 and call["source"] == observer
    assert call["title"] == "Reception"
    assert [(agent["name"], agent["customId"]) for agent in call["agents"]] == [("Reception", "bot-3")]
    assert call["toolInvocations"] == [
        {"name": "weather", "parameters": {"city": "Paris"}, "result": "sunny", "startOffsetMs": 3750,
         "endOffsetMs": 4000, "toolCallId": "c1"}]
    assert call["properties"]["callEndedReason"] == "agent-ended"
    assert call["properties"]["agentSpokeFirst"] is True
    assert call["metrics"] == [{"kind": "llm", "ttft": 0.25, "extra": {"request_id": "r"}}]
    entries = client.get(f"/v1/call/{call_id}/transcript").data["entries"]
    assert [(entry["role"], entry["text"], entry["startOffsetMs"], entry["endOffsetMs"]) for entry in entries] == [
        ("AGENT", "Hello", 750, 2250), ("CUSTOMER", "Weather?", 2750, 2750)]
    assert entries[1]["payload"] == {"userId": "caller"} and entries[1]["languageCode"] == "en"


@pytest.mark.smoke
@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(2))) + [(0, 0, 1, 1), (1, 0, 1, 0)],
                         ids=["started-ended", "ended-started", "twice", "again"])
def test_events_in_any_order_make_one_call(client, observer, order):
    call = new_id(observer)
    events = [started(observer, call, isTest=True, jobId="AJ_1", roomName="lobby"), ended(observer, call)]
    ids = {send(client, observer, events[n]) for n in order}
    assert len(ids) == 1
    check_whole(client, observer, ids.pop())


def test_what_both_events_tell_is_shown_together(client):
    call = new_id("livekit-sdk")
    send(client, "livekit-sdk", started("livekit-sdk", call, isTest=True, jobId="AJ_1", roomName="lobby"))
    call_id = send(client, "livekit-sdk", ended("livekit-sdk", call, recordingSampleRate=24000,
                                                recordingNumChannels=2))
    assert call_of(client, call_id)["properties"] == {
        "callEndedReason": "agent-ended", "agentSpokeFirst": True, "recordingSampleRate": 24000,
        "recordingNumChannels": 2, "isTest": True, "jobId": "AJ_1", "roomName": "lobby"}


@pytest.mark.parametrize("observer", OBSERVERS)
def test_a_call_that_has_only_started(client, observer):
    call = call_of(client, send(client, observer, started(observer, new_id(observer))))
    assert (call["status"], call["endedAt"], call["endedStatus"]) == ("IN_PROGRESS", None, None)
    assert call["startedAt"] == "2026-01-02T03:04:05.250Z"


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize(("reason", "status"), [
    ("agent-ended", "AGENT_ENDED_CALL"), ("client-disconnected", "CUSTOMER_ENDED_CALL"),
    ("idle timeout", "SILENCE_TIME_OUT"), ("fatal error: no more tokens", "AGENT_ERROR"),
    ("VOICE_MAIL_REACHED", "VOICE_MAIL_REACHED"), ("unknown", "UNKNOWN"), ("Agent-Ended", "UNKNOWN"),
    ("", "UNKNOWN"), (None, "UNKNOWN")])
def test_why_it_ended(client, observer, reason, status):
    call_id = send(client, observer, ended(observer, new_id(observer), callEndedReason=reason))
    assert call_of(client, call_id)["endedStatus"] == status


def export(client, attributes, scope="livekit-agents", resource=()):
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace, "conversation", attributes)], dict(resource))
    for one in request.resource_spans:
        for scoped in one.scope_spans:
            scoped.scope.name = scope
    assert client.export(request.SerializeToString(), PROTOBUF).status == 200
    return trace.hex()


def matches(client, call_id):
    return {one["traceId"]: {(match["kind"], match["value"]) for match in one["matches"]}
            for one in client.get(f"/v1/call/{call_id}/traces").data}


@pytest.mark.parametrize("trace_first", [True, False], ids=["trace-first", "call-first"])
@pytest.mark.parametrize("name", ["roomSid", "livekitCallId"])
def test_a_livekit_call_has_the_traces_of_its_room(client, trace_first, name):
    room = new_room()
    event = started("livekit-sdk", room if name == "livekitCallId" else new_id("livekit-sdk"))
    event |= {"roomSid": room} if name == "roomSid" else {}
    call_id = None if trace_first else send(client, "livekit-sdk", event)
    trace = export(client, {}, resource={"livekit.room.id": room})
    call_id = call_id or send(client, "livekit-sdk", event)
    assert matches(client, call_id) == {trace: {("livekit", room)}}
    assert call_of(client, call_id)["livekitRoomId"] == room


@pytest.mark.parametrize("trace_first", [True, False], ids=["trace-first", "call-first"])
def test_a_pipecat_call_has_the_traces_of_its_conversation(client, trace_first):
    call = "SmallWebRTCConnection#0-" + uuid.uuid4().hex
    call_id = None if trace_first else send(client, "pipecat", started("pipecat", call))
    trace = export(client, {"conversation.id": call}, scope="pipecat")
    call_id = call_id or send(client, "pipecat", started("pipecat", call))
    assert matches(client, call_id) == {trace: {("pipecat", call)}}


def test_an_id_that_is_no_room_matches_no_room(client):
    call = new_id("livekit-sdk")
    trace = export(client, {}, resource={"livekit.room.id": call})
    call_id = send(client, "livekit-sdk", started("livekit-sdk", call))
    assert matches(client, call_id) == {}
    assert client.get(f"/v1/traces/{trace}").status == 200


def test_ids_of_the_two_observers_are_apart(client):
    call = new_id("both")
    one = send(client, "livekit-sdk", started("livekit-sdk", call))
    other = send(client, "pipecat", started("pipecat", call))
    assert one != other


def test_two_calls_that_turn_out_to_be_one(client):
    """The observer's id came first, the room by itself next; then an event names both."""
    call, room = new_id("livekit-sdk"), new_room()
    first = send(client, "livekit-sdk", ended("livekit-sdk", call))
    second = send(client, "livekit-sdk", started("livekit-sdk", room))
    assert first != second
    trace = export(client, {}, resource={"livekit.room.id": room})
    assert matches(client, second) == {trace: {("livekit", room)}} and matches(client, first) == {}
    assert send(client, "livekit-sdk", started("livekit-sdk", call, roomSid=room)) == first
    assert matches(client, first) == {trace: {("livekit", room)}}
    assert call_of(client, second)["supersededByCallId"] == first
    assert matches(client, second) == {}
    check_whole(client, "livekit-sdk", first)


@pytest.mark.parametrize("posted_first", [True, False], ids=["posted-first", "observed-first"])
def test_a_posted_call_and_the_observer_of_its_room(client, posted_first):
    room, call = new_room(), new_id("livekit-sdk")
    create = {"livekitRoomId": room, "properties": {"isTest": "mine", "order": 7}}
    event = started("livekit-sdk", call, roomSid=room, isTest=False, jobId="AJ_1")
    sent = []
    for posted in (posted_first, not posted_first):
        sent.append(client.post_json("/v1/call", create).data["id"] if posted
                    else send(client, "livekit-sdk", event))
    assert sent[0] == sent[1]
    assert call_of(client, sent[0])["properties"] == {"isTest": "mine", "order": 7, "jobId": "AJ_1"}


# --- bad input -------------------------------------------------------------------------------------------

def refused(client, observer, body, status=400, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.request("POST", PATHS[observer], body, {"Content-Type": JSON, **headers})
    assert response.status == status, response.body
    return error_of(response.body)[1]


BAD = {
    "event": (lambda e: e.pop("event"), "event is required"),
    "event type": (lambda e: e.update(event=5), "event must be a string"),
    "time unit": (lambda e: e.update(eventTimestamp=1767323045), "eventTimestamp must be a string"),
    "time": (lambda e: e.update(eventTimestamp="yesterday"), "eventTimestamp must be an ISO 8601 time"),
    "ended unit": (lambda e: e.update(callEndedAt=1767323045123), "callEndedAt must be a string"),
    "transcript": (lambda e: e.update(transcript="hello"), "transcript must be an array"),
    "transcript entry": (lambda e: e.update(transcript=["hello"]), "transcript[0]"),
    "transcript text": (lambda e: e.update(transcript=[{"role": "user", "content": ["a"]}]),
                        "transcript[0].content"),
    "offset": (lambda e: e.update(transcript=[{"role": "user", "content": "a", "audioOffsetMs": "1"}]),
               "transcript[0].audioOffsetMs"),
    "tools": (lambda e: e.update(toolCalls={}), "toolCalls must be an array"),
    "tool kind": (lambda e: e.update(toolCalls=[{}]), "toolCalls[0].kind"),
    "metrics": (lambda e: e.update(metrics=[1]), "metrics[0]"),
    "spoke first": (lambda e: e.update(agentSpokeFirst="yes"), "agentSpokeFirst must be a boolean"),
}


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("change, words", BAD.values(), ids=list(BAD))
def test_a_bad_event_is_refused_by_its_field(client, observer, change, words):
    event = ended(observer, new_id(observer))
    change(event)
    assert words in refused(client, observer, event)


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("value, words", [
    (None, "must be a string"), ("", "must have at least 1 character"), (7, "must be a string"),
    ("x" * 256, "must have at most 255 characters"), ("\ud83d", "must be Unicode")])
@pytest.mark.parametrize("make", [started, ended])
def test_an_event_without_a_good_id_is_refused(client, observer, value, words, make):
    message = refused(client, observer, make(observer, value))
    assert FIELDS[observer] in message and words in message
    event = make(observer, "x")
    del event[FIELDS[observer]]
    assert f"{FIELDS[observer]} is required" in refused(client, observer, event)
    assert send(client, observer, make(observer, "x" * 230 + uuid.uuid4().hex[:25]))


@pytest.mark.parametrize("room", [5, "x" * 256, "\ude00"])
def test_a_bad_room_is_refused(client, room):
    assert "roomSid" in refused(client, "livekit-sdk", started("livekit-sdk", new_id("livekit-sdk"), roomSid=room))


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"{\"event\":\"call-ended\",\"event\":\"x\"}",
                                  b"\xff", b"{\"event\":\"\xed\xa0\x80\"}", b"[" * 5000])
def test_what_is_no_json_object_is_refused(client, observer, body):
    assert refused(client, observer, body)


def test_other_encodings_are_refused(client):
    assert refused(client, "pipecat", b"{}", 415, **{"Content-Type": "text/plain"})
    assert refused(client, "pipecat", b"{}", 415, **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("observer", OBSERVERS)
def test_unknown_events_and_fields_are_left_alone(cluster, client, observer):
    before = cluster.apis[0].metrics().get('calltrace_api_observer_events_total{event="unknown"}', 0)
    assert client.post_json(PATHS[observer], {"event": "call-paused"}).json() == {"data": {}}
    assert client.post_json(PATHS[observer], {"event": "call-paused", FIELDS[observer]: 5}).status == 200
    after = cluster.apis[0].metrics()['calltrace_api_observer_events_total{event="unknown"}']
    assert after - before == 2
    event = started(observer, new_id(observer), roarkIntegrationId="i", participantIdentity={"any": []})
    assert send(client, observer, event)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_what_is_usable_of_an_odd_event_is_used(client, observer):
    call = new_id(observer)
    event = ended(observer, call, callEndedAt=None, eventTimestamp="2026-01-02T03:04:04Z", transcript=[
        {"role": "user", "content": "half \ud83d of a pair\0", "timestamp": "noon", "audioOffsetMs": -7.5},
        {"role": "assistant", "content": "", "timestamp": "2026-01-02T03:04:00Z", "endAudioOffsetMs": 1e300},
        {"role": "narrator", "content": "Meanwhile"}], toolCalls=[
        {"kind": "tool_call", "toolCallId": "a", "name": "one", "arguments": "not JSON"},
        {"kind": "tool_call", "toolCallId": "b", "name": "two", "arguments": "[1]"},
        {"kind": "tool_result", "toolCallId": "b", "content": "done", "audioOffsetMs": 5},
        {"kind": "tool_result", "toolCallId": "nobody", "content": "lost"}, {"kind": "tool_dream"}])
    got = call_of(client, send(client, observer, event))
    assert (got["status"], got["endedAt"], got["durationMs"]) == ("ENDED", None, None)
    assert [(one["name"], one["parameters"], one["result"]) for one in got["toolInvocations"]] == [
        ("one", {"arguments": "not JSON"}, None), ("two", {"arguments": "[1]"}, "done")]
    entries = client.get(f"/v1/call/{got['id']}/transcript").data["entries"]
    assert [(entry["role"], entry["text"], entry["startOffsetMs"]) for entry in entries] == [
        ("CUSTOMER", "half \ufffd of a pair\0", 0), ("AGENT", "", 0)]


def test_a_refusal_is_logged_without_what_was_sent(cluster, client):
    secret = f"secret-{uuid.uuid4()}"
    time.sleep(1.1)  # one line a second
    refused(client, "pipecat", {"event": "call-ended", "pipecatCallId": secret, "transcript": secret})
    line = [line for line in cluster.apis[0].log().splitlines() if "observer_event_refused" in line][-1]
    assert "transcript must be an array" in line and "observer=pipecat" in line
    assert secret not in cluster.apis[0].log()


# --- keys ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("observer", OBSERVERS)
def test_the_key_is_taken_from_either_header_and_bearer_counts(cluster, project, observer):
    nobody = cluster.client(None)
    wrong = "ct_live_" + "A" * 43
    headers = [({"Authorization": f"Bearer {project.key}"}, 200), ({"x-roark-api-key": project.key}, 200),
               ({"Authorization": f"Bearer {project.key}", "x-roark-api-key": project.key}, 200),
               ({"Authorization": f"Bearer {project.key}", "x-roark-api-key": wrong}, 200),
               ({"Authorization": f"Bearer {wrong}", "x-roark-api-key": project.key}, 401), ({}, 401)]
    for one, status in headers:
        event = started(observer, new_id(observer))
        assert nobody.post_json(PATHS[observer], event, one).status == status, one


# --- pieces of recordings ----------------------------------------------------------------------------------

URL_PATHS = [("livekit-sdk", "chunk-upload-url"), ("pipecat", "chunk-upload-url"), ("pipecat", "recording-upload-url")]


def ask_url(client, observer="livekit-sdk", last="chunk-upload-url", headers=None, **more):
    body = {FIELDS[observer]: "call", "chunkIndex": 3, "contentType": "audio/pcm", **more}
    return client.post_json(f"{PATHS[observer]}/{last}", body, headers)


def put(client, url, body=PIECE, content_type="audio/pcm"):
    parts = urlsplit(url)
    return client.request("PUT", f"{parts.path}?{parts.query}", body, {"Content-Type": content_type})


@pytest.mark.parametrize("observer, last", URL_PATHS)
def test_a_piece_is_taken_and_counted(cluster, client, observer, last):
    response = ask_url(client, observer, last)
    assert response.status == 200, response.body
    answer = response.json()
    data = answer.pop("data")
    assert answer == data
    assert (data["method"], data["contentType"], data["chunkIndex"]) == ("PUT", "audio/pcm", 3)
    assert data["expiresInSeconds"] == 900
    parts = urlsplit(data["uploadUrl"])
    assert (parts.scheme, parts.netloc) == ("https", f"127.0.0.1:{cluster.apis[0].port}")
    before = cluster.apis[0].metrics()
    nobody = cluster.client(None)
    assert put(nobody, data["uploadUrl"]).status == 200
    assert put(nobody, data["uploadUrl"], b"").status == 200
    after = cluster.apis[0].metrics()
    name = 'calltrace_api_chunks_total{outcome="discarded"}'
    assert after[name] - before.get(name, 0) == 2
    assert after["calltrace_api_chunk_bytes_total"] - before["calltrace_api_chunk_bytes_total"] == len(PIECE)


def test_a_piece_is_bounded(cluster, client):
    nobody, url = cluster.client(None), ask_url(client).data["uploadUrl"]
    assert put(nobody, url, b"x" * 262144).status == 200
    assert put(nobody, url, b"x" * (4 << 20)).status == 200
    assert put(nobody, url, b"x" * ((4 << 20) + 1)).status == 413


def forge(token):
    """Every kind of token that was not given."""
    later = f"{int(time.time()) + 10 ** 6:016x}"
    yield "", "empty"
    yield token[:-1], "short"
    yield token + "0", "long"
    yield "z" * len(token), "no hex"
    yield token[:-1] + ("0" if token[-1] != "0" else "1"), "another MAC"
    yield token[:32] + later + token[48:], "another time"
    yield uuid.uuid4().hex + token[32:], "another key"
    yield token[:32] + f"{1:016x}" + token[48:], "long ago"


def test_a_token_that_was_not_given_is_403(cluster, client):
    nobody, url = cluster.client(None), ask_url(client).data["uploadUrl"]
    base, token = url.split("token=")
    for forged, why in forge(token):
        response = put(nobody, f"{base}token={forged}")
        assert response.status == 403, (why, response.status)
        assert "token" in error_of(response.body)[1]
    response = put(nobody, base.rstrip("?"))
    assert response.status == 401 and "token" in error_of(response.body)[1]
    assert put(nobody, f"{base}token={token.upper()}").status == 200  # hex is hex


def test_a_revoked_key_takes_its_urls_with_it(cluster, project):
    key = cluster.new_key("demo", "to be revoked")
    url = ask_url(cluster.client(key)).data["uploadUrl"]
    nobody = cluster.client(None)
    assert put(nobody, url).status == 200
    key_id = next(line.split()[0] for line in cluster.command("key", "list", "--project", "demo").splitlines()
                  if "to be revoked" in line)
    cluster.command("key", "revoke", key_id)
    assert put(nobody, url).status == 403


def test_another_api_takes_the_piece(servers):
    running = servers.cluster(apis=2)
    try:
        project = running.project("two")
        url = ask_url(running.client(project, api=0)).data["uploadUrl"]
        assert put(running.client(None, api=1), url).status == 200
    finally:
        running.close()


def test_the_operator_says_where_pieces_go(servers):
    running = servers.cluster(api_rows={"public_url": "https://calltrace.example.com/"})
    try:
        url = ask_url(running.client(running.project("public"))).data["uploadUrl"]
        assert re.fullmatch(r"https://calltrace\.example\.com/v1/integrations/chunk\?token=[0-9a-f]{112}", url)
    finally:
        running.close()


@pytest.mark.parametrize("host", ["a b", "a/b", "a\"b", "a@b", "x" * 300])
def test_a_host_that_is_none_is_refused(client, host):
    response = ask_url(client, headers={"Host": host})
    assert response.status == 400 and "Host" in error_of(response.body)[1]


@pytest.mark.parametrize("observer, last", URL_PATHS)
def test_a_bad_request_for_a_url_is_refused(client, observer, last):
    for more, words in [({FIELDS[observer]: None}, FIELDS[observer]), ({FIELDS[observer]: ""}, FIELDS[observer]),
                        ({"chunkIndex": "3"}, "chunkIndex"), ({"chunkIndex": -1}, "chunkIndex"),
                        ({"chunkIndex": 1.5}, "chunkIndex"), ({"contentType": 5}, "contentType")]:
        response = ask_url(client, observer, last, **more)
        assert response.status == 400 and words in error_of(response.body)[1], more
    assert ask_url(client, observer, last, chunkIndex=None, contentType=None).data["contentType"] == "audio/pcm"


def test_a_session_of_the_pages_gets_no_url(cluster, client):
    cookie = client.request("POST", "/v1/session", b"").header("Set-Cookie").split(";")[0]
    response = ask_url(cluster.client(None), headers={"Cookie": cookie, "x-calltrace-page": "1"})
    assert response.status == 403 and "API key" in error_of(response.body)[1]
