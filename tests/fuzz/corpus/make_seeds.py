#!/usr/bin/env python3
"""Writes the hand-made seeds of the OTLP fuzz targets: ordinary input, odd input, and attacks on depth, count
and length, which blind fuzzing does not find. Run it in this folder; it writes the same files each time."""

import json
import os


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, data):
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed64(number, value):
    return varint(number << 3 | 1) + (value % 2 ** 64).to_bytes(8, "little")


def attribute(number, key, value):
    return field(number, field(1, key) + field(2, value))


def span(trace=1, number=1, more=b""):
    return field(2, field(1, trace.to_bytes(16, "big")) + field(2, number.to_bytes(8, "big"))
                 + field(5, "span") + fixed64(7, 1000 + number) + fixed64(8, 2000 + number) + more)


def export(spans, resource=b"", scope="scope"):
    return field(1, field(1, attribute(1, "service.name", field(1, "svc")) + resource)
                 + field(2, field(1, field(1, scope)) + spans))


def deep(levels):
    value = field(1, "x")
    for _ in range(levels - 1):
        value = field(5, field(1, value))
    return value


def deep_map(levels):
    value = field(1, "x")
    for _ in range(levels - 1):
        value = field(6, field(1, field(1, "k") + field(2, value)))
    return value


RICH = span(1, 1, field(4, b"\1" * 8) + field(6, 3)
            + attribute(9, "roark.external_id", field(1, "call-1"))
            + attribute(9, "room_id", field(1, "RM_x")) + attribute(9, "conversation.id", field(3, 7))
            + attribute(9, "roark.project.tag.env", field(1, "prod"))
            + attribute(9, "list", field(5, field(1, field(2, 1)) + field(1, b"")))
            + attribute(9, "map", field(6, field(1, field(1, "") + field(2, fixed64(4, 5)))))
            + attribute(9, "bytes", field(7, b"\0\xff"))
            + field(11, fixed64(1, 5) + field(2, "event") + attribute(3, "k", field(1, "v")))
            + field(13, field(1, b"\2" * 16) + field(2, b"\3" * 8) + attribute(4, "k", field(1, "v")))
            + field(15, field(2, "bad") + field(3, 2)) + field(99, "unknown"))

PROTOBUF = {
    "empty": b"",
    "one_span": export(span()),
    "rich": export(RICH, attribute(1, "roark.skip", field(2, 1)), "pipecat.turn"),
    "two_traces_two_resources": export(span(1, 1) + span(2, 2)) + export(span(2, 3) + span(1, 4)),
    "span_twice": export(span(1, 1) + span(1, 1, attribute(9, "k", field(1, "v")))),
    "deep_32": export(span(1, 1, attribute(9, "k", deep(32)))),
    "deep_33": export(span(1, 1, attribute(9, "k", deep(33))) + span(1, 2)),
    "deep_map_32": export(span(1, 1, attribute(9, "k", deep_map(32)))),
    "deep_5000": export(span(1, 1, attribute(9, "k", deep(5000))) + span(1, 2)),
    "deep_5000_in_resource": export(span(), attribute(1, "k", deep(5000))),
    "count_2000_empty_spans": export(field(2, b"") * 2000),
    "count_500_resources": export(span()) * 500,
    "count_2000_attributes": export(span(1, 1, attribute(9, "k", field(1, "v")) * 2000)),
    "count_five_values": export(b"".join(span(1, i + 1, attribute(9, "k", field(1, str(i))))
                                         for i in range(5))),
    "length_huge": varint(1 << 3 | 2) + varint(2 ** 63),
    "length_over": varint(1 << 3 | 2) + varint(100) + b"short",
    "varint_eleven": b"\xff" * 11,
    "group": b"\x0b\x0c",
    "field_zero": b"\x02\x00",
    "bad_ids": export(field(2, field(1, b"\0" * 16) + field(2, b"\1" * 8))
                      + field(2, field(1, b"\1" * 15) + field(2, b"\1" * 8))
                      + field(2, field(1, b"\1" * 16) + field(2, b"\1" * 9))),
    "ids_twice": export(field(2, field(1, b"x") + field(4, b"short") + field(1, b"\1" * 16)
                              + field(2, b"\2" * 8) + field(4, b"\3" * 8))),
    "surrogate_and_nul": export(span(1, 1, attribute(9, "a\0b", field(1, "x\ud83dy")))),
    "no_utf8": export(span(1, 1, field(5, b"\xff\xc0\x80") + attribute(9, "k", field(1, b"\xf0\x9f")))),
    "scope_behind_spans": field(1, field(2, span() + field(1, field(1, "pipecat")))
                                + field(1, attribute(1, "service.name", field(1, "late")))),
    "before_1970": export(span(1, 1, fixed64(7, -5))),
}

IDS = {"traceId": "0102030405060708090A0b0c0d0e0f10", "spanId": "0102030405060708"}


def json_export(*spans):
    return json.dumps({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]},
        "scopeSpans": [{"scope": {"name": "s"}, "spans": list(spans)}]}]}).encode()


def json_values(*values):
    return json_export({**IDS, "attributes": [{"key": "k", "value": value} for value in values]})


JSON = {
    "empty": b"{}",
    "one_span": json_export(IDS),
    "times": json_export({**IDS, "startTimeUnixNano": "-5", "endTimeUnixNano": 1.5e18}),
    "values": json_values({"stringValue": "x"}, {"boolValue": True}, {"intValue": "5"},
                          {"intValue": 1e300}, {"doubleValue": None}, {"doubleValue": "NaN"},
                          {"bytesValue": "AAE="}, {"arrayValue": {"values": [{}, None]}},
                          {"kvlistValue": {"values": [{"key": "", "value": {}}]}}, {}, None),
    "wrong_types": json_export({**IDS, "name": 5}, {**IDS, "kind": "SPAN_KIND_SERVER"}, 5, IDS),
    "surrogate": b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\\ud83d\\u0000"}]}]}]}',
    "duplicates": b'{"resourceSpans":[],"resourceSpans":[{"scopeSpans":null,"x":[{"y":{}}]}]}',
    "no_utf8": b'{"a":"\xff"}',
    "depth_8000": b'{"x":' + b"[" * 8000 + b"]" * 8000 + b"}",
    "depth_9000": b"[" * 9000,
    "depth_values": json_values(*[json.loads('{"arrayValue":{"values":[' * n + "{}" + "]}}" * n)
                                  for n in (31, 32, 40)]),
    "length_number": b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":'
                     + b"9" * 3000 + b"}]}]}]}",
    "count_objects": b'{"resourceSpans":[' + b"{}," * 2000 + b"{}]}",
    "cut": json_export(IDS)[:-3],
}

VIEW = {name: data for name, data in PROTOBUF.items()
        if name in ("empty", "one_span", "rich", "two_traces_two_resources", "span_twice", "deep_32",
                    "deep_5000", "surrogate_and_nul", "scope_behind_spans", "no_utf8", "length_over")}



def text(value):
    return field(1, value)


def told(*attributes, scope="scope", resource=b"", more=b""):
    return export(span(more=b"".join(attribute(9, *one) for one in attributes) + more), resource, scope)


# What the link doctor looks for: names, places, types and lengths.
CLUE = {
    "names": told(("roark.externalId", text("a")), ("external_id", text("b")), ("x.roomSid", text("RM_c")),
                  ("lk.room_name", text("d")), ("session.id", text("eee")), ("\xff", text("f"))),
    "types": told(("roark.external_id", field(2, 1)), ("roark.external_id", b""), ("vapi.call.id", field(5, b"")),
                  ("livekit.room.id", field(3, 5)), ("roark.external_id", field(7, b"x"))),
    "lengths": told(("roark.external_id", text("\u00fc" * 255)), ("roark.external_id", text("\u00fc" * 256)),
                    ("roark.external_id", text(b"\xff" * 300)), ("x" * 300 + ".external_id", text("y"))),
    "places": told(("conversation.id", text("a")), scope="pipecat.turn",
                   resource=attribute(1, "vapi.call.id", text("b")),
                   more=field(11, attribute(3, "roark.external_id", text("c")))
                   + field(13, attribute(4, "livekit.room.id", text("RM_d")))),
    "map": told(("roark", field(6, attribute(1, "external_id", text("a")) + attribute(1, "x", b"")))),
    "hidden": told(("roark.externalId", text("\x1b[31m\u202e\0\ufeff")), ("\x1b]0;external_id", text("x"))),
    "many": told(*[(f"a{n}.external_id", text(f"v{n}")) for n in range(100)],
                 *[(f"b{n}", text(f"value {n}")) for n in range(100)]),
    "cut": told(("roark.externalId", text("a")))[:-3],
}

for folder, seeds in (("scan", PROTOBUF), ("json", JSON), ("view", VIEW), ("clue", CLUE)):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
