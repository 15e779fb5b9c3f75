"""OTLP/HTTP, the answer side: partial success, Status, repetition, and what counts as valid."""

import gzip
import json

import pytest

from support import otlp
from support.client import JSON, PROTOBUF


def test_r1_accepted_sets_nothing(exporter):
    exporter.accepted(exporter.send(otlp.request([otlp.span(otlp.new_trace_id())])))


def bad_spans(trace):
    good_id = otlp.new_span_id()
    return {
        "trace id missing": otlp.Span(span_id=good_id, name="x"),
        "trace id zero": otlp.Span(trace_id=bytes(16), span_id=good_id, name="x"),
        "trace id short": otlp.Span(trace_id=trace[:15], span_id=good_id, name="x"),
        "trace id long": otlp.Span(trace_id=trace + b"x", span_id=good_id, name="x"),
        "span id missing": otlp.Span(trace_id=trace, name="x"),
        "span id zero": otlp.Span(trace_id=trace, span_id=bytes(8), name="x"),
        "span id short": otlp.Span(trace_id=trace, span_id=b"1234567", name="x"),
        "span id long": otlp.Span(trace_id=trace, span_id=b"123456789", name="x"),
    }


@pytest.mark.parametrize("which", list(bad_spans(b"x" * 16)))
def test_r2_a_bad_id_costs_its_own_span_only(exporter, which):
    trace = otlp.new_trace_id()
    bad = bad_spans(trace)[which]
    response = exporter.send(otlp.request([otlp.span(trace), bad, otlp.span(trace)]))
    partial = exporter.decode(response).partial_success
    assert partial.rejected_spans == 1
    assert which.rsplit(" ", 1)[0] in partial.error_message.lower().replace("_", " ")
    assert len(exporter.read(trace)) == 2


def test_r2_every_bad_span_is_counted(exporter):
    trace = otlp.new_trace_id()
    bad = list(bad_spans(trace).values())
    response = exporter.send(otlp.request([*bad, otlp.span(trace)]))
    partial = exporter.decode(response).partial_success
    assert partial.rejected_spans == len(bad)
    assert partial.error_message
    assert len(exporter.read(trace)) == 1


def test_r2_all_bad_is_still_200(exporter):
    bad = otlp.Span(trace_id=bytes(16), span_id=otlp.new_span_id(), name="x")
    partial = exporter.decode(exporter.send(otlp.request([bad, bad]))).partial_success
    assert partial.rejected_spans == 2


def test_t9_the_answer_stays_small(exporter):
    bad = otlp.Span(trace_id=bytes(16), span_id=otlp.new_span_id(), name="x" * 100)
    response = exporter.send(otlp.request([bad] * 20_000))
    assert exporter.decode(response).partial_success.rejected_spans == 20_000
    assert len(response.body) < 64 * 1024


@pytest.mark.parametrize("fill", [
    lambda r: None, lambda r: r.resource_spans.add(),
    lambda r: r.resource_spans.add().scope_spans.add()], ids=["nothing", "resource", "scope"])
def test_r6_an_empty_request_succeeds(exporter, fill):
    request = otlp.ExportTraceServiceRequest()
    fill(request)
    exporter.accepted(exporter.send(request))


def test_r6_json_nulls_are_absent(client):
    for body in (b'{"resourceSpans":null}', b'{"resourceSpans":[]}',
                 b'{"resourceSpans":[{"resource":null,"scopeSpans":null}]}'):
        response = client.export(body, JSON)
        assert (response.status, response.body) == (200, b"{}"), body


MALFORMED_PROTOBUF = {
    "text": b"this is not protobuf",
    "truncated length": b"\x0a\x7f\x01",
    "truncated varint": b"\x0a\xff\xff\xff",
    "endless varint": b"\x0a" + b"\xff" * 11,
    "field number zero": b"\x02\x00",
    "wrong wire type": otlp.field(1, otlp.field(2, b"\x10\x01")),
    "group": b"\x0b\x0c",
    "length beyond 2^63": b"\x0a" + b"\xff" * 9 + b"\x01",
    "json": b'{"resourceSpans":[]}',
}


@pytest.mark.parametrize("body", MALFORMED_PROTOBUF.values(), ids=MALFORMED_PROTOBUF.keys())
def test_r9_undecodable_protobuf_is_400(client, body):
    response = client.export(body)
    assert response.status == 400, response.body
    assert response.header("Content-Type") == PROTOBUF
    assert otlp.decode_status(response.body, PROTOBUF)


MALFORMED_JSON = {
    "empty": b"", "text": b"hello", "array": b"[]", "number": b"5", "null": b"null",
    "truncated": b'{"resourceSpans":[{"scopeSpans":[', "trailing": b"{} {}",
    "trailing comma": b'{"resourceSpans":[],}', "single quotes": b"{'resourceSpans':[]}",
    "not UTF-8": b'{"resourceSpans":[{"schemaUrl":"\xff\xfe"}]}',
    "overlong UTF-8": b'{"a":"\xc0\x80"}',
    "control character": b'{"a":"\x01"}',
    "wrong type": b'{"resourceSpans":{}}', "wrong element": b'{"resourceSpans":[5]}',
    "bare word": b'{"resourceSpans":nul}', "NaN": b'{"a":NaN}', "deep": b'{"a":' + b"[" * 100_000,
    "bad escape": b'{"a":"\\x"}', "protobuf": b"\x0a\x00", "byte order mark": b"\xef\xbb\xbf{]",
}


@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=MALFORMED_JSON.keys())
def test_r9_undecodable_json_is_400(client, body):
    response = client.export(body, JSON)
    assert response.status == 400, response.body
    assert response.header("Content-Type") == JSON
    assert otlp.decode_status(response.body, JSON)


def test_r9_a_truncated_export_is_400_at_every_length(client):
    """No prefix crashes; one that ends between spans is a shorter, valid request."""
    body = otlp.request([otlp.span(otlp.new_trace_id(), attrs={"a": [1, {"b": "c"}]})]
                        ).SerializeToString()
    statuses = {client.export(body[:n]).status for n in range(1, len(body))}
    assert statuses <= {200, 400} and 400 in statuses


def test_r9_a_truncated_json_export_is_400_at_every_length(client):
    body = otlp.to_json(otlp.request([otlp.span(otlp.new_trace_id(), attrs={"a": [1, {"b": 2}]})]))
    assert {client.export(body[:n], JSON).status for n in range(len(body))} == {400}


def test_r9_the_status_has_details_or_names_the_place(client):
    response = client.export(b'{"resourceSpans":[{"scopeSpans":7}]}', JSON)
    assert response.status == 400
    assert "scopeSpans" in response.body.decode() or "details" in response.json()


def test_r11_the_same_export_again_changes_nothing(exporter):
    trace = otlp.new_trace_id()
    request = otlp.request([otlp.span(trace) for _ in range(10)])
    for _ in range(3):
        exporter.accepted(exporter.send(request))
    assert len(exporter.read(trace)) == 10


def test_r11_the_same_spans_in_other_batches_are_read_once(exporter):
    trace = otlp.new_trace_id()
    spans = [otlp.span(trace, f"s{n}") for n in range(6)]
    for batch in (spans[:4], spans[2:], spans):
        exporter.accepted(exporter.send(otlp.request(batch)))
    assert sorted(span.name for span in exporter.read(trace)) == [f"s{n}" for n in range(6)]


def test_r11_of_two_contents_of_one_span_the_later_end_wins(exporter):
    trace, span_id = otlp.new_trace_id(), otlp.new_span_id()
    start = 1_700_000_000_000_000_000
    for end, name in ((start + 5, "open"), (start + 50, "ended"), (start + 20, "middle")):
        span = otlp.span(trace, name, span_id=span_id, start=start, end=end)
        exporter.accepted(exporter.send(otlp.request([span])))
    assert [span.name for span in exporter.read(trace)] == ["ended"]


def nested(depth: int):
    value = otlp.any_value("x")
    for _ in range(depth - 1):
        outer = otlp.AnyValue()
        outer.array_value.values.append(value)
        value = outer
    return value


def test_a_value_nested_32_deep_is_kept_and_one_more_costs_its_span(client, spans_of_trace):
    trace = otlp.new_trace_id()
    spans = [otlp.span(trace, "deep", {"v": nested(32)}),
             otlp.span(trace, "deeper", {"v": nested(34)}), otlp.span(trace, "flat")]
    response = client.export(otlp.request(spans).SerializeToString())
    assert response.status == 200, response.body
    partial = otlp.ExportTraceServiceResponse.FromString(response.body).partial_success
    assert partial.rejected_spans == 1
    assert "deep" in partial.error_message or "nest" in partial.error_message
    assert {span.name for span in spans_of_trace(client, trace)} == {"deep", "flat"}


def test_nesting_of_5000_costs_its_span_and_no_stack(client, spans_of_trace):
    trace = otlp.new_trace_id()
    value = b"\x0a\x01x"
    for _ in range(5000):
        value = otlp.field(5, otlp.field(1, value))
    head = otlp.field(1, trace) + otlp.field(2, otlp.new_span_id())
    deep = head + otlp.field(9, otlp.field(1, b"k") + otlp.field(2, value))
    good = otlp.span(trace, "good").SerializeToString()
    response = client.export(otlp.wrap_raw_spans([deep, good]))
    assert response.status == 200, response.body
    partial = otlp.ExportTraceServiceResponse.FromString(response.body).partial_success
    assert partial.rejected_spans == 1
    assert [span.name for span in spans_of_trace(client, trace)] == ["good"]


def test_json_nesting_costs_its_span(client, spans_of_trace):
    trace = otlp.new_trace_id()
    value = otlp.to_json_value(otlp.request([otlp.span(trace, "deep"), otlp.span(trace, "good")]))
    deep = {"stringValue": "x"}
    for _ in range(40):
        deep = {"arrayValue": {"values": [deep]}}
    spans = value["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[0]["attributes"] = [{"key": "k", "value": deep}]
    response = client.export(json.dumps(value).encode(), JSON)
    assert response.status == 200, response.body
    assert int(response.json()["partialSuccess"]["rejectedSpans"]) == 1
    assert [span.name for span in spans_of_trace(client, trace)] == ["good"]


def test_100_000_spans_pass_and_one_more_is_413(client):
    trace = otlp.new_trace_id()
    span = otlp.field(1, trace) + otlp.field(2, otlp.new_span_id())
    headers = {"Content-Encoding": "gzip"}
    body = gzip.compress(otlp.wrap_raw_spans([span] * 100_000), 1)
    assert client.export(body, headers=headers).status == 200
    body = gzip.compress(otlp.wrap_raw_spans([span] * 100_001), 1)
    response = client.export(body, headers=headers)
    assert response.status == 413
    assert "100000" in otlp.decode_status(response.body, PROTOBUF).replace(",", "")


def test_many_traces_in_one_export(exporter):
    traces = [otlp.new_trace_id() for _ in range(300)]
    exporter.accepted(exporter.send(otlp.request([otlp.span(trace) for trace in traces])))
    assert all(len(exporter.read(trace)) == 1 for trace in traces[::37])
