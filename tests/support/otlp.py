"""OTLP in Python: building requests, and reading stored spans back as the oracle does."""

import base64
import json
import os
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest, ExportTraceServiceResponse)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import (
    ResourceSpans, ScopeSpans, Span, TracesData)

__all__ = ["AnyValue", "ExportTraceServiceRequest", "ExportTraceServiceResponse", "KeyValue",
           "ResourceSpans", "ScopeSpans", "Span", "TracesData", "any_value", "attributes",
           "decode_status", "field", "new_span_id", "new_trace_id", "raw_spans", "request", "span",
           "spans_of", "to_json", "to_json_value", "varint", "wrap_raw_spans"]


def new_trace_id() -> bytes:
    return os.urandom(15) + b"\x01"


def new_span_id() -> bytes:
    return os.urandom(7) + b"\x01"


def any_value(value) -> AnyValue:
    if isinstance(value, AnyValue):
        return value
    out = AnyValue()
    if value is None:
        return out
    if isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, int):
        out.int_value = value
    elif isinstance(value, float):
        out.double_value = value
    elif isinstance(value, bytes):
        out.bytes_value = value
    elif isinstance(value, (list, tuple)):
        out.array_value.values.extend(any_value(item) for item in value)
        out.array_value.SetInParent()
    elif isinstance(value, dict):
        out.kvlist_value.values.extend(attributes(value))
        out.kvlist_value.SetInParent()
    else:
        out.string_value = value
    return out


def attributes(values: dict | None) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in (values or {}).items()]


def span(trace_id: bytes, name="work", attrs=None, parent=b"", span_id=None, start=None,
         end=None) -> Span:
    start = time.time_ns() if start is None else start
    return Span(trace_id=trace_id, span_id=span_id or new_span_id(), parent_span_id=parent,
                name=name, kind=Span.SPAN_KIND_INTERNAL, start_time_unix_nano=start,
                end_time_unix_nano=start + 1_000_000 if end is None else end,
                attributes=attributes(attrs))


def request(spans, resource=None, scope="tests") -> ExportTraceServiceRequest:
    """One resource, one scope."""
    out = ExportTraceServiceRequest()
    resource_spans = out.resource_spans.add()
    resource_spans.resource.attributes.extend(
        attributes({"service.name": "tests", **(resource or {})}))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return out


def to_json_value(message) -> dict:
    """OTLP/JSON: lowerCamelCase, hex ids, integer enums, 64-bit integers as text."""
    value = json_format.MessageToDict(message, use_integers_for_enums=True)
    return _hex_ids(value)


def to_json(message) -> bytes:
    return json.dumps(to_json_value(message)).encode()


def _hex_ids(value):
    if isinstance(value, list):
        return [_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, item in value.items():
        if key in ("traceId", "spanId", "parentSpanId") and isinstance(item, str):
            out[key] = base64.b64decode(item).hex()
        else:
            out[key] = _hex_ids(item)
    return out


def spans_of(message) -> list[Span]:
    return [one for resource in message.resource_spans for scope in resource.scope_spans
            for one in scope.spans]


def decode_status(body: bytes, content_type: str) -> str:
    """The message of a google.rpc.Status in either encoding."""
    if content_type == "application/json":
        value = json.loads(body)
        assert set(value) <= {"code", "message", "details"}, value
        return value.get("message", "")
    message = ""
    for number, wire, value in _fields(body):
        assert (number, wire) in ((1, 0), (2, 2), (3, 2)), f"not a Status: field {number}"
        if number == 2:
            message = value.decode()
    return message


def raw_spans(body: bytes) -> list[bytes]:
    """The octets of every span of a TracesData or an export request, as they stand there."""
    return [span for n, _, resource_spans in _fields(body) if n == 1
            for m, _, scope_spans in _fields(resource_spans) if m == 2
            for k, _, span in _fields(scope_spans) if k == 2]


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field, for messages that no library would build."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def wrap_raw_spans(spans, resource: bytes = b"") -> bytes:
    """An export request around spans given as octets."""
    scope_spans = b"".join(field(2, span) for span in spans)
    return field(1, field(1, resource) + field(2, scope_spans))


def _fields(data: bytes):
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
            value, at = data[at:at + length], at + length
            assert at <= len(data), "truncated"
        elif wire == 2:
            length, at = _varint(data, at)
            value, at = data[at:at + length], at + length
            assert at <= len(data), "truncated"
        else:
            raise AssertionError(f"wire type {wire}")
        yield tag >> 3, wire, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
