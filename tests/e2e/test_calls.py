"""Creates: what is sent is checked, kept and given back; keys are unique; retries are known."""

import json
import threading
import uuid

import pytest

from support import otlp
from support.client import JSON
from support.cluster import error_of

FULL = {
    "recordingUrl": "https://example.com/a.wav", "stereoRecordingUrl": "https://example.com/b.wav",
    "startedAt": "2026-01-02T03:04:05.678Z", "interfaceType": "PHONE",
    "callDirection": "OUTBOUND", "endedStatus": "AGENT_ENDED_CALL",
    "properties": {"a": 1, "b": {"c": [None, "\u00fc"]}},
    "agent": {"name": "Ann", "prompt": {"resolvedPrompt": "hello"}},
    "customer": {"phoneNumberE164": "+15551234567", "label": "caller"},
    "transcript": [{"role": "AGENT", "text": "hi", "startOffsetMs": 0, "endOffsetMs": 900},
                   {"role": "CUSTOMER", "text": "", "startOffsetMs": 900, "endOffsetMs": 1000}],
    "toolInvocations": [{"name": "look_up", "parameters": {"x": {"value": 1}, "y": [1]},
                         "result": "ok", "startOffsetMs": 5}],
}


def unique(prefix="ext"):
    return f"{prefix}-{uuid.uuid4()}"


@pytest.mark.smoke
@pytest.mark.parametrize("path", ["/v1/call", "/call"])
def test_a_full_call(client, project, path):
    value = unique()
    response = client.post_json(path, {**FULL, "externalId": value})
    assert response.status == 200, response.body
    assert response.header("Content-Type").startswith(JSON)
    data = response.data
    assert set(data) >= {"id", "projectId", "status", "callDirection", "startedAt", "agents",
                         "customers", "createdAt", "externalId"}
    assert data["projectId"] == project.id
    assert data["externalId"] == value
    assert data["callDirection"] == "OUTBOUND"
    uuid.UUID(data["id"])
    got = client.get(f"/v1/call/{data['id']}").data
    assert got["id"] == data["id"] and got["properties"] == FULL["properties"]
    entries = client.get(f"/v1/call/{data['id']}/transcript").data["entries"]
    assert [entry["text"] for entry in entries] == ["hi", ""]


@pytest.mark.parametrize("path", ["/v1/chat", "/chat"])
def test_a_full_chat(client, project, path):
    value = unique()
    body = {"externalId": value, "startTimestamp": "2026-01-02T03:04:05Z",
            "endTimestamp": "2026-01-02T03:05:05Z", "messages": [
                {"role": "CUSTOMER", "text": "hi", "startTimestamp": "2026-01-02T03:04:06Z"}]}
    response = client.post_json(path, body)
    assert response.status == 200, response.body
    data = response.data
    assert data["projectId"] == project.id and data["externalId"] == value
    assert data["durationMs"] == 60_000
    assert client.get(f"/v1/chat/{data['id']}").data["id"] == data["id"]


@pytest.mark.parametrize("path", ["/v1/call", "/v1/chat"])
def test_every_field_is_optional(client, path):
    assert client.post_json(path, {}).status == 200


KEYS = [("/v1/call", "externalId"), ("/v1/chat", "externalId"), ("/v1/call", "livekitRoomId"),
        ("/v1/call", "vapiCallId")]


@pytest.mark.parametrize("path, field", KEYS)
def test_a_taken_key_is_409_and_changes_nothing(client, path, field):
    value = str(uuid.uuid4())
    first = client.post_json(path, {field: value})
    assert first.status == 200
    response = client.post_json(path, {field: value, "properties": {"other": True}})
    assert response.status == 409
    assert response.header("x-should-retry") == "false"
    _, message = error_of(response.body)
    assert field in message and value in message
    assert client.get(f"{path}/{first.data['id']}").status == 200


@pytest.mark.parametrize("first, second", [("/v1/call", "/v1/chat"), ("/v1/chat", "/v1/call")])
def test_calls_and_chats_share_one_namespace(client, first, second):
    value = unique()
    assert client.post_json(first, {"externalId": value}).status == 200
    assert client.post_json(second, {"externalId": value}).status == 409


def test_a_refused_create_takes_none_of_its_keys(client):
    value, room = unique(), unique("RM")
    assert client.post_json("/v1/call", {"externalId": value}).status == 200
    refused = client.post_json("/v1/call", {"externalId": value, "livekitRoomId": room})
    assert refused.status == 409
    assert client.post_json("/v1/call", {"livekitRoomId": room}).status == 200


def test_many_chats_may_point_at_one_trace(client):
    trace = otlp.new_trace_id().hex()
    ids = {client.post_json("/v1/chat", {"traceId": trace}).data["id"] for _ in range(3)}
    assert len(ids) == 3


def test_the_same_key_in_another_project(cluster, client):
    value = unique()
    assert client.post_json("/v1/call", {"externalId": value}).status == 200
    other = cluster.client(cluster.project(unique("other")))
    assert other.post_json("/v1/call", {"externalId": value}).status == 200


def test_an_idempotency_key_with_another_body_is_refused(client):
    value = unique()
    headers = {"Content-Type": JSON, "Idempotency-Key": unique("key")}
    first = client.request("POST", "/v1/call", json.dumps({"externalId": value}).encode(), headers)
    assert first.status == 200
    other = client.request("POST", "/v1/call", b'{"callDirection": "INBOUND"}', headers)
    assert other.status == 400
    assert b"Idempotency-Key" in other.body
    again = client.request("POST", "/v1/call", json.dumps({"externalId": value}).encode(), headers)
    assert again.data["id"] == first.data["id"]


def test_a_repeated_idempotency_key_gets_the_first_answer(client):
    body = json.dumps({"externalId": unique()}).encode()
    headers = {"Content-Type": JSON, "Idempotency-Key": unique("key")}
    answers = [client.request("POST", "/v1/call", body, headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.body for answer in answers}) == 1


@pytest.mark.parametrize("body", [{"externalId": "x"}, {}], ids=["key", "no key"])
def test_a_stainless_retry_gets_the_first_answer(client, body):
    body = {**body, "properties": {"n": unique()}}
    if "externalId" in body:
        body["externalId"] = unique()
    data = json.dumps(body).encode()
    ids = []
    for count in range(3):
        response = client.request("POST", "/v1/call", data, {
            "Content-Type": JSON, "X-Stainless-Retry-Count": str(count)})
        assert response.status == 200, response.body
        ids.append(response.data["id"])
    assert len(set(ids)) == 1


def test_a_first_try_is_no_retry(client):
    """The same body without a retry's header is another request: two calls, or 409 with a key."""
    data = json.dumps({"properties": {"n": unique()}}).encode()
    ids = {client.request("POST", "/v1/call", data, {
        "Content-Type": JSON, "X-Stainless-Retry-Count": "0"}).data["id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_retry_with_another_body_is_refused(client):
    value = unique()
    client.post_json("/v1/call", {"externalId": value}, {"X-Stainless-Retry-Count": "0"})
    response = client.post_json("/v1/call", {"externalId": value, "properties": {}},
                                {"X-Stainless-Retry-Count": "1"})
    assert response.status == 409


def test_first_try_and_retry_at_once_make_one_call(cluster, project):
    """The retry of a slow request may overtake it."""
    for _ in range(30):
        data = json.dumps({"properties": {"n": unique()}}).encode()
        ids, barrier = [], threading.Barrier(3)

        def send(count):
            mine = cluster.client(project)
            headers = {"Content-Type": JSON, "Idempotency-Key": data.decode()[-40:-4],
                       "X-Stainless-Retry-Count": str(count)}
            barrier.wait()
            response = mine.request("POST", "/v1/call", data, headers)
            assert response.status == 200, response.body
            ids.append(response.data["id"])
            mine.close()

        threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 3 and len(set(ids)) == 1, ids


@pytest.mark.parametrize("value, status", [
    ("x" * 255, 200), ("\u00fc" * 255, 200), ("\U0001f600" * 255, 200), ("x" * 256, 400),
    ("", 400), (" ", 200), (5, 400), (True, 400), (["a"], 400), ({"a": 1}, 400)])
@pytest.mark.parametrize("path", ["/v1/call", "/v1/chat"])
def test_the_length_of_an_external_id(client, cluster, path, value, status):
    if isinstance(value, str) and len(value) == 255:
        value = (uuid.uuid4().hex + value)[:255] if value[0] == "x" else \
            value[:223] + uuid.uuid4().hex
    elif value == " ":
        value = " " + uuid.uuid4().hex + " "
    response = client.post_json(path, {"externalId": value})
    assert response.status == status, response.body
    if status == 400:
        assert "externalId" in error_of(response.body)[1]
    else:
        assert response.data["externalId"] == value


def test_values_are_never_trimmed_or_folded(client):
    value = unique("Case")
    ids = {client.post_json("/v1/call", {"externalId": text}).data["id"]
           for text in (value, value.lower(), value + " ", " " + value)}
    assert len(ids) == 4


def test_a_key_with_nul_is_a_key(cluster, project, client):
    """U+0000 is valid UTF-8."""
    value = unique() + "\0x"
    trace = otlp.new_trace_id()
    body = otlp.request([otlp.span(trace)], {"roark.external_id": value})
    assert client.export(body.SerializeToString()).body == b""
    response = client.post_json("/v1/call", {"externalId": value})
    assert response.status == 200, response.body
    assert (project.id, response.data["id"], trace.hex(), 1, value.encode()) in cluster.links()


BAD_FIELDS = [
    ("call", {"interfaceType": "FAX"}, "interfaceType"),
    ("call", {"callDirection": "inbound"}, "callDirection"),
    ("call", {"endedStatus": "GONE"}, "endedStatus"),
    ("call", {"startedAt": "yesterday"}, "startedAt"), ("call", {"startedAt": 5}, "startedAt"),
    ("call", {"recordingUrl": "not a url"}, "recordingUrl"),
    ("call", {"recordingUrl": "ftp://example.com/x"}, "recordingUrl"),
    ("call", {"recordingUrl": 7}, "recordingUrl"),
    ("call", {"properties": []}, "properties"), ("call", {"properties": "x"}, "properties"),
    ("call", {"vapiCallId": "not-a-uuid"}, "vapiCallId"),
    ("call", {"livekitRoomId": "x" * 256}, "livekitRoomId"),
    ("call", {"livekitRoomId": "RM_a", "vapiCallId": str(uuid.UUID(int=1))}, "vapiCallId"),
    ("call", {"agent": {"name": "a"}, "agents": [{"name": "b"}]}, "agent"),
    ("call", {"agent": "Ann"}, "agent"), ("call", {"agents": {"name": "a"}}, "agents"),
    ("call", {"agent": {}}, "agent"), ("call", {"agent": {"roarkId": "x"}}, "roarkId"),
    ("call", {"customer": {"phoneNumberE164": 5}}, "phoneNumberE164"),
    ("call", {"transcript": {}}, "transcript"),
    ("call", {"transcript": [{"role": "ROBOT", "text": "x", "startOffsetMs": 0,
                              "endOffsetMs": 1}]}, "role"),
    ("call", {"transcript": [{"role": "AGENT", "text": "x", "startOffsetMs": -1,
                              "endOffsetMs": 1}]}, "startOffsetMs"),
    ("call", {"transcript": [{"role": "AGENT", "text": "x", "startOffsetMs": 0}]}, "endOffsetMs"),
    ("call", {"toolInvocations": [{"name": 5}]}, "name"),
    ("chat", {"traceId": "xyz"}, "traceId"), ("chat", {"traceId": "0" * 32}, "traceId"),
    ("chat", {"traceId": 5}, "traceId"), ("chat", {"messages": {}}, "messages"),
    ("chat", {"startTimestamp": "x"}, "startTimestamp"),
    ("chat", {"messages": [{"role": "AGENT"}]}, "text"),
]


@pytest.mark.parametrize("kind, body, field", BAD_FIELDS,
                         ids=[f"{kind}-{json.dumps(body)[:40]}" for kind, body, _ in BAD_FIELDS])
def test_a_bad_field_is_400_by_name(client, kind, body, field):
    response = client.post_json(f"/v1/{kind}", body)
    assert response.status == 400, response.body
    _, message = error_of(response.body)
    assert field in message, message
    value = response.json()
    if "error" in value:
        assert value["success"] is False
        assert value["error"]["name"] == "ZodError" and value["error"]["issues"]


BAD_BODIES = {
    "empty": b"", "text": b"hello", "array": b"[]", "null": b"null", "number": b"1",
    "truncated": b'{"externalId":"a', "trailing": b"{}{}", "not UTF-8": b'{"externalId":"\xff"}',
    "duplicate key": b'{"externalId":"a-dup","externalId":"b-dup"}',
    "lone surrogate in a key": b'{"externalId":"\\ud83d"}',
    "deep": b'{"properties":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "deeper": b"[" * 100_000, "NaN": b'{"properties":{"a":NaN}}',
}


@pytest.mark.parametrize("path", ["/v1/call", "/v1/chat"])
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_400(client, path, body):
    response = client.request("POST", path, body, {"Content-Type": JSON})
    assert response.status == 400, (response.status, response.body[:300])
    error_of(response.body)
    assert client.get("/v1/me").status == 200


ODD_BODIES = {
    "huge integer": b'{"properties":{"n":123456789012345678901234567890}}',
    "huge double": b'{"properties":{"n":1e999}}', "NUL": b'{"properties":{"n":"a\\u0000b"}}',
    "lone surrogate": b'{"properties":{"n":"\\ud83d"}}',
    "empty names": b'{"properties":{"":{"":null}}}', "unknown field": b'{"whatever":[1,{"a":2}]}',
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_odd_values_in_properties_are_kept(client, body):
    response = client.request("POST", "/v1/call", body, {"Content-Type": JSON})
    assert response.status == 200, response.body
    assert client.get(f"/v1/call/{response.data['id']}").status == 200
    assert client.get("/v1/call").status == 200


def test_a_body_over_the_limit_is_413(client):
    body = json.dumps({"properties": {"x": "x" * (65 << 20)}}).encode()
    response = client.request("POST", "/v1/call", body, {"Content-Type": JSON})
    assert response.status == 413
    error_of(response.body)


def test_another_content_type_is_415(client):
    response = client.request("POST", "/v1/call", b"a=b",
                              {"Content-Type": "application/x-www-form-urlencoded"})
    assert response.status == 415
    error_of(response.body)


def test_probes(client, project):
    me = client.get("/v1/me").data
    assert me["tokenScope"] == "PROJECT"
    assert project.id in json.dumps(me)
    assert project.id in client.get("/v1/projects").body.decode()
    agents = client.get("/v1/agent?limit=1")
    assert agents.status == 200 and "pagination" in agents.json()
    health = client.get("/health").data
    assert health["status"] == "healthy" and health["version"]
