"""Two projects on one calltrace: nothing of one is there for the other. Every route that takes an id is asked for the other
project's ids and for ids that nobody has; status, headers and body must be the same, and nothing of the other may stand in
any answer, also while both ask at once."""

import json
import re
import threading
import uuid
from dataclasses import dataclass

import pytest

from support import otlp, paths, vapi
from support.client import JSON
from support.process import wait_until

ROUTES = re.findall(r'^ROUTE\((\w+),\s*"([^"]+)",\s*(\w+),\s*(\w+)', (paths.ROOT / "api/http/routes.def").read_text(), re.M)
OPEN = {"NONE"}  # the pages: the same for everybody
# These answer by what the asker is, not by what is asked for: their ids are not looked at.
PLACEHOLDERS = {"callId", "chatId", "traceId", "spanId", "valueId", "keyId", "credentialId", "webhookId"}
ROUNDS, THREADS = 15, 4


@dataclass
class Side:
    """A project with one of everything."""

    name: str
    mark: str  # stands in everything it has
    client: object
    ids: dict
    cursors: dict
    external: str
    key: str


def value_address(client, trace, span):
    text = client.get(f"/v1/traces/{trace}/spans/{span}").body.decode()
    return re.search(r"/values/([\w-]+)", text).group(1)


def make_side(cluster, name):
    mark = f"mark-{name}-{uuid.uuid4().hex}"
    project = cluster.project(name)
    client = cluster.client(project)
    external, trace, span = f"ext-{uuid.uuid4()}", otlp.new_trace_id(), otlp.new_span_id()
    long_text = mark + "x" * 200_000
    export = otlp.request([otlp.span(trace, f"work {mark}", {"note": mark, "long": long_text}, span_id=span),
                           otlp.span(otlp.new_trace_id(), f"alone {mark}", {"note": mark})],
                          {"roark.external_id": external, "service.name": mark, "roark.project.tag.team": mark})
    assert client.export(export.SerializeToString()).status == 200
    call = client.post_json("/v1/call", {"externalId": external, "agent": {"name": mark}, "properties": {"mark": mark},
                                         "transcript": [{"role": "AGENT", "text": mark, "startOffsetMs": 0, "endOffsetMs": 5}]})
    assert call.status == 200, call.body
    client.post_json("/v1/call", {"externalId": external + "-2", "agent": {"name": mark}})
    chat = client.post_json("/v1/chat", {"traceId": trace.hex(), "startTimestamp": "2026-01-02T03:04:05Z", "agent": {"name": mark},
                                         "messages": [{"role": "AGENT", "text": mark, "startTimestamp": "2026-01-02T03:04:05Z"}]})
    assert chat.status == 200, chat.body
    imported = client.post_json("/v1/vapi/call", {"vapiEndOfCallReportPayload": {"message": vapi.report(summary=mark)}})
    assert imported.status == 200, imported.body
    credential = cluster.command("vapi", "secret", "add", "--project", name, "--name", f"vapi {mark}", stdin="a secret of twenty characters\n")
    credential_id = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", credential).group()
    key_id = client.post_json("/v1/keys", {"name": f"key {mark}", "scopes": ["read"]}).data["id"]
    wait_until(lambda: client.get(f"/v1/call/{call.data['id']}/traces").data, 10, "the link")
    ids = {"callId": call.data["id"], "chatId": chat.data["id"], "traceId": trace.hex(), "spanId": span.hex(),
           "valueId": value_address(client, trace.hex(), span.hex()), "keyId": key_id, "credentialId": credential_id,
           "webhookId": str(uuid.uuid4())}
    cursors = {path: client.get(f"{path}?limit=1").json().get("pagination", {}).get("nextCursor")
               for path in ("/v1/call", "/v1/traces", "/v1/links", "/v1/unmatched", "/v1/conversations")}
    return Side(name, mark, client, ids, cursors, external, project.key)


@pytest.fixture(scope="module")
def sides(servers):
    cluster = servers.cluster()
    try:
        yield make_side(cluster, "victim"), make_side(cluster, "stranger")
    finally:
        cluster.close()


def nobodys(ids):
    """Ids of the same form that nobody has."""
    return {"callId": str(uuid.uuid4()), "chatId": str(uuid.uuid4()), "keyId": str(uuid.uuid4()),
            "credentialId": str(uuid.uuid4()), "webhookId": str(uuid.uuid4()), "traceId": otlp.new_trace_id().hex(),
            "spanId": otlp.new_span_id().hex(), "valueId": ids["valueId"][::-1]}


def fill(path, ids):
    """The path with these ids; a search has to look for something."""
    filled = re.sub(r"\{(\w+)\}", lambda match: ids[match.group(1)], path)
    return filled + "?q=work" if filled.endswith("/search") else filled


def seen(response, ids):
    """What a stranger can tell: status, headers, body, with the ids that it sent itself taken out."""
    body = response.body.decode("utf-8", "replace")
    for value in ids.values():
        body = body.replace(value, "ID")
    headers = sorted((name.lower(), value) for name, value in response.headers.items()
                     if name.lower() not in ("date", "x-request-id"))
    return response.status, headers, body


def ask(side, method, path, ids):
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    headers = {"Content-Type": JSON} if body else {}
    return side.client.request(method, fill(path, ids), body, headers)


WITH_IDS = [(method, path) for method, path, _, scope in ROUTES if scope not in OPEN and "{" in path]


def test_every_placeholder_of_the_route_table_is_known():
    assert len(WITH_IDS) >= 20
    for _, path in WITH_IDS:
        assert set(re.findall(r"\{(\w+)\}", path)) <= PLACEHOLDERS, path


@pytest.mark.parametrize("method, path", WITH_IDS, ids=[f"{method} {path}" for method, path in WITH_IDS])
def test_not_yours_is_not_there(sides, method, path):
    victim, stranger = sides
    names = re.findall(r"\{(\w+)\}", path)
    none = nobodys(victim.ids)
    theirs = seen(ask(stranger, method, path, victim.ids), victim.ids)
    assert theirs == seen(ask(stranger, method, path, none), none)
    assert victim.mark not in theirs[2]
    assert theirs[0] >= 400
    for name in names[1:]:  # below a thing of one's own, too
        mixed = {**stranger.ids, name: victim.ids[name]}
        odd = {**stranger.ids, name: none[name]}
        assert seen(ask(stranger, method, path, mixed), mixed) == seen(ask(stranger, method, path, odd), odd)


def test_the_owner_gets_what_the_stranger_does_not(sides):
    """The test above could not fail if nothing were there."""
    victim, _ = sides
    for method, path in WITH_IDS:
        if method == "GET" and "webhook" not in path and not path.endswith(("/metrics", "-run")):
            response = ask(victim, method, path, victim.ids)
            assert response.status == 200, (path, response.status, response.body)
    assert victim.mark in ask(victim, "GET", "/v1/call/{callId}", victim.ids).body.decode()


LISTS = ["/v1/call", "/v1/chat", "/v1/conversations", "/v1/agent", "/v1/traces", "/v1/traces/suggest?field=service",
         "/v1/traces/suggest?field=value&key=note", "/v1/traces/histogram", "/v1/traces/groups?by=service",
         "/v1/traces/groups?by=tag:team", "/v1/links", "/v1/unmatched", "/v1/unmatched?counts=true", "/v1/keys", "/v1/me", "/v1/projects"]


@pytest.mark.parametrize("path", LISTS)
def test_no_list_holds_anything_of_the_other(sides, path):
    for one, other in (sides, sides[::-1]):
        body = one.client.get(path)
        assert body.status in (200, 400), (path, body.body)
        assert other.mark not in body.body.decode()


QUESTIONS = ["/v1/links?call={callId}", "/v1/links?chat={chatId}", "/v1/links?trace={traceId}", "/v1/call?searchText={mark}",
             "/v1/conversations?q={mark}", "/v1/traces?attr=note:{mark}", "/v1/traces?service={mark}", "/v1/traces?name=work%20{mark}",
             "/v1/traces?tag=team:{mark}", "/v1/traces/groups?by=name&attr=note:{mark}", "/v1/traces/suggest?field=value&key=note&q={mark}",
             "/v1/conversations?source={mark}", "/v1/traces/{traceId}/search?q={mark}"]


@pytest.mark.parametrize("path", QUESTIONS)
def test_asking_for_the_others_values_finds_nothing(sides, path):
    victim, stranger = sides
    none = {**nobodys(victim.ids), "mark": f"mark-victim-{uuid.uuid4().hex}"}
    theirs = {**victim.ids, "mark": victim.mark}
    assert seen(stranger.client.get(fill(path, theirs)), theirs) == seen(stranger.client.get(fill(path, none)), none)


def test_the_others_cursors_lead_nowhere_but_ones_own(sides):
    victim, stranger = sides
    used = 0
    for path, cursor in victim.cursors.items():
        if cursor is not None:
            used += 1
            body = stranger.client.get(f"{path}?after={cursor}")
            assert body.status == 200, body.body
            assert victim.mark not in body.body.decode()
    assert used >= 3


def test_the_same_keys_are_free_for_the_other(sides):
    """A 409 would tell that somebody else has them."""
    victim, stranger = sides
    made = stranger.client.post_json("/v1/call", {"externalId": victim.external}, {"Idempotency-Key": "one"})
    assert made.status == 200
    assert made.data["id"] != victim.ids["callId"]
    again = victim.client.post_json("/v1/call", {"externalId": victim.external + "-3"}, {"Idempotency-Key": "one"})
    assert again.status == 200, "an Idempotency-Key counts within its project"
    assert stranger.client.get(f"/v1/call/{made.data['id']}/traces").data == []


def test_spans_of_the_others_trace_id_are_ones_own(sides):
    victim, stranger = sides
    trace = bytes.fromhex(victim.ids["traceId"])
    before = len(victim.client.get(f"/v1/traces/{trace.hex()}/tree").body)
    export = otlp.request([otlp.span(trace, "intruder")], {"roark.external_id": victim.external, "roark.skip": True})
    assert stranger.client.export(export.SerializeToString()).status == 200
    assert len(victim.client.get(f"/v1/traces/{trace.hex()}/tree").body) == before
    tree = stranger.client.get(f"/v1/traces/{trace.hex()}/tree")
    assert victim.mark not in tree.body.decode()


def test_the_others_key_is_not_revoked(sides):
    victim, stranger = sides
    assert stranger.client.request("DELETE", f"/v1/keys/{victim.ids['keyId']}").status == 404
    listed = {key["id"]: key["revokedAt"] for key in victim.client.get("/v1/keys").data}
    assert listed[victim.ids["keyId"]] is None


def test_a_session_of_the_pages_reaches_no_further_than_its_key(sides):
    victim, stranger = sides
    opened = stranger.client.request("POST", "/v1/session", b"", {"X-Calltrace-Page": "1"})
    assert opened.status in (200, 201, 204), opened.body
    cookie = opened.header("Set-Cookie").partition(";")[0]
    visitor = stranger.client.with_key(None)
    none = nobodys(victim.ids)
    for method, path in WITH_IDS:
        if method == "GET":
            theirs = seen(visitor.get(fill(path, victim.ids), {"Cookie": cookie}), victim.ids)
            assert theirs == seen(visitor.get(fill(path, none), {"Cookie": cookie}), none), path
            assert victim.mark not in theirs[2] and theirs[0] != 401
    assert visitor.get(fill("/v1/call/{callId}", stranger.ids), {"Cookie": cookie}).status == 200


def test_hammering_both_at_once_mixes_nothing_up(sides):
    """Connections, caches and threads are shared; projects are not."""
    paths_asked = [path for method, path in WITH_IDS if method == "GET" and "webhook" not in path
                   and not path.endswith(("/metrics", "-run"))] + LISTS
    problems = []

    def hammer(one, other):
        for _ in range(ROUNDS):
            for path in paths_asked:
                own = one.client.get(fill(path, one.ids))
                foreign = one.client.get(fill(path, other.ids)) if "{" in path else None
                if other.mark in own.body.decode() or ("{" in path and own.status != 200):
                    problems.append((one.name, path, own.status, own.body[:200]))
                if foreign is not None and (foreign.status < 400 or other.mark in foreign.body.decode()):
                    problems.append((one.name, path, foreign.status, foreign.body[:200]))

    threads = [threading.Thread(target=hammer, args=pair) for pair in (sides, sides[::-1]) for _ in range(THREADS // 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_errors_name_no_ids_of_the_other(sides):
    victim, stranger = sides
    body = stranger.client.post_json("/v1/call", {"vapiCallId": victim.ids["callId"], "livekitRoomId": "RM_x"})
    assert body.status in (200, 400)
    assert json.dumps(body.json()).count(victim.mark) == 0
