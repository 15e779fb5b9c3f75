#!/usr/bin/env python3
"""Writes the hand-made seeds of the REST fuzz targets. Run it in this folder; it writes the same files each
time."""

import base64
import json
import os

ENTRY = {"role": "AGENT", "text": "hi", "startOffsetMs": 0, "endOffsetMs": 900}
CALL = {"recordingUrl": "https://example.com/a.wav", "startedAt": "2026-01-02T03:04:05.678Z",
        "interfaceType": "PHONE", "callDirection": "INBOUND", "endedStatus": "AGENT_BUSY",
        "externalId": "x", "livekitRoomId": "RM_a",
        "agent": {"name": "a", "endpoint": {"type": "phone", "value": "+1"},
                  "prompt": {"resolvedPrompt": "p"}},
        "customers": [{"phoneNumberE164": None, "label": "c"}], "transcript": [ENTRY],
        "toolInvocations": [{"name": "t", "parameters": {"a": {"value": 1}}, "result": {},
                             "startOffsetMs": 1.0}], "properties": {"a": [None, 1.5, {"b": {}}]}}
CHAT = {"startTimestamp": "2026-01-02T03:04:05Z", "endTimestamp": "2026-01-02T03:05:05Z",
        "traceId": "0123456789ABCDEF0123456789abcdef", "messages": [
            {"role": "AGENT", "text": "a", "startTimestamp": "2026-01-02T03:04:05Z"}],
        "agents": [{"roarkId": "0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11"}, {"customId": "c"}]}

BODIES = {
    "call": json.dumps(CALL), "chat": json.dumps(CHAT), "empty": "", "empty_object": "{}",
    "array": "[]", "null": "null", "text": '"x"', "cut": json.dumps(CALL)[:150],
    "late": json.dumps({**CHAT, "endTimestamp": "2026-01-02T03:04:04Z"}),
    "both": '{"agent":{},"agents":[],"vapiCallId":"x","livekitRoomId":""}',
    "deep_64": "[" * 64 + "]" * 64, "deep_65": "[" * 65 + "]" * 65,
    "deep_5000": '{"a":' * 5000, "duplicate": '{"externalId":"a","externalId":"b"}',
    "surrogate": '{"externalId":"\\ud83d","x":"\\ude00\\ud83d\\ude00"}',
    "nul": '{"externalId":"a\\u0000b","\\u0000":1}',
    "numbers": '{"properties":[1e999,-1e999,123456789012345678901234567890,-0,1e-999,0.1]}',
    "length_number": '{"properties":' + "9" * 500 + "}",
    "count_entries": '{"transcript":[' + ",".join(["{}"] * 300) + "]}",
    "count_issues": '{"agents":[' + ",".join(["1"] * 50) + "]}",
    "length_key": json.dumps({"externalId": "\u00fc" * 256}), "spaces": " \n\t{ \"a\" : 1 } ",
    "not_utf8": b'{"a":"\xff\xc3"}', "bom": b"\xef\xbb\xbf{}",
}


def cursor(text):
    return base64.b64encode(text.encode())


CURSORS = {
    "time": cursor('{"sortValue":"2026-01-02T03:04:05.678901Z","id":'
                   '"0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11"}'),
    "url": cursor('{"sortValue":"~~~>>>","id":"?"}').replace(b"+", b"-").replace(b"/", b"_"),
    "no_padding": cursor('{"sortValue":"a","id":"b"}').rstrip(b"="),
    "escapes": cursor('{"sortValue":"\\u00e9\\ud83d\\ude00\\u0000","id":"\\n"}'),
    "empty": b"", "array": cursor("[]"), "more": cursor('{"sortValue":"a","id":"b","c":1}'),
    "types": cursor('{"sortValue":1,"id":null}'), "twice": cursor('{"id":"a","id":"b"}'),
    "deep": cursor("[" * 2000), "length": b"A" * 4096, "length_more": b"A" * 4097,
    "unmatched": cursor('{"sortValue":"1772000000000000000","id":"t0123456789abcdef0123456789abcdef"}'),
    "unmatched_odd": cursor('{"sortValue":"1e3","id":"x0123456789abcdef0123456789abcdeg"}'),
    "padding": b"====", "spaces": b"eyJ  J9",
}


# A parameter before a stored segment: tests/fuzz/corpus/view has those.
PARAMETERS = ["key", "key:value", "key<5", "key>-1.5e3", "a\\:b:c", ":v", "k<", "k\\", "service.name:svc", "span",
              "k:9223372036854775808", "k>" + "9" * 64, "k" * 250]


def filters():
    view = os.path.join("..", "..", "corpus", "view")
    segments = {name: open(os.path.join(view, name), "rb").read() for name in sorted(os.listdir(view))}
    return {f"{n}_{name}": bytes([len(text)]) + text.encode() + segments[name]
            for n, text in enumerate(PARAMETERS) for name in ("rich", "span_twice", "deep_32", "empty")
            if n % 3 == 0 or name == "rich"}


# A parameter of a read, by every kind of rule.
QUERIES = {
    "integer": "100", "integer_more": "101", "integer_far": "9" * 30, "integer_sign": "-1", "integer_space": " 1", "empty": "",
    "time": "2026-01-02T03:04:05.678901234Z", "time_offset": "2026-01-02 03:04:05+23:59", "time_day": "2024-02-29",
    "time_no_day": "2023-02-29T00:00:00Z", "time_first": "1677-09-21T00:12:43.145224192Z", "time_before": "1677-09-21T00:12:43Z",
    "time_last": "2262-04-11T23:47:16.854775807Z", "time_after": "2262-04-11T23:47:16.854775808Z", "time_digits":
    "2026-01-02T03:04:05." + "1" * 40 + "Z", "truth": "true", "word": "startedAt", "uuid": "0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11",
    "uuid_upper": "0B0E7A7E-5F5C-4C1C-8A55-0D4F4F7A1A11", "uuid_dashes": "-" * 36, "uuid_nul": b"0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a1\0",
    "trace": "0123456789abcdefABCDEF0123456789", "trace_no_hex": "g" * 32, "text_16": "\u00fc" * 16, "text_17": "\u00fc" * 17,
    "not_utf8": b"\xff\xc0\x80", "cursor": CURSORS["time"],
}

# Bodies of one call, one a line.
OVERLAYS = {
    "two": '{"properties":{"a":1,"b":{"c":[]}}}\n{"properties":{"a":2,"d":"x"}}', "one": '{"properties":{}}',
    "none": '{"a":1}\n{"b":2}', "not_object": '{"properties":[1]}\n{"properties":null}\n{"properties":{"z":0}}',
    "twice": '{"properties":{"a":1,"a":2},"properties":{"b":1}}', "escapes": '{"properties":{"\\u0061":1}}\n{"properties":{"a":2}}',
    "surrogate": '{"properties":{"\\ud83d":1}}\n{"properties":{"\\ud83d":2,"\\ufffd":3}}', "empty_name": '{"properties":{"":1}}\n{"properties":{"":2}}',
    "deep": '{"properties":{"a":' + "[" * 70 + "]" * 70 + '}}\n{"properties":{"b":1}}', "cut": '{"properties":{"a":1}\n{"properties":{"b":',
    "parties": '{"agent":{"name":"a","x":1e999},"customers":[{"label":"\\ud83d"}]}\n{"agent":7,"customers":"x"}', "empty_lines": "\n\n\n", "numbers": '{"properties":{"n":1e999}}\n{}',
    "count": '{"properties":{' + ",".join(f'"k{n}":{n}' for n in range(300)) + '}}\n{"properties":{"k5":0,"x":1}}',
}


def write(folder, seeds):
    os.makedirs(folder, exist_ok=True)
    for name, seed in seeds.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(seed.encode() if isinstance(seed, str) else seed)


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    write("body", BODIES)
    write("cursor", CURSORS)
    write("filter", filters())
    write("query", QUERIES)
    write("overlay", OVERLAYS)
