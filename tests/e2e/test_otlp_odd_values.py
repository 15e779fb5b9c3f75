"""Odd values are normal input: none costs the batch it stands in, each comes back as it came."""

import base64
import json
import math

import pytest

from support import otlp
from support.client import JSON, PROTOBUF


def both(client, trace, odd_span, spans_of_trace):
    """Sends the odd span beside a good one; the odd one as it is read back."""
    good = otlp.span(trace, "good")
    response = client.export(otlp.wrap_raw_spans([odd_span, good.SerializeToString()]))
    assert (response.status, response.body) == (200, b""), (response.status, response.body)
    spans = {span.name: span for span in spans_of_trace(client, trace)}
    assert "good" in spans and len(spans) == 2, spans
    del spans["good"]
    return spans.popitem()[1]


PROTOBUF_VALUES = {
    "map": {"a": {"b": [1, "c", None]}}, "bytes": b"\x00\xff", "null": None, "empty text": "",
    "mixed array": [1, "a", None, True, 1.5, b"x", {"k": None}], "empty array": [],
    "empty map": {}, "empty key in a map": {"": "x"}, "nan": math.nan, "infinity": math.inf,
    "minus infinity": -math.inf, "least integer": -2**63, "greatest integer": 2**63 - 1,
    "NUL": "a\0b", "noncharacter": "\ufffe\uffff", "replacement": "\ufffd", "emoji": "\U0001f600",
    "100 KB": "x" * 100_000, "false": False,
}


@pytest.mark.parametrize("value", PROTOBUF_VALUES.values(), ids=PROTOBUF_VALUES.keys())
def test_protobuf_values_come_back_byte_for_byte(client, value):
    trace = otlp.new_trace_id()
    odd = otlp.span(trace, "odd", {"v": value, "": value}).SerializeToString()
    good = otlp.span(trace, "good").SerializeToString()
    response = client.export(otlp.wrap_raw_spans([odd, good]))
    assert (response.status, response.body) == (200, b"")
    stored = client.get(f"/v1/traces/{trace.hex()}", {"Accept": PROTOBUF}).body
    assert sorted(otlp.raw_spans(stored)) == sorted([odd, good])


def test_a_span_s_octets_are_kept_in_their_order_with_unknown_fields(client):
    trace = otlp.new_trace_id()
    odd = (otlp.field(5, b"name") + otlp.field(2, otlp.new_span_id()) + otlp.field(1, trace)
           + otlp.field(999, b"unknown") + b"\xfd\x3f\x01\x02\x03\x04"
           + otlp.field(9, otlp.field(1, b"k") + otlp.field(2, otlp.field(99, b"strindex"))))
    response = client.export(otlp.wrap_raw_spans([odd]))
    assert (response.status, response.body) == (200, b"")
    stored = client.get(f"/v1/traces/{trace.hex()}", {"Accept": PROTOBUF}).body
    assert otlp.raw_spans(stored) == [odd]


def test_profiles_string_indexes_are_taken_as_absent(client, spans_of_trace):
    """string_value_strindex is field 8 of AnyValue, key_strindex field 3 of KeyValue."""
    trace = otlp.new_trace_id()
    attribute = otlp.field(9, b"\x18\x05" + otlp.field(2, b"\x40\x07"))
    odd = otlp.field(1, trace) + otlp.field(2, otlp.new_span_id()) + otlp.field(5, b"odd") + attribute
    assert both(client, trace, odd, spans_of_trace).name == "odd"


def test_texts_that_are_not_utf8_cost_no_batch(client, spans_of_trace):
    trace = otlp.new_trace_id()
    odd = (otlp.field(1, trace) + otlp.field(2, otlp.new_span_id()) + otlp.field(5, b"odd")
           + otlp.field(9, otlp.field(1, b"k\xff") + otlp.field(2, otlp.field(1, b"\xc0\x80\xff"))))
    good = otlp.span(trace, "good").SerializeToString()
    response = client.export(otlp.wrap_raw_spans([odd, good]))
    assert response.status == 200
    stored = client.get(f"/v1/traces/{trace.hex()}", {"Accept": PROTOBUF}).body
    assert good in otlp.raw_spans(stored)
    rejected = otlp.ExportTraceServiceResponse.FromString(response.body).partial_success
    assert len(otlp.raw_spans(stored)) + rejected.rejected_spans == 2


@pytest.mark.parametrize("start, end", [(5, 3), (2**64 - 10**9, 10**9), (0, 0), (2**64 - 1,) * 2,
                                        (10**18, 0)])
def test_times_of_any_kind(client, spans_of_trace, start, end):
    trace = otlp.new_trace_id()
    span = otlp.Span(trace_id=trace, span_id=otlp.new_span_id(), name="odd",
                     start_time_unix_nano=start, end_time_unix_nano=end)
    got = both(client, trace, span.SerializeToString(), spans_of_trace)
    assert (got.start_time_unix_nano, got.end_time_unix_nano) == (start, end)


def test_span_links_with_zero_ids_pass(client, spans_of_trace):
    trace = otlp.new_trace_id()
    span = otlp.span(trace, "odd")
    span.links.add(trace_id=bytes(16), span_id=bytes(8))
    span.links.add(trace_id=b"x", span_id=b"")
    got = both(client, trace, span.SerializeToString(), spans_of_trace)
    assert [len(link.trace_id) for link in got.links] == [16, 1]


@pytest.mark.parametrize("flags", [0, 257, 769, 2**32 - 1])
def test_flags_are_kept(client, spans_of_trace, flags):
    trace = otlp.new_trace_id()
    span = otlp.span(trace, "odd")
    span.flags = flags
    assert both(client, trace, span.SerializeToString(), spans_of_trace).flags == flags


def test_defaults_written_out_are_kept(client):
    trace = otlp.new_trace_id()
    odd = (otlp.field(1, trace) + otlp.field(2, otlp.new_span_id()) + otlp.field(5, b"n")
           + b"\x50\x00\x60\x00\x70\x00" + otlp.field(15, b"\x18\x00"))
    assert client.export(otlp.wrap_raw_spans([odd])).body == b""
    stored = client.get(f"/v1/traces/{trace.hex()}", {"Accept": PROTOBUF}).body
    assert otlp.raw_spans(stored) == [odd]


def test_duplicate_attribute_keys_are_kept(client, spans_of_trace):
    trace = otlp.new_trace_id()
    span = otlp.span(trace, "odd", {"k": 1})
    span.attributes.extend(otlp.attributes({"k": 2}))
    got = both(client, trace, span.SerializeToString(), spans_of_trace)
    assert [a.value.int_value for a in got.attributes] == [1, 2]


# JSON


def json_span(trace: bytes, **fields) -> dict:
    return {"traceId": trace.hex(), "spanId": otlp.new_span_id().hex(), "name": "odd",
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000001",
            **fields}


def send_json(client, trace, spans_of_trace, span: dict | str, resource=None):
    """Sends one JSON span (or its text) beside a good one; the odd one as it is read back."""
    good = json.dumps(json_span(trace, name="good"))
    text = span if isinstance(span, str) else json.dumps(span)
    body = ('{"resourceSpans":[{"resource":%s,"scopeSpans":[{"scope":{},"spans":[%s,%s]}]}]}'
            % (json.dumps(resource or {}), text, good))
    response = client.export(body.encode(), JSON)
    assert (response.status, response.body) == (200, b"{}"), response.body
    spans = {one.name: one for one in spans_of_trace(client, trace)}
    assert "good" in spans and len(spans) == 2, spans
    return spans["odd"]


def attribute_of(client, trace, spans_of_trace, value_text: str):
    text = json.dumps(json_span(trace))[:-1] + ',"attributes":[{"key":"k","value":%s}]}' % value_text
    (attribute,) = send_json(client, trace, spans_of_trace, text).attributes
    return attribute.value


JSON_VALUES = {
    '{"intValue":5}': 5, '{"intValue":"5"}': 5, '{"intValue":"-9223372036854775808"}': -2**63,
    '{"intValue":9223372036854775807}': 2**63 - 1, '{"doubleValue":1.5}': 1.5,
    '{"doubleValue":"1.5"}': 1.5, '{"doubleValue":3}': 3.0, '{"boolValue":false}': False,
    '{"stringValue":""}': "", '{"stringValue":"a\\u0000b"}': "a\0b",
    '{"stringValue":"\\ud83d\\ude00"}': "\U0001f600", '{"bytesValue":"AP8="}': b"\0\xff",
    '{"bytesValue":""}': b"", "{}": None,
    '{"arrayValue":{"values":[{"intValue":1},{},{"stringValue":"x"}]}}': [1, None, "x"],
    '{"arrayValue":{"values":[]}}': [], '{"arrayValue":{}}': [],
    '{"kvlistValue":{"values":[{"key":"","value":{"boolValue":true}},{"key":"n","value":{}}]}}':
        {"": True, "n": None},
    '{"stringValue":"x","unknown":[1,{"a":null}]}': "x",
}


@pytest.mark.parametrize("text, value", JSON_VALUES.items(), ids=JSON_VALUES.keys())
def test_json_values(client, spans_of_trace, text, value):
    got = attribute_of(client, otlp.new_trace_id(), spans_of_trace, text)
    assert got == otlp.any_value(value)


@pytest.mark.parametrize("text", ["9223372036854776000", "1e+300", "-1e+300", "1e21",
                                  '"9223372036854776000"', "18446744073709551615"])
def test_json_integers_beyond_int64_become_doubles(client, spans_of_trace, text):
    got = attribute_of(client, otlp.new_trace_id(), spans_of_trace, '{"intValue":%s}' % text)
    assert got.WhichOneof("value") == "double_value"
    assert got.double_value == float(text.strip('"'))


def test_json_nan_arrives_as_null(client, spans_of_trace):
    got = attribute_of(client, otlp.new_trace_id(), spans_of_trace, '{"doubleValue":null}')
    assert got.WhichOneof("value") in (None, "double_value")


@pytest.mark.parametrize("text", ['"NaN"', '"Infinity"', '"-Infinity"'])
def test_json_names_of_special_doubles(client, spans_of_trace, text):
    got = attribute_of(client, otlp.new_trace_id(), spans_of_trace, '{"doubleValue":%s}' % text)
    assert not math.isfinite(got.double_value)


@pytest.mark.parametrize("text", ["\\ud83d", "\\ude00", "a\\ud83db", "\\ud83d\\ud83d\\ude00",
                                  "\\ude00\\ud83d"])
def test_json_lone_surrogates_cost_nothing(client, spans_of_trace, text):
    got = attribute_of(client, otlp.new_trace_id(), spans_of_trace, '{"stringValue":"%s"}' % text)
    assert got.WhichOneof("value") == "string_value"
    assert "\ufffd" in got.string_value


@pytest.mark.parametrize("text, number", [
    ('"-1"', 2**64 - 1), ("-1000", 2**64 - 1000), ('"-9223372036854775808"', 2**63),
    ('"18446744073709551615"', 2**64 - 1), ("1700000000000000000", 1_700_000_000_000_000_000),
    ('"0"', 0)])
def test_json_times(client, spans_of_trace, text, number):
    trace = otlp.new_trace_id()
    span = json.dumps(json_span(trace)).replace('"1700000000000000000"', text)
    got = send_json(client, trace, spans_of_trace, span)
    assert got.start_time_unix_nano == number


def test_json_ids_in_either_case(client, spans_of_trace):
    trace = bytes.fromhex("5bABcdEF" * 4)[:15] + otlp.new_span_id()[:1]
    span = json_span(trace, parentSpanId="ABCDEF0123456789")
    span["traceId"] = span["traceId"].upper()
    span["spanId"] = span["spanId"].upper()
    span["links"] = [{"traceId": "AB" * 16, "spanId": "CD" * 8}]
    got = send_json(client, trace, spans_of_trace, span)
    assert got.parent_span_id == bytes.fromhex("abcdef0123456789")
    assert got.links[0].trace_id == b"\xab" * 16


@pytest.mark.parametrize("field", ["traceId", "spanId"])
@pytest.mark.parametrize("value", ["zz", "", "00", None, 5, "AAAAAAAAAAAAAAAAAAAAAA=="])
def test_json_a_bad_id_costs_its_own_span(client, spans_of_trace, field, value):
    trace = otlp.new_trace_id()
    bad = {**json_span(trace), field: value}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [bad, json_span(trace, name="good")]}]}]}
    response = client.export(json.dumps(body).encode(), JSON)
    assert response.status == 200, response.body
    assert int(response.json()["partialSuccess"]["rejectedSpans"]) == 1
    assert [span.name for span in spans_of_trace(client, trace)] == ["good"]


def test_json_snake_case_names_are_unknown_keys(client, spans_of_trace):
    trace = otlp.new_trace_id()
    got = send_json(client, trace, spans_of_trace, json_span(
        trace, parent_span_id="00000000000000aa", end_time_unix_nano="5"))
    assert got.parent_span_id == b""


def test_json_unknown_keys_are_ignored_everywhere(client, spans_of_trace):
    trace = otlp.new_trace_id()
    extra = {"x": [1, {"y": None}], "schemaUrl": "s"}
    span = json_span(trace, new=extra, attributes=[{"key": "k", "value": {"intValue": 1}, **extra}],
                     status={"code": 2, "message": "m", **extra}, events=[{"name": "e", **extra}])
    got = send_json(client, trace, spans_of_trace, span, {"attributes": [], **extra})
    assert (got.status.code, got.status.message, got.events[0].name) == (2, "m", "e")


def test_json_enums_are_integers(client, spans_of_trace):
    trace = otlp.new_trace_id()
    got = send_json(client, trace, spans_of_trace, json_span(trace, kind=3, status={"code": 1}))
    assert (got.kind, got.status.code) == (3, 1)


def test_json_enum_names_cost_their_span_by_name(client, spans_of_trace):
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [
        json_span(otlp.new_trace_id(), kind="SPAN_KIND_SERVER")]}]}]}
    good = otlp.new_trace_id()
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].append(json_span(good))
    partial = client.export(json.dumps(body).encode(), JSON).json()["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert "kind must be an integer" in partial["errorMessage"]
    assert len(spans_of_trace(client, good)) == 1


def test_json_counts_and_flags_come_back(client, spans_of_trace):
    trace = otlp.new_trace_id()
    got = send_json(client, trace, spans_of_trace, json_span(
        trace, flags=769, droppedAttributesCount="3", droppedEventsCount=4, droppedLinksCount=0,
        traceState="a=b"))
    assert (got.flags, got.dropped_attributes_count, got.dropped_events_count) == (769, 3, 4)
    assert got.trace_state == "a=b"


def test_json_a_trace_whose_only_span_has_a_parent(client, spans_of_trace):
    trace = otlp.new_trace_id()
    body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "s", "version": "1"}, "spans": [
        json_span(trace, parentSpanId="EEE19B7EC3C1B173")]}]}]}
    response = client.export(json.dumps(body).encode(), JSON)
    assert (response.status, response.body) == (200, b"{}")
    assert len(spans_of_trace(client, trace)) == 1


def test_json_of_two_equal_names_the_last_counts_and_no_batch_is_lost(client, spans_of_trace):
    """RFC 8259 leaves it open; protobuf, into which it is converted, takes the last."""
    first, trace = otlp.new_trace_id(), otlp.new_trace_id()
    text = json.dumps(json_span(trace))[1:-1]
    odd = '{"traceId":"%s","name":"first",%s}' % (first.hex(), text)
    got = send_json(client, trace, spans_of_trace, odd)
    assert got.name == "odd"
    assert client.get(f"/v1/traces/{first.hex()}").status == 404


def test_json_lists_given_twice_are_joined(client, spans_of_trace):
    """As protobuf joins a repeated field."""
    traces = [otlp.new_trace_id() for _ in range(2)]
    lists = ",".join('"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]' % json.dumps(json_span(trace))
                     for trace in traces)
    response = client.export(("{%s}" % lists).encode(), JSON)
    assert (response.status, response.body) == (200, b"{}")
    assert [len(spans_of_trace(client, trace)) for trace in traces] == [1, 1]


def test_what_comes_in_as_json_goes_out_as_json(client):
    trace = otlp.new_trace_id()
    span = json_span(trace, kind=2, attributes=[
        {"key": "b", "value": {"bytesValue": base64.b64encode(b"\0\1").decode()}},
        {"key": "i", "value": {"intValue": "7"}}], events=[
        {"name": "e", "timeUnixNano": "1700000000000000000"}], status={"code": 2})
    body = {"resourceSpans": [{"resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "s"}}]},
        "scopeSpans": [{"scope": {"name": "n"}, "spans": [span]}]}]}
    assert client.export(json.dumps(body).encode(), JSON).body == b"{}"
    response = client.get(f"/v1/traces/{trace.hex()}")
    assert response.header("Content-Type") == JSON
    (resource_spans,) = response.json()["resourceSpans"]
    assert resource_spans["resource"]["attributes"] == body["resourceSpans"][0]["resource"]["attributes"]
    (scope_spans,) = resource_spans["scopeSpans"]
    assert scope_spans["scope"]["name"] == "n"
    (got,) = scope_spans["spans"]
    assert {name: got[name] for name in span} == span


def test_values_that_never_repeat_do_not_grow_the_dictionary_for_ever(client, cluster, project):
    for first in range(0, 400, 100):
        spans = [otlp.span(otlp.new_trace_id(), attrs={"speech_id": f"id-{first + n}", "model": "m"})
                 for n in range(100)]
        assert client.export(otlp.request(spans).SerializeToString()).status == 200
    words = "select count(*) from word where project_id = %s and kind = 4 and key = %s"
    ((ids,),) = cluster.sql(words, (project.id, b"speech_id"))
    ((models,),) = cluster.sql(words, (project.id, b"model"))
    assert 100 <= ids <= 200
    assert models == 1
