"""LiveKit's webhooks: who may send them, what becomes of them, and the commands that name the keys."""

import json
import random
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import livekit, otlp
from support.client import JSON
from support.cluster import error_of
from support.described import described
from support.process import wait_until

LIVEKIT = 2  # the kind of key in table link
ISO = "2026-09-21T14:13:{:02d}.{:03d}Z"
STARTED_MS = 1790000000250


class Pair:
    """A key pair of LiveKit's that a project has."""

    def __init__(self, cluster, project):
        self.cluster = cluster
        self.project = project
        self.client = cluster.client(project)
        self.key, self.secret = livekit.new_pair()
        self.add(self.secret)

    def add(self, secret):
        self.cluster.command("livekit", "add", "--project", self.project.name, "--api-key", self.key,
                             stdin=secret + "\n")

    def send(self, body, **claims):
        return livekit.send(self.client, body, self.key, self.secret, **claims)

    def tell(self, *events):
        for one in events:
            response = self.send(one)
            assert response.status == 200, (one, response.body)
            assert response.json() == {"data": {}}

    def calls(self, sid):
        """The calls of the project that have this room."""
        found = []
        path = "/v1/call?limit=100"
        while path:
            page = self.client.retrying("GET", path).json() # a read finds out that its connection was cut
            found += [call for call in page["data"] if call["livekitRoomId"] == sid]
            cursor = page["pagination"]["nextCursor"]
            path = f"/v1/call?limit=100&after={cursor}" if cursor else None
        return found

    def call(self, sid):
        (call,) = self.calls(sid)
        return self.client.retrying("GET", f"/v1/call/{call['id']}").data


@pytest.fixture(scope="module")
def pair(cluster, project):
    return Pair(cluster, project)


def export_room(client, sid, **resource):
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace, "agent_session")], {"livekit.room.id": sid, **resource})
    assert client.export(request.SerializeToString()).status == 200
    return trace.hex()


# --- the call of a room --------------------------------------------------------------------------------


def test_a_call_grows_with_the_events_of_its_room(pair):
    sid = livekit.new_sid()
    started, agent, caller, track, left, agent_left, finished, egress = livekit.phone_call(sid, STARTED_MS)
    pair.tell(started)
    call = pair.call(sid)
    assert call["status"] == "RINGING"
    assert call["startedAt"] == ISO.format(20, 250)
    assert call["title"] == f"room of {sid}"
    assert call["endedAt"] is None
    pair.tell(agent)
    assert pair.call(sid)["status"] == "RINGING"
    pair.tell(caller, track)
    call = described("Call", pair.call(sid))
    assert call["status"] == "IN_PROGRESS"
    assert call["answeredAt"] == ISO.format(22, 250)
    assert call["callDirection"] == "INBOUND"
    assert call["interfaceType"] == "PHONE"
    assert [customer["phoneNumberE164"] for customer in call["customers"]] == ["+15105550100"]
    pair.tell(left)
    call = pair.call(sid)
    assert call["status"] == "IN_PROGRESS"
    assert call["endedAt"] is None
    pair.tell(agent_left, finished, egress)
    call = pair.call(sid)
    assert call["status"] == "ENDED"
    assert call["endedAt"] == "2026-09-21T14:14:22.000Z"
    assert call["durationMs"] == 61750
    assert call["recordingUrl"] == f"https://recordings.test/{sid}.ogg"


@pytest.mark.parametrize("seed", range(5))
def test_order_and_repetition_change_nothing(pair, seed):
    chance = random.Random(seed)
    told = {}
    for shuffled in (False, True):
        sid = livekit.new_sid()
        events = livekit.phone_call(sid, STARTED_MS)
        if shuffled:
            events += chance.choices(events, k=4)
            chance.shuffle(events)
        pair.tell(*events)
        call = pair.call(sid)
        told[shuffled] = json.dumps({name: value for name, value in call.items()
                                     if name not in ("id", "createdAt", "updatedAt")},
                                    sort_keys=True).replace(sid, "SID")
    assert told[True] == told[False]


def test_any_event_may_be_the_first_and_the_only_one(pair):
    for one in livekit.phone_call(livekit.new_sid(), STARTED_MS):
        sid = livekit.new_sid()
        (same,) = [event for event in livekit.phone_call(sid, STARTED_MS)
                   if (event["event"], event["createdAt"]) == (one["event"], one["createdAt"])][:1]
        pair.tell(same)
        assert pair.call(sid)["title"] == f"room of {sid}"


def test_one_call_however_many_events_come_at_once(pair):
    sid = livekit.new_sid()
    events = livekit.phone_call(sid, STARTED_MS) * 4
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(pair.send, events)} == {200}
    assert pair.call(sid)["status"] == "ENDED"


@pytest.mark.parametrize("first", ["trace", "events"])
def test_the_room_s_trace_is_on_the_call(pair, first):
    sid = livekit.new_sid()
    if first == "trace":
        trace = export_room(pair.client, sid)
    pair.tell(*livekit.phone_call(sid, STARTED_MS))
    if first == "events":
        trace = export_room(pair.client, sid)
    (linked,) = pair.client.get(f"/v1/call/{pair.call(sid)['id']}/traces").data
    assert linked["traceId"] == trace
    assert linked["matches"] == [{"kind": "livekit", "value": sid}]


@pytest.mark.parametrize("first", ["events", "post"])
def test_a_posted_call_and_its_room_are_one_call(pair, first):
    sid = livekit.new_sid()
    external = str(uuid.uuid4())
    posted = {"livekitRoomId": sid, "externalId": external, "startedAt": "2026-09-21T14:13:19Z",
              "callDirection": "OUTBOUND", "interfaceType": "WEB"}
    events = livekit.phone_call(sid, STARTED_MS)
    if first == "events":
        pair.tell(*events)
    response = pair.client.post_json("/v1/call", posted)
    assert response.status == 200, response.body
    if first == "post":
        pair.tell(*events)
    call = pair.call(sid)
    assert call["id"] == response.data["id"]
    assert call["externalId"] == external
    assert call["callDirection"] == "OUTBOUND"  # what was posted holds
    assert call["status"] == "ENDED"


@pytest.mark.parametrize("skip", [True, "true"])
def test_skip_in_the_metadata_skips_the_call_not_the_traces(pair, skip):
    sid = livekit.new_sid()
    trace = export_room(pair.client, sid)
    first, *rest = livekit.phone_call(sid, STARTED_MS)
    pair.tell(*rest)
    assert pair.calls(sid)
    pair.tell({**first, "room": {**first["room"], "metadata": json.dumps({"roark.skip": skip})}})
    assert not pair.calls(sid)
    assert pair.client.get(f"/v1/traces/{trace}").status == 200


@pytest.mark.parametrize("metadata", ["roark.skip", "{\"roark.skip\": true", "[true]", "\u0000", "💥" * 1000,
                                      json.dumps({"roark.skip": False}), json.dumps({"roark": {"skip": True}})])
def test_other_metadata_is_no_error_and_skips_nothing(pair, metadata):
    sid = livekit.new_sid()
    pair.tell(*livekit.phone_call(sid, STARTED_MS, metadata=metadata))
    assert pair.call(sid)["status"] == "ENDED"


@pytest.mark.parametrize("body", [
    {"event": "agent_job_started", "job": {"id": "AJ_1", "room": {"sid": "RM_job"}}},
    {"event": "ingress_started", "room": {"name": "RM_job"}, "ingressInfo": {"ingressId": "IN_1"}},
    {"event": "something_new", "room": {"sid": "RM_job", "name": "x"}},
    {"event": "room_started", "room": {"name": "no sid"}},
    {"event": "room_started"},
    {},
])
def test_what_is_about_no_call_is_taken_and_ignored(cluster, pair, body):
    before = cluster.apis[0].metrics()['calltrace_api_livekit_events_total{outcome="ignored"}']
    pair.tell(body)
    assert cluster.apis[0].metrics()['calltrace_api_livekit_events_total{outcome="ignored"}'] == before + 1
    assert not pair.calls("RM_job")


# --- who may send --------------------------------------------------------------------------------------


def refusals(cluster):
    return cluster.apis[0].metrics()['calltrace_api_livekit_events_total{outcome="refused"}']


PAST, FUTURE = 1_000_000_000, 4_000_000_000  # 2001 and 2096


@pytest.mark.parametrize("claims", [
    {"exp": PAST}, {"exp": None}, {"exp": "soon"}, {"nbf": FUTURE}, {"iat": FUTURE},
    {"sha256": None}, {"sha256": "x"}, {"sha256": 5}, {"iss": None}, {"iss": "APIunknown"}, {"iss": ""}, {"iss": "x" * 300}, {"iss": "a\u0000b"}, {"iss": 5},
    {"header": {"alg": "none"}}, {"header": {"alg": "HS512"}}, {"header": {"alg": "RS256"}},
], ids=str)
def test_wrong_tokens_are_401(cluster, pair, claims):
    sid = livekit.new_sid()
    before = refusals(cluster)
    response = pair.send(livekit.phone_call(sid, STARTED_MS)[0], **claims)
    assert response.status == 401, response.body
    code, message = error_of(response.body)
    assert code == "unauthorized"
    assert pair.secret not in message
    assert refusals(cluster) == before + 1
    assert not pair.calls(sid)


def test_another_secret_or_body_is_401(pair):
    body = json.dumps(livekit.phone_call(livekit.new_sid(), STARTED_MS)[0]).encode()
    assert livekit.send(pair.client, body, pair.key, pair.secret + "x").status == 401
    token = livekit.token(body, pair.key, pair.secret)
    assert livekit.send_signed(pair.client, body.replace(b"room", b"r00m"), token).status == 401
    assert livekit.send_signed(pair.client, body + b"\n", token).status == 401
    assert livekit.send_signed(pair.client, body, token).status == 200
    assert livekit.send_signed(pair.client, body, f"Bearer {token}").status == 200


def test_an_expiry_within_the_leeway_is_taken(pair):
    body = livekit.phone_call(livekit.new_sid(), STARTED_MS)[0]
    now = int(time.time())
    assert pair.send(body, exp=now - 40).status == 200
    assert pair.send(body, exp=now - 90).status == 401
    assert pair.send(body, nbf=now + 40).status == 200


def test_a_key_of_ours_is_no_signature(pair):
    response = pair.client.request("POST", livekit.PATH, b"{}", {"Content-Type": JSON})
    assert response.status == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"hello", b"\xff\xfe", b'{"event": "a", "event": "b"}'])
def test_a_signed_body_that_is_no_json_object_is_400(pair, body):
    response = pair.send(body)
    assert response.status == 400, response.body
    assert "webhook" in error_of(response.body)[1]


def test_a_body_over_the_limit_is_413(pair):
    assert pair.send(b" " * (1 << 20) + b"{}").status == 413
    assert pair.send(b" " * ((1 << 20) - 2) + b"{}").status == 200


def test_refusals_are_one_clear_line_without_secrets(cluster, pair):
    time.sleep(1.1)  # one line a second
    body = json.dumps(livekit.phone_call("RM_secret_room", STARTED_MS)[0]).encode()
    livekit.send(pair.client, body, pair.key, pair.secret + "x")
    log = cluster.apis[0].log()
    (line,) = [line for line in log.splitlines() if "event=livekit_refused" in line][-1:]
    assert pair.key in line and "status=401" in line and "secret" in line
    assert pair.secret not in log
    assert "RM_secret_room" not in log


# --- keys and projects ---------------------------------------------------------------------------------


def test_one_key_serves_every_project_whose_secret_verifies(cluster):
    first = Pair(cluster, cluster.project("livekit one"))
    second = Pair(cluster, cluster.project("livekit two"))
    third = Pair(cluster, cluster.project("livekit three"))
    second.key, second.secret = first.key, first.secret
    second.add(first.secret)
    third.key = first.key
    third.add("another secret")
    sid = livekit.new_sid()
    trace = export_room(second.client, sid)
    first.tell(*livekit.phone_call(sid, STARTED_MS))
    ids = {first.call(sid)["id"], second.call(sid)["id"]}
    assert len(ids) == 2
    assert not third.calls(sid)
    assert {row[1:3] for row in cluster.links() if row[2] == trace} == {(second.call(sid)["id"], trace)}
    other = livekit.new_sid()
    third.secret = "another secret"
    third.tell(*livekit.phone_call(other, STARTED_MS))
    assert third.call(other) and not first.calls(other)


def test_a_project_may_have_several_keys(cluster, pair):
    again = Pair(cluster, pair.project)
    for one in (pair, again):
        sid = livekit.new_sid()
        one.tell(*livekit.phone_call(sid, STARTED_MS))
        assert one.call(sid)


def status_of(pair):
    return pair.send({"event": "room_started"}).status


def test_a_new_secret_takes_the_old_one_s_place_and_a_removed_key_is_refused(cluster, project):
    pair = Pair(cluster, project)
    assert status_of(pair) == 200
    old = pair.secret
    pair.secret = livekit.new_pair()[1]
    pair.add(pair.secret)
    wait_until(lambda: status_of(pair) == 200, 5, "the new secret to be taken")
    assert livekit.send(pair.client, {}, pair.key, old).status == 401
    listed = cluster.command("livekit", "list", "--project", project.name)
    (line,) = [line for line in listed.splitlines() if pair.key in line]
    assert "secret=sealed" in line
    assert pair.secret not in listed
    cluster.command("livekit", "remove", "--project", project.name, "--api-key", pair.key)
    wait_until(lambda: status_of(pair) == 401, 5, "the removed key to be refused")
    assert pair.key not in cluster.command("livekit", "list", "--project", project.name)


def test_a_secret_may_stand_in_a_file(cluster, project, tmp_path):
    file = tmp_path / "livekit-secret"
    pair = Pair(cluster, project)
    pair.secret = livekit.new_pair()[1]
    file.write_text(pair.secret + "\n")
    cluster.command("livekit", "add", "--project", project.name, "--api-key", pair.key,
                    "--secret-file", str(file))
    wait_until(lambda: status_of(pair) == 200, 5, "the secret of the file to be taken")
    assert str(file) in cluster.command("livekit", "list", "--project", project.name)
    pair.secret = livekit.new_pair()[1]
    file.write_text(pair.secret)
    wait_until(lambda: status_of(pair) == 200, 5, "the file's new secret to be taken")
    file.unlink()
    wait_until(lambda: status_of(pair) == 503, 5, "a secret that cannot be had to be said")
    assert "livekit_secret_unusable" in cluster.apis[0].log()


def test_what_is_stored_is_sealed(cluster, pair):
    (row,) = cluster.sql("select secret, secret_file from livekit_key where api_key = %s", (pair.key,))
    assert row[1] is None
    assert pair.secret.encode() not in bytes(row[0])
    assert len(row[0]) == len(pair.secret) + 29


def test_a_secret_sealed_under_another_key_is_503_and_said(cluster, project, tmp_path):
    other = tmp_path / "other-key"
    other.touch(0o600)
    other.write_text("11" * 32)
    key, secret = livekit.new_pair()
    done = cluster.run("livekit", "add", "--project", project.name, "--api-key", key, stdin=secret,
                       env={"CALLTRACE_SECRETS_KEY_FILE": str(other)})
    assert done.returncode == 0, done.stderr
    assert livekit.send(cluster.client(project), {}, key, secret).status == 503
    assert secret not in cluster.apis[0].log()


@pytest.mark.parametrize("words, named", [
    (["add", "--project", "demo"], "--api-key"),
    (["add", "--api-key", "APIx"], "--project"),
    (["add", "--project", "nonsense", "--api-key", "APIx"], "nonsense"),
    (["add", "--project", "demo", "--api-key", ""], "API key"),
    (["add", "--project", "demo", "--api-key", "x" * 256], "API key"),
    (["add", "--project", "demo", "--api-key", "APIx", "--secret-file", "/nonexistent/x"], "/nonexistent/x"),
    (["add", "--project", "demo", "--api-key", "APIx", "--secret-file", "/dev/null"], "1 to 1024"),
    (["add", "--project", "demo", "--api-key", "APIx", "--secrets_key_file", "/nonexistent/x"], "/nonexistent/x"),
    (["remove", "--project", "demo", "--api-key", "APInone"], "APInone"),
    (["list"], "--project"),
    (["nonsense"], "verbs"),
])
def test_wrong_administration_fails_with_a_sentence(cluster, project, words, named):
    done = cluster.run("livekit", *words, stdin="a secret")
    assert done.returncode in (1, 2)
    assert named in done.stderr
    assert "a secret" not in done.stderr.replace("a secret file", "")
    assert done.stdout == ""


def test_a_sealed_secret_needs_the_key_file_and_says_so(cluster, project):
    words = ["livekit", "add", "--project", project.name, "--api-key", "APInokey"]
    done = cluster.run(*words, stdin="hunter2", env={"CALLTRACE_SECRETS_KEY_FILE": ""})
    assert done.returncode == 2
    assert "secrets_key_file" in done.stderr and "--secret-file" in done.stderr
    assert "hunter2" not in done.stderr
    for stdin in ("", "\n", "x" * 1025):
        done = cluster.run(*words, stdin=stdin)
        assert done.returncode == 2
        assert "1 to 1024" in done.stderr


def test_one_key_serves_at_most_64_projects(cluster, project):
    key, secret = livekit.new_pair()
    with_key = "insert into livekit_key (project_id, api_key, secret) select gen_random_uuid(), %s, 'x' from generate_series(1, %s)"
    cluster.sql(with_key, (key, 63))
    cluster.command("livekit", "add", "--project", project.name, "--api-key", key, stdin=secret)
    cluster.sql(with_key, (key, 1))
    done = cluster.run("livekit", "add", "--project", project.name, "--api-key", key, stdin=secret)
    assert done.returncode == 1
    assert "64 projects" in done.stderr


def test_a_wrong_key_file_ends_the_start_with_a_sentence(cluster, tmp_path):
    file = tmp_path / "key"
    file.write_text("00" * 32)
    file.chmod(0o644)
    api = cluster.apis[0]
    done = subprocess.run(
        [str(api.binary), "serve", *(f"--{name}={value}" for name, value in api.rows.items()
                                     if name != "secrets_key_file"), f"--secrets_key_file={file}"],
        capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert str(file) in done.stderr and "chmod 600" in done.stderr


# --- away ----------------------------------------------------------------------------------------------


def test_postgres_or_the_correlator_away_is_503_and_nothing_is_lost(servers):
    cluster = servers.cluster()
    pair = Pair(cluster, cluster.project("away"))
    sid = livekit.new_sid()
    events = livekit.phone_call(sid, STARTED_MS)
    pair.tell(*events[:3])
    cluster.correlators[0].close()
    response = pair.send(events[4])
    assert response.status == 503
    assert response.header("Retry-After") == "1"
    cluster.correlators[0].start()
    cluster.correlators[0].wait_ready()
    servers.postgres.process.close()
    try:
        time.sleep(2.1)  # the secret is not remembered any more
        response = pair.send(events[4])
        assert response.status == 503
        assert response.header("Retry-After") == "1"
    finally:
        servers.postgres.process.start()
    wait_until(lambda: pair.send(events[4]).status == 200, 20, "the webhook to be taken again")
    pair.tell(*events[5:])
    assert pair.call(sid)["endedAt"] == "2026-09-21T14:14:22.000Z"
    cluster.close()
