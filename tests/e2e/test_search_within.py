"""One span by itself, its long values, and where a text stands in a trace."""

import json
import uuid

import pytest

from support import otlp
from support.cluster import error_of

START = 1_770_000_000_000_000_000
MS = 1_000_000
LONG = 200_000


def long_text(chars, unit="aä суп\n\"x\" "):
    return (unit * (chars // len(unit) + 1))[:chars]


class Trace:
    """A trace with values of many kinds and lengths."""

    def __init__(self, client):
        self.id = otlp.new_trace_id()
        self.big = long_text(1_000_000)
        self.limit = long_text(LONG)
        root = otlp.span(self.id, "Agent_Session", {
            "prompt": self.big, "limit": self.limit, "over": self.limit + "y", "blob": b"\x00\xff\x80" * 70_000,
            "nested": {"list": ["one", {"deep": self.big + "!"}]}, "small": "NEEDLE in Small"},
            start=START)
        event = root.events.add()
        event.name = "gen_ai.choice"
        event.attributes.extend(otlp.attributes({"message": "and the needle answers"}))
        child = otlp.span(self.id, "llm_node", {
            "text": "x" * 500 + "the Needle" + "y" * 500, "needles": 1, "n": 55217, "f": 0.25, "ok": True,
            "list": [1, ["суп needle"]], "map": {"needle-key": None}}, parent=root.span_id,
            start=START + MS)
        child.status.code = 2
        child.status.message = "timeout of lookup"
        third = otlp.span(self.id, "tts_node", {"voice": "alto"}, parent=root.span_id, start=START + 2 * MS)
        self.spans = [root, child, third]
        message = otlp.request(self.spans, {"host": "Needle-host", "long": self.big}, scope="livekit")
        message.resource_spans[0].scope_spans[0].scope.version = "1.2"
        assert client.export(message.SerializeToString()).status == 200

    def path(self, n=0):
        return f"/v1/traces/{self.id.hex()}/spans/{self.spans[n].span_id.hex()}"


@pytest.fixture(scope="module")
def trace(cluster, project):
    return Trace(cluster.client(project))


def parts(client, path):
    response = client.get(path)
    assert response.status == 200, response.body[:500]
    assert response.header("Content-Type") == "application/json"
    (resource,) = response.json()["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    (span,) = scope["spans"]
    return resource["resource"], scope["scope"], span


def values(item):
    return {attribute["key"]: attribute["value"] for attribute in item["attributes"]}


def test_one_span_with_its_resource_and_scope(client, trace):
    resource, scope, span = parts(client, trace.path(1))
    assert scope == {"name": "livekit", "version": "1.2"}
    assert values(resource)["host"] == {"stringValue": "Needle-host"}
    whole = client.get(f"/v1/traces/{trace.id.hex()}").json()["resourceSpans"][0]["scopeSpans"][0]
    assert span == next(one for one in whole["spans"] if one["name"] == "llm_node")
    assert span["traceId"] == trace.id.hex() and span["status"] == {"message": "timeout of lookup", "code": 2}


def check_place(client, place, wanted: bytes, chars, content_type):
    assert (place["characters"], place["bytes"]) == (chars, len(wanted))
    response = client.get(place["address"])
    assert response.status == 200
    assert response.body == wanted
    assert response.header("Content-Type") == content_type
    assert response.header("X-Content-Type-Options") == "nosniff"
    assert response.header("Content-Disposition") == "attachment"


def test_values_over_200_000_characters_stand_by_themselves(client, trace):
    resource, _, span = parts(client, trace.path())
    have = values(span)
    text = "text/plain; charset=utf-8"
    assert have["small"] == {"stringValue": "NEEDLE in Small"}
    assert have["limit"] == {"stringValue": trace.limit}
    check_place(client, have["over"]["stringValue"], (trace.limit + "y").encode(), LONG + 1, text)
    check_place(client, have["prompt"]["stringValue"], trace.big.encode(), 1_000_000, text)
    check_place(client, values(resource)["long"]["stringValue"], trace.big.encode(), 1_000_000, text)
    deep = have["nested"]["kvlistValue"]["values"][0]["value"]["arrayValue"]["values"][1]
    deep = deep["kvlistValue"]["values"][0]["value"]
    check_place(client, deep["stringValue"], (trace.big + "!").encode(), 1_000_001, text)
    blob = trace.spans[0].attributes[3].value.bytes_value
    assert len(blob) > LONG
    check_place(client, have["blob"]["bytesValue"], blob, len(blob), "application/octet-stream")


def test_a_value_that_was_replaced_is_not_there(client, trace):
    address = values(parts(client, trace.path())[2])["prompt"]["stringValue"]["address"]
    other = address[:-1] + ("0" if address[-1] != "0" else "1")
    for path in (other, address + "0", address[:-1], trace.path(1) + "/values/" + address.rsplit("/", 1)[1][::-1]):
        response = client.get(path)
        assert response.status == 404, path
        error_of(response.body)


def test_a_later_copy_of_a_span_is_the_one_that_is_shown(client):
    trace, span_id = otlp.new_trace_id(), otlp.new_span_id()
    for n, end in ((1, 10), (2, 30), (3, 20)):
        span = otlp.span(trace, f"copy-{n}", {"needle": f"n{n}"}, span_id=span_id, start=START, end=START + end)
        assert client.export(otlp.request([span]).SerializeToString()).status == 200
    _, _, shown = parts(client, f"/v1/traces/{trace.hex()}/spans/{span_id.hex()}")
    assert shown["name"] == "copy-2"
    path = f"/v1/traces/{trace.hex()}/search?q="
    assert client.get(path + "n1").data["total"] == client.get(path + "n3").data["total"] == 0
    assert client.get(path + "n2").data["total"] == 1


@pytest.mark.parametrize("path, status", [
    ("/v1/traces/{t}/spans/0000000000000001", 404), ("/v1/traces/{t}/spans/xyz", 400),
    ("/v1/traces/{t}/spans/" + "0" * 15, 400), ("/v1/traces/00000000000000000000000000000001/spans/{s}", 404),
    ("/v1/traces/x/spans/{s}", 400), ("/v1/traces/{t}/spans/{s}/values/x", 404),
    ("/v1/traces/{t}/spans/0000000000000001/values/x", 404), ("/v1/traces/{t}/search", 400),
    ("/v1/traces/{t}/search?q=", 400), ("/v1/traces/{t}/search?q=" + "q" * 256, 400),
    ("/v1/traces/00000000000000000000000000000001/search?q=x", 404)])
def test_what_is_not_there(client, trace, path, status):
    path = path.replace("{t}", trace.id.hex()).replace("{s}", trace.spans[0].span_id.hex())
    response = client.get(path)
    assert response.status == status, response.body
    error_of(response.body)


def search(client, trace, q):
    import urllib.parse
    data = client.get(f"/v1/traces/{trace.id.hex()}/search?q={urllib.parse.quote(q)}").data
    assert data["total"] == len(data["spans"]) and data["hasMore"] is False
    return data["spans"]


def test_where_a_text_stands(client, trace):
    root, child = search(client, trace, "needle")
    assert root["spanId"] == trace.spans[0].span_id.hex()
    assert (root["place"], root["key"]) == ("attribute", "small")
    assert (root["before"], root["match"], root["after"]) == ("", "NEEDLE", " in Small")
    assert root["more"] == 1  # the event's message
    assert child["spanId"] == trace.spans[1].span_id.hex()
    assert (child["place"], child["key"], child["match"]) == ("attribute", "text", "Needle")
    assert (child["before"], child["after"]) == ("x" * 36 + "the ", "y" * 40)
    assert child["more"] == 3  # the key `needles`, in the list, in the map


@pytest.mark.parametrize("q, spans, place, key", [
    ("agent_s", [0], "name", None), ("LOOKUP", [1], "status", None), ("gen_ai.ch", [0], "event", "gen_ai.choice"),
    ("answers", [0], "event", "message"), ("55217", [1], "attribute", "n"), ("0.25", [1], "attribute", "f"),
    ("needle-key", [1], "attribute", "map"), ("alto", [2], "attribute", "voice"), ("Voice", [2], "attribute", "voice"),
    ("_node", [1, 2], "name", None), ("true", [1], "attribute", "ok"), ("nowhere", [], None, None),
    ("Needle-host", [], None, None), ("%", [], None, None)])
def test_every_place_is_looked_at(client, trace, q, spans, place, key):
    found = search(client, trace, q)
    assert [one["spanId"] for one in found] == [trace.spans[n].span_id.hex() for n in spans]
    assert not found or (found[0]["place"], found[0]["key"]) == (place, key)


def test_what_surrounds_a_match_is_whole_characters(client, trace):
    (found,) = search(client, trace, "\n\"x\" aä суп\n\"x\" ")[:1]
    assert found["match"] and len((found["before"] + found["after"]).encode()) <= 80
    assert "\ufffd" not in json.dumps(found, ensure_ascii=False)


class Crowd:
    """Calls and chats of every sort."""

    def __init__(self, client):
        self.client = client
        self.ids = {}
        self.add("plain", "call", {"externalId": "Order-5521", "startedAt": "2026-01-02T10:00:00Z"})
        self.add("failed", "call", {"externalId": "суп-1", "startedAt": "2026-01-03T10:00:00Z"}, error=True)
        self.add("fine", "call", {"externalId": "fine-1", "startedAt": "2026-01-04T10:00:00Z",
                                  "endedAt": "2026-01-04T10:01:00Z"}, error=False)
        self.add("chat", "chat", {"externalId": "chat-1"})

    def add(self, name, kind, body, error=None):
        if error is not None:
            span = otlp.span(otlp.new_trace_id(), "root")
            span.status.code = 2 if error else 0
            message = otlp.request([span], {"roark.external_id": body["externalId"]})
            assert self.client.export(message.SerializeToString()).status == 200
        response = self.client.post_json(f"/v1/{kind}", body)
        assert response.status == 200, response.body
        self.ids[name] = response.data["id"]

    def found(self, query):
        response = self.client.get(f"/v1/conversations?{query}")
        assert response.status == 200, response.body
        value = response.json()
        assert value["pagination"]["total"] == len(value["data"])
        names = {one: name for name, one in self.ids.items()}
        return {names[row["id"]] for row in value["data"]}


@pytest.fixture(scope="module")
def crowd(cluster):
    made = Crowd(cluster.client(cluster.project("conversations")))
    cluster.sql("update conversation set status = 2 where id = %s", (made.ids["fine"],))
    return made


@pytest.mark.parametrize("query, wanted", [
    ("", "plain failed fine chat"), ("errors=true", "failed"), ("errors=false", "plain fine chat"),
    ("linked=true", "failed fine"), ("linked=false&kind=call", "plain"), ("kind=chat", "chat"),
    ("source=api", "plain failed fine chat"), ("source=livekit", ""), ("state=IN_PROGRESS", "fine"), ("state=RINGING", ""),
    ("q=order", "plain"), ("q=5521", "plain"), ("q=%D1%81%D1%83%D0%BF", "failed"), ("q=%5C321", ""), ("q=%25", ""),
    ("q=-1&errors=true", "failed"), ("from=2026-01-03T00:00:00Z&to=2026-01-04T00:00:00Z", "failed"),
    ("to=2026-01-03T00:00:00Z", "plain"), ("from=2026-01-03T10:00:00Z&kind=call", "failed fine")])
def test_conversations_are_filtered(crowd, query, wanted):
    assert crowd.found(query) == set(wanted.split())


def test_conversations_are_found_by_id_and_say_what_matched(crowd):
    assert crowd.found(f"q={crowd.ids['fine'][:18].upper()}") == {"fine"}
    assert crowd.found(f"q={uuid.uuid4()}") == set()
    (row,) = crowd.client.get("/v1/conversations?errors=true").data
    assert row["matchedKinds"] == ["external"] and row["errorTraceCount"] == 1
    (row,) = crowd.client.get("/v1/conversations?state=IN_PROGRESS").data
    assert row["state"] == "IN_PROGRESS" and row["matchedKinds"] == ["external"]
    (row,) = crowd.client.get("/v1/conversations?q=order").data
    assert row["state"] == "ENDED" and row["matchedKinds"] == []
