"""Webhooks made and signed by LiveKit's own server SDKs, against running daemons over HTTPS.

The SDKs' types make the bodies (they refuse what LiveKit would not send), their tokens sign them, and their
own receivers judge each request beside calltrace: both must come to the same verdict.
"""

import itertools
import json
import random
import subprocess

import pytest

from support import clients, livekit, otlp
from support.clients import BUILT, CLIENTS

PROGRAMS = {
    "livekit-server-node": [BUILT / "bin/node", BUILT / "livekit-server-node/webhook.ts"],
    "livekit-server-python": [BUILT / "livekit-server-python/bin/python",
                              CLIENTS / "livekit-server-python/webhook.py"],
}
# A plausible hour; the SDKs sign with the machine's clock, the events carry their own.
STARTED_MS = 1790000000250


class Sender:
    """A LiveKit server with one key pair."""

    def __init__(self, server, client, pair=None):
        clients.need(client, client)
        self.server = server
        self.client = client
        self.key, self.secret = pair or livekit.new_pair()

    def add_to(self, project):
        self.server.cluster.command("livekit", "add", "--project", project.name, "--api-key", self.key,
                                    stdin=self.secret)
        return self

    def send(self, *webhooks):
        """The statuses; calltrace and LiveKit's receiver must agree."""
        lines = "".join(json.dumps({"key": self.key, "secret": self.secret, "trusted": self.secret,
                                    **webhook}) + "\n" for webhook in webhooks)
        done = subprocess.run([str(word) for word in PROGRAMS[self.client]], input=lines,
                              env=self.server.client_env(), capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(webhooks)
        for answer, webhook in zip(answers, webhooks, strict=True):
            assert answer["received"] == (answer["status"] == 200), (answer, webhook)
        return [answer["status"] for answer in answers]

    def tell(self, events):
        assert set(self.send(*({"event": event} for event in events))) == {200}


@pytest.fixture(params=PROGRAMS)
def sender(request, server):
    return Sender(server, request.param).add_to(server.project)


def calls_of(server, sid):
    return [call for call in server.get("/v1/call?limit=100")["data"] if call["livekitRoomId"] == sid]


def call_of(server, sid):
    (call,) = calls_of(server, sid)
    return server.get(f"/v1/call/{call['id']}")["data"]


def export_room(server, sid):
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace, "agent_session")], {"livekit.room.id": sid})
    assert server.client.export(request.SerializeToString()).status == 200
    return trace.hex()


def check_phone_call(call, sid):
    assert call["title"] == f"room of {sid}"
    assert call["status"] == "ENDED"
    assert call["startedAt"] == "2026-09-21T14:13:20.250Z"
    assert call["answeredAt"] == "2026-09-21T14:13:22.250Z"
    assert call["endedAt"] == "2026-09-21T14:14:22.000Z"
    assert call["callDirection"] == "INBOUND"
    assert call["interfaceType"] == "PHONE"
    assert call["recordingUrl"] == f"https://recordings.test/{sid}.ogg"
    assert [customer["phoneNumberE164"] for customer in call["customers"]] == ["+15105550100"]


@pytest.mark.parametrize("order", ["trace-first", "call-first"])
def test_a_room_s_events_make_its_call_with_its_trace(server, sender, order):
    sid = livekit.new_sid()
    if order == "trace-first":
        trace = export_room(server, sid)
    sender.tell(livekit.phone_call(sid, STARTED_MS))
    if order == "call-first":
        trace = export_room(server, sid)
    call = call_of(server, sid)
    check_phone_call(call, sid)
    (linked,) = server.get(f"/v1/call/{call['id']}/traces")["data"]
    assert linked["traceId"] == trace
    assert linked["matches"] == [{"kind": "livekit", "value": sid}]


def test_reordered_and_repeated_events_make_the_same_call(server, sender):
    sid = livekit.new_sid()
    events = livekit.phone_call(sid, STARTED_MS)
    events += [dict(event) for event in events]  # the very same ids again
    random.Random(7).shuffle(events)
    sender.tell(events)
    check_phone_call(call_of(server, sid), sid)


def test_skip_in_the_room_s_metadata(server, sender):
    sid = livekit.new_sid()
    trace = export_room(server, sid)
    sender.tell(livekit.phone_call(sid, STARTED_MS, metadata=json.dumps({"roark.skip": True})))
    assert not calls_of(server, sid)
    assert server.client.get(f"/v1/traces/{trace}").status == 200


def test_both_sdks_and_calltrace_come_to_the_same_verdict(server, sender):
    sid = livekit.new_sid()
    event = livekit.phone_call(sid, STARTED_MS)[0]
    stranger = livekit.new_pair()
    assert sender.send(
        {"event": event, "secret": stranger[1]},
        {"event": event, "ttl": -3600},
        {"event": event, "change": True},
        {"event": event, "key": stranger[0], "trusted": stranger[1]},
    ) == [401] * 4
    assert not calls_of(server, sid)
    assert sender.send({"event": event, "ttl": 1}, {"event": event}) == [200] * 2
    assert calls_of(server, sid)


def test_a_scheme_before_the_token_is_taken(server, sender):
    """LiveKit's receivers do not see it, some proxies and senders put it there."""
    sid = livekit.new_sid()
    assert sender.send({"event": livekit.phone_call(sid, STARTED_MS)[0], "bearer": True}) == [200]
    assert calls_of(server, sid)


def test_one_key_serves_several_projects(server, sender):
    other = server.new_project(f"livekit-{sender.client}")
    sender.add_to(other.project)
    sid = livekit.new_sid()
    sender.tell(livekit.phone_call(sid, STARTED_MS))
    one, two = call_of(server, sid), call_of(other, sid)
    assert one["id"] != two["id"]
    assert one["projectId"] != two["projectId"]
    for call in (one, two):
        check_phone_call(call, sid)


EVERY_EVENT = ["room_started", "room_finished", "participant_joined", "participant_left",
               "participant_connection_aborted", "track_published", "track_unpublished", "egress_started",
               "egress_updated", "egress_ended", "ingress_started", "ingress_ended"]


def test_every_event_of_the_sdk_is_taken(server, sender):
    sid = livekit.new_sid()
    room = livekit.room(sid, STARTED_MS)
    whole = {"room": room, "participant": {"sid": "PA_1", "identity": "x", "kind": "STANDARD"},
             "track": {"sid": "TR_1", "type": "AUDIO", "source": "MICROPHONE"},
             "egressInfo": {"egressId": "EG_1", "roomId": sid, "status": "EGRESS_ACTIVE"},
             "ingressInfo": {"ingressId": "IN_1", "roomName": room["name"]}}
    sender.tell(livekit.event(name, STARTED_MS // 1000 + at, **whole)
                for name, at in zip(EVERY_EVENT, itertools.count(), strict=False))
    assert call_of(server, sid)["status"] == "ENDED"
