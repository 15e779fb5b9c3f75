"""Events of integrations: whatever their order, repetition and grouping, a call is what its events say.

The model below is a second plain implementation of proto/bus/call_parts.def and of correlator/core/event.h,
fed by what was sent. Events go over the bus to two correlators at once.
"""

import json
import random
import subprocess
import threading
import uuid
from datetime import datetime, timezone

import pytest

from support import otlp, paths
from support.process import wait_until

LIVEKIT, VAPI, OBSERVER, PIPECAT = 2, 3, 4, 5
SOURCE_LIVEKIT = 2
POSTED, REPORT, PRESENCE, FINISHED, ANSWERED, ROOM, SWEPT = 1, 10, 30, 31, 32, 33, 90
EARLIEST = {ANSWERED}
RINGING, IN_PROGRESS, ENDED = 1, 2, 3
STATUS_NAMES = {RINGING: "RINGING", IN_PROGRESS: "IN_PROGRESS", ENDED: "ENDED"}
BASE = 1_767_323_045 * 10**9
SECOND = 10**9


@pytest.fixture(scope="module")
def running(servers):
    cluster = servers.cluster(correlators=2, correlator_rows={"reconcile": "off"})
    yield cluster
    cluster.close()


@pytest.fixture
def project(running):
    return running.project(f"events-{uuid.uuid4().hex[:12]}")


def part(number, at, status=0, **fields):
    body = fields.pop("body", None)
    return {"number": number, "at": BASE + at * SECOND, "status": status, "direction": 0,
            "body": json.dumps(body, separators=(",", ":")) if body else "", **fields}


def event(project, keys, *parts, source=SOURCE_LIVEKIT, skipped=False):
    return {"project": project.id, "id": str(uuid.uuid4()), "source": source,
            "keys": sorted(([kind, value] for kind, value in keys), key=lambda k: (k[0], k[1].encode())),
            "parts": list(parts), "received": BASE, "skipped": skipped}


def send(cluster, events, correlators=None):
    """All at once, over the buses of these correlators; [(outcome, call, reason)]."""
    buses = [c.rows["bus"] for c in (correlators or cluster.correlators)]
    lines = "".join(json.dumps(one) + "\n" for one in events)
    done = subprocess.run([str(paths.build_dir() / "tests/sim/event_sender"), ",".join(buses)],
                          input=lines, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    answers = [line.split(" ", 2) for line in done.stdout.splitlines()]
    return [(int(outcome), call, reason) for outcome, call, reason in answers]


def send_until_accepted(cluster, events):
    """As a client does: what is not stored is sent again."""
    calls = [None] * len(events)
    waiting = list(range(len(events)))
    for _ in range(20):
        answers = send(cluster, [events[i] for i in waiting])
        for at, (outcome, call, reason) in zip(waiting, answers, strict=True):
            assert outcome in (0, 1, 3), reason
            calls[at] = call if outcome == 1 else None
        waiting = [at for at in waiting if calls[at] is None]
        if not waiting:
            return calls
    raise AssertionError("never accepted")


def wins(new, old):
    """Which of two parts of one number stays."""
    sign = -1 if new["number"] in EARLIEST else 1
    return (sign * new["at"], new["body"].encode()) > (sign * old["at"], old["body"].encode())


def fold(parts):
    """What a call shows, from its parts."""
    kept = {}
    for one in parts:
        if one["number"] not in kept or wins(one, kept[one["number"]]):
            kept[one["number"]] = one
    ranked = [kept[number] for number in sorted(kept)]

    def first(field):
        return next((one[field] for one in ranked if one.get(field)), None)

    status = max((one["status"] for one in ranked), default=0)
    members = {}
    for one in ranked:
        for name, value in (json.loads(one["body"]) if one["body"] else {}).items():
            members.setdefault(name, value)
    return {"status": STATUS_NAMES.get(status), "title": first("title"),
            "startedAt": first("started"), "endedAt": first("ended") if status == ENDED else None,
            "members": members}


def when(ns):
    if ns is None:
        return None
    at = datetime.fromtimestamp(ns // SECOND, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ns % SECOND // 10**6:03d}Z"


def check(call, wanted):
    assert call["status"] == wanted["status"]
    assert call["title"] == wanted["title"]
    assert call["startedAt"] == wanted["members"].get("startedAt", when(wanted["startedAt"]))
    assert call["endedAt"] == when(wanted["endedAt"])
    for name in ("answeredAt", "recordingUrl", "interfaceType", "summary", "properties"):
        assert call[name] == wanted["members"].get(name), name


def export(client, attributes, trace=None):
    trace = trace or otlp.new_trace_id()
    span = otlp.span(trace, "agent_session")
    response = client.export(otlp.request([span], attributes).SerializeToString())
    assert response.status == 200, response.body
    return trace.hex()


def traces_of(client, call):
    return {one["traceId"] for one in client.get(f"/v1/call/{call}/traces").data}


def call_story(random_, project, room):
    """The events of one room, with times that meet and titles that change."""
    left = random_.randrange(20, 60)
    events = [
        event(project, [(LIVEKIT, room)], part(ROOM, 0, RINGING, started=BASE, title="room a")),
        event(project, [(LIVEKIT, room)], part(ROOM, 1, RINGING, started=BASE, title="room b"),
              part(ANSWERED, 5, IN_PROGRESS, body={"answeredAt": "2026-01-02T03:04:10Z"}),
              part(PRESENCE, 5, 0)),
        event(project, [(LIVEKIT, room)], part(ANSWERED, 9, IN_PROGRESS, body={"answeredAt": "later"}),
              part(PRESENCE, 9, 0)),
        event(project, [(LIVEKIT, room)], part(PRESENCE, left, 0, ended=BASE + left * SECOND)),
        event(project, [(LIVEKIT, room), (OBSERVER, f"job-{room}")],
              part(REPORT, 3, 0, body={"summary": "short", "interfaceType": "WEB"})),
    ]
    if random_.random() < 0.8:
        events.append(event(project, [(LIVEKIT, room)],
                            part(FINISHED, 80, ENDED, ended=BASE + 80 * SECOND)))
    return events


@pytest.mark.parametrize("seed", range(4))
def test_any_order_and_repetition_gives_the_same_calls(running, project, seed):
    random_ = random.Random(seed)
    client = running.client(project)
    stories = {f"RM_{seed}_{n}": None for n in range(12)}
    for room in stories:
        stories[room] = call_story(random_, project, room)
    sent = [one for story in stories.values() for one in story]
    sent += random_.choices(sent, k=len(sent) // 2)
    random_.shuffle(sent)
    traces = {room: export(client, {"livekit.room.id": room}) for room in list(stories)[::2]}
    calls = send_until_accepted(running, sent)
    traces |= {room: export(client, {"livekit.room.id": room}) for room in list(stories)[1::2]}
    holders = {}
    for one, call in zip(sent, calls, strict=True):
        for _, value in one["keys"]:
            holders.setdefault(value, set()).add(call)
    for room, story in stories.items():
        (call,) = holders[room]
        check(client.get(f"/v1/call/{call}").data, fold([p for one in story for p in one["parts"]]))
        assert traces_of(client, call) == {traces[room]}
    listed = client.get("/v1/call?limit=100").data
    assert len(listed) == len(stories)


def test_the_same_message_twice_is_one_call(running, project):
    one = event(project, [(LIVEKIT, "RM_twice")], part(ROOM, 0, RINGING, started=BASE))
    calls = send_until_accepted(running, [one] * 20)
    assert set(calls) == {one["id"]}


def test_two_calls_named_together_become_the_older_one(running, project):
    client = running.client(project)
    room, job = "RM_super", "job-super"
    trace = export(client, {"livekit.room.id": room})
    (older,) = send_until_accepted(running, [event(
        project, [(OBSERVER, job)], part(ROOM, 0, RINGING, started=BASE, title="job"))])
    (younger,) = send_until_accepted(running, [{**event(
        project, [(LIVEKIT, room)], part(ROOM, 1, RINGING, title="room"),
        part(FINISHED, 9, ENDED, ended=BASE + 9 * SECOND)), "received": BASE + SECOND}])
    assert traces_of(client, younger) == {trace}
    (both,) = send_until_accepted(running, [event(
        project, [(LIVEKIT, room), (OBSERVER, job)], part(REPORT, 2, 0, body={"summary": "s"}))])
    assert both == older
    shown = client.get(f"/v1/call/{older}").data
    assert (shown["status"], shown["title"], shown["summary"]) == ("ENDED", "room", "s")
    assert shown["endedAt"] == when(BASE + 9 * SECOND)
    assert client.get(f"/v1/call/{younger}").data["supersededByCallId"] == older
    assert traces_of(client, older) == {trace}
    assert traces_of(client, younger) == set()
    late = export(client, {"livekit.room.id": room})
    assert traces_of(client, older) == {trace, late}
    assert [one["id"] for one in client.get("/v1/call").data] == [older]
    # The superseded one stays gone: its keys lead to the older call.
    assert send_until_accepted(running, [event(project, [(LIVEKIT, room)])]) == [older]


@pytest.mark.parametrize("seed", range(3))
def test_superseding_races_with_traces(running, project, seed):
    """Rooms and jobs are told of apart and together, at once, while their traces arrive."""
    random_ = random.Random(seed)
    client = running.client(project)
    pairs = [(f"RM_race_{seed}_{n}", f"job_race_{seed}_{n}") for n in range(20)]
    sent = []
    for room, job in pairs:
        sent += [event(project, [(LIVEKIT, room)], part(ROOM, 0, RINGING, title=room)),
                 event(project, [(OBSERVER, job)], part(REPORT, 0, 0, body={"summary": job})),
                 event(project, [(LIVEKIT, room), (OBSERVER, job)], part(ANSWERED, 1, IN_PROGRESS))]
    random_.shuffle(sent)
    traces = {room: set() for room, _ in pairs}

    def export_all():
        for _ in range(3):
            for room, _ in pairs:
                traces[room].add(export(client, {"livekit.room.id": room}))

    thread = threading.Thread(target=export_all)
    thread.start()
    send_until_accepted(running, sent)
    thread.join(120)
    shown = {one["livekitRoomId"]: one for one in client.get("/v1/call?limit=100").data}
    assert sorted(shown) == sorted(room for room, _ in pairs)
    for room, job in pairs:
        assert (shown[room]["title"], shown[room]["summary"], shown[room]["status"]) == (
            room, job, "IN_PROGRESS")
        assert traces_of(client, shown[room]["id"]) == traces[room]
    kept = {one["id"] for one in shown.values()}
    assert {link[1] for link in running.links() if link[0] == project.id} == kept


def test_a_post_completes_a_call_that_only_events_have_made(running, project):
    client = running.client(project)
    room = "RM_complete"
    (made,) = send_until_accepted(running, [event(
        project, [(LIVEKIT, room)], part(ROOM, 0, RINGING, started=BASE, title="room"),
        part(ANSWERED, 5, IN_PROGRESS, body={"answeredAt": "x", "interfaceType": "WEB"}))])
    body = {"livekitRoomId": room, "externalId": "ext-complete", "interfaceType": "PHONE",
            "startedAt": "2026-01-02T03:00:00.000Z"}
    answer = client.post_json("/v1/call", body)
    assert answer.status == 200 and answer.data["id"] == made
    shown = client.get(f"/v1/call/{made}").data
    assert shown["externalId"] == "ext-complete" and shown["interfaceType"] == "PHONE"
    assert shown["startedAt"] == body["startedAt"] and shown["answeredAt"] == "x"
    assert (shown["status"], shown["source"]) == ("ENDED", "livekit")
    by_external = export(client, {"roark.external_id": "ext-complete"})
    by_room = export(client, {"livekit.room.id": room})
    assert traces_of(client, made) == {by_external, by_room}
    # A client's retry gets the first answer, another POST is refused, events go on.
    again = client.post_json("/v1/call", body, headers={"X-Stainless-Retry-Count": "1"})
    assert again.status == 200 and again.data["id"] == made
    other = client.post_json("/v1/call", {"livekitRoomId": room})
    assert other.status == 409 and made.encode() in other.body
    (same,) = send_until_accepted(running, [event(
        project, [(LIVEKIT, room)], part(FINISHED, 9, ENDED, ended=BASE + 9 * SECOND),
        part(ROOM, 1, RINGING, started=BASE + SECOND, title="room 2"))])
    assert same == made
    shown = client.get(f"/v1/call/{made}").data
    assert shown["startedAt"] == body["startedAt"] and shown["endedAt"] == when(BASE + 9 * SECOND)


def test_a_post_with_a_foreign_external_id_completes_nothing(running, project):
    client = running.client(project)
    holder = client.post_json("/v1/call", {"externalId": "taken"}).data["id"]
    (made,) = send_until_accepted(running, [event(
        project, [(LIVEKIT, "RM_foreign")], part(ROOM, 0, RINGING))])
    answer = client.post_json("/v1/call", {"livekitRoomId": "RM_foreign", "externalId": "taken"})
    assert answer.status == 409
    assert client.get(f"/v1/call/{made}").data["status"] == "RINGING"
    assert client.get(f"/v1/call/{holder}").data["livekitRoomId"] is None


@pytest.mark.parametrize("first", ["post", "event"])
def test_posts_and_events_of_one_room_race(running, project, first):
    """One call a room, whoever comes first; the POST is never refused."""
    client = running.client(project)
    rooms = [f"RM_{first}_{n}" for n in range(30)]
    sender = [event(project, [(LIVEKIT, room)], part(ROOM, 0, RINGING, title=room)) for room in rooms]
    posts = {}

    def post_all():
        for room in rooms:
            answer = client.post_json("/v1/call", {"livekitRoomId": room})
            assert answer.status == 200, answer.body
            posts[room] = answer.data["id"]

    thread = threading.Thread(target=post_all)
    if first == "post":
        thread.start()
        calls = send_until_accepted(running, sender)
    else:
        calls = []
        thread = threading.Thread(target=lambda: calls.extend(send_until_accepted(running, sender)))
        thread.start()
        post_all()
    thread.join(60)
    assert calls == [posts[room] for room in rooms]
    shown = {one["livekitRoomId"]: one for one in client.get("/v1/call?limit=100").data}
    assert sorted(shown) == sorted(rooms)
    assert all(one["status"] == "ENDED" and one["title"] == room for room, one in shown.items())


def test_an_event_about_a_posted_call_adds_what_is_missing(running, project):
    client = running.client(project)
    posted = client.post_json("/v1/call", {
        "livekitRoomId": "RM_posted", "startedAt": "2026-01-02T03:00:00Z", "interfaceType": "PHONE"})
    (call,) = send_until_accepted(running, [event(
        project, [(LIVEKIT, "RM_posted"), (OBSERVER, "job-posted")],
        part(REPORT, 0, IN_PROGRESS, started=BASE, body={"summary": "told", "interfaceType": "WEB"}),
        skipped=True)])
    assert call == posted.data["id"]
    shown = client.get(f"/v1/call/{call}").data
    assert (shown["summary"], shown["interfaceType"]) == ("told", "PHONE")
    assert (shown["startedAt"], shown["status"]) == ("2026-01-02T03:00:00Z", "ENDED")


def test_a_skipped_call_is_not_shown_until_it_is_posted(running, project):
    client = running.client(project)
    (call,) = send_until_accepted(running, [event(
        project, [(LIVEKIT, "RM_skip")], part(ROOM, 0, RINGING), skipped=True)])
    send_until_accepted(running, [event(project, [(LIVEKIT, "RM_skip")], part(ROOM, 1, RINGING))])
    trace = export(client, {"livekit.room.id": "RM_skip"})
    assert client.get(f"/v1/call/{call}").status == 404
    assert client.get("/v1/call").data == []
    assert client.get(f"/v1/traces/{trace}").status == 200
    assert client.post_json("/v1/call", {"livekitRoomId": "RM_skip"}).data["id"] == call
    assert client.get(f"/v1/call/{call}").status == 200
    assert traces_of(client, call) == {trace}


def test_projects_do_not_meet(running, project):
    other = running.project(f"events-{uuid.uuid4().hex[:12]}")
    pair = [event(one, [(LIVEKIT, "RM_same")], part(ROOM, 0, RINGING)) for one in (project, other)]
    calls = send_until_accepted(running, pair)
    assert calls == [one["id"] for one in pair]
    assert running.client(other).get(f"/v1/call/{calls[0]}").status == 404


def test_the_sweeper_ends_calls_whose_end_never_came(servers):
    cluster = servers.cluster(correlator_rows={"room_empty_s": "2", "call_silence_s": "4"})
    try:
        project = cluster.project("sweep")
        client = cluster.client(project)
        now = int(datetime.now(timezone.utc).timestamp()) - BASE // SECOND
        gone, silent, heard = send_until_accepted(cluster, [
            {**event(project, [(LIVEKIT, "RM_gone")], part(ROOM, now, RINGING),
                     part(PRESENCE, now, 0, ended=BASE + now * SECOND)), "received": BASE + now * SECOND},
            {**event(project, [(LIVEKIT, "RM_silent")], part(ANSWERED, now, IN_PROGRESS)),
             "received": BASE + now * SECOND},
            {**event(project, [(LIVEKIT, "RM_heard")], part(ROOM, now, RINGING)),
             "received": BASE + now * SECOND}])
        trace = otlp.new_trace_id()

        def status(call):
            return client.get(f"/v1/call/{call}").data["status"]

        def both_are_ended():
            export(client, {"livekit.room.id": "RM_heard"}, trace)
            return status(gone) == status(silent) == "ENDED"

        wait_until(both_are_ended, 30, "the sweeper")
        assert client.get(f"/v1/call/{gone}").data["endedAt"] == when(BASE + now * SECOND)
        assert client.get(f"/v1/call/{silent}").data["endedAt"] is not None
        assert status(heard) == "RINGING"
        # Something came after all: the call goes on, and is ended by what says so.
        send_until_accepted(cluster, [
            {**event(project, [(LIVEKIT, "RM_silent")], part(PRESENCE, now + 60, 0)),
             "received": BASE + (now + 3600) * SECOND}])
        assert status(silent) == "IN_PROGRESS"
    finally:
        cluster.close()
