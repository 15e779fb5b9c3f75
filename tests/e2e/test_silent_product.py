"""Where the documented product is silent: one test for each row of the README's table of that name."""

import uuid

import pytest

from support import otlp
from support.client import JSON, PROTOBUF


def value(prefix="silent"):
    return f"{prefix}-{uuid.uuid4()}"


def send(client, attrs=None, resource=None, trace=None, **span):
    """Exports one span; gives its trace id."""
    trace = trace or otlp.new_trace_id()
    body = otlp.request([otlp.span(trace, attrs=attrs, **span)], resource).SerializeToString()
    assert client.export(body).status == 200
    return trace


def create(client, path="/v1/call", **fields):
    response = client.post_json(path, fields)
    assert response.status == 200, response.body
    return response.data["id"]


def linked(client, call, path="/v1/call"):
    """The trace ids on a call, as bytes."""
    return {bytes.fromhex(row["traceId"]) for row in client.get(f"{path}/{call}/traces").data}


def test_traces_can_be_read(client):
    trace = send(client)
    assert client.get("/v1/traces").status == 200
    assert client.get(f"/v1/traces/{trace.hex()}").status == 200


@pytest.mark.parametrize("content_type, body", [(PROTOBUF, b""), (JSON, b"{}")])
def test_the_reply_is_that_of_otlp(client, content_type, body):
    message = otlp.request([otlp.span(otlp.new_trace_id())])
    encoded = message.SerializeToString() if content_type == PROTOBUF else otlp.to_json(message)
    response = client.export(encoded, content_type)
    assert (response.status, response.body) == (200, body)
    assert response.header("Content-Type") == content_type


def test_an_external_id_is_unique_across_calls_and_chats(client):
    external = value()
    create(client, externalId=external)
    assert client.post_json("/v1/chat", {"externalId": external}).status == 409


@pytest.mark.parametrize("path", ["/v1/call", "/v1/chat"])
@pytest.mark.parametrize("letter", ["x", "\u00fc"])
def test_an_external_id_has_at_most_255_characters(client, path, letter):
    external = value().ljust(255, letter)
    create(client, path, externalId=external)
    refused = client.post_json(path, {"externalId": external + letter})
    assert refused.status == 400
    assert b"externalId" in refused.body and b"255" in refused.body


@pytest.mark.parametrize("field", ["vapiCallId", "livekitRoomId"])
def test_provider_ids_are_unique(client, field):
    key = str(uuid.uuid4())
    create(client, **{field: key})
    assert client.post_json("/v1/call", {field: key}).status == 409


def test_two_traces_with_one_external_id_are_both_linked(client):
    external = value()
    before = send(client, resource={"roark.external_id": external})
    call = create(client, externalId=external)
    after = send(client, attrs={"roark.external_id": external})
    assert linked(client, call) == {before, after}


def test_a_trace_with_two_keys_is_on_both_calls(client):
    one, two = value(), value()
    trace = send(client, attrs={"roark.external_id": one}, resource={"roark.external_id": two})
    assert linked(client, create(client, externalId=one)) == {trace}
    assert linked(client, create(client, externalId=two)) == {trace}


def test_an_external_id_on_any_span_counts(client):
    external = value()
    trace = send(client, attrs={"roark.external_id": external}, parent=otlp.new_span_id())
    assert linked(client, create(client, externalId=external)) == {trace}


def test_a_trace_waits_for_its_call_without_end(client):
    external = value()
    trace = send(client, resource={"roark.external_id": external})
    rows = client.get("/v1/traces?linked=false&limit=100").data
    assert trace.hex() in {row["traceId"] for row in rows}
    assert linked(client, create(client, externalId=external)) == {trace}


@pytest.mark.parametrize("skip, is_skipped", [(True, True), ("true", True), (False, False),
                                              ("false", False), ("TRUE", False), (1, False)])
def test_skip_is_true_or_the_text_true(client, skip, is_skipped):
    external = value()
    call = create(client, externalId=external)
    trace = send(client, resource={"roark.skip": skip, "roark.external_id": external})
    assert linked(client, call) == (set() if is_skipped else {trace})


def indexed(cluster, trace):
    rows = cluster.sql("select key, value from trace_tag where trace_id = %s", (trace,))
    # Under the empty key, which no tag has, stand the trace's services.
    return {(bytes(key).decode(), bytes(text).decode()) for key, text in rows if bytes(key)}


def test_tags_of_any_characters_are_kept_and_long_ones_stay_in_the_span(client, cluster):
    tags = {f"roark.project.tag.{key}": text for key, text in
            [("env", "prod"), ("a b", "\u00fc\u4e2d"), ("k" * 128, "v" * 255), ("k" * 129, "v"),
             ("long", "v" * 256)]}
    trace = send(client, resource=tags)
    body = client.get(f"/v1/traces/{trace.hex()}", {"Accept": PROTOBUF}).body
    kept = {attribute.key for group in otlp.TracesData.FromString(body).resource_spans
            for attribute in group.resource.attributes}
    assert set(tags) <= kept
    assert indexed(cluster, trace) == {("env", "prod"), ("a b", "\u00fc\u4e2d"), ("k" * 128, "v" * 255)}


def test_tags_of_resources_and_spans_and_of_several_exports_are_one_set(client, cluster):
    trace = send(client, {"roark.project.tag.b": "span"}, {"roark.project.tag.a": "resource"})
    send(client, {"roark.project.tag.b": "later"}, {"roark.project.tag.a": "resource"}, trace)
    assert indexed(cluster, trace) == {("a", "resource"), ("b", "span"), ("b", "later")}


def test_at_most_32_tags_of_a_trace_are_indexed(client, cluster):
    tags = {f"roark.project.tag.k{n:02}": str(n) for n in range(40)}
    trace = send(client, resource=tags)
    assert len(indexed(cluster, trace)) == 32
    send(client, resource={"roark.project.tag.more": "x"}, trace=trace)
    body = client.get(f"/v1/traces/{trace.hex()}").body.decode()
    assert all(name in body for name in (*tags, "roark.project.tag.more"))
    assert len(indexed(cluster, trace)) == 32, "several exports share the 32"
    for n in range(3):  # services have a bound of their own
        send(client, resource={"service.name": f"svc-{n}"}, trace=trace)
        assert trace.hex() in client.get(f"/v1/traces?service=svc-{n}").body.decode()


@pytest.mark.parametrize("name", ["room_id", "lk.room_sid", "gen_ai.conversation.id"])
def test_other_names_of_a_room_count_when_the_value_is_a_room_sid(client, name):
    room, other = value("RM_"), value("room")
    trace = send(client, attrs={name: room})
    assert linked(client, create(client, livekitRoomId=room)) == {trace}
    send(client, attrs={name: other})
    assert linked(client, create(client, livekitRoomId=other)) == set()


def test_a_vapi_call_id_on_the_resource_links(client):
    call_id = str(uuid.uuid4())
    trace = send(client, resource={"vapi.call.id": call_id})
    assert linked(client, create(client, vapiCallId=call_id)) == {trace}
