#!/usr/bin/env python3
"""Writes the seeds of the VAPI readers: vapi_report/, vapi_log/, vapi_signing/. Run from anywhere."""

import copy
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from support import vapi  # noqa: E402

CALL = "7d3f0c1e-0b5a-4f6e-9c1d-2a3b4c5d6e7f"


def write(folder: str, seeds: dict[str, bytes]):
    (HERE / folder).mkdir(exist_ok=True)
    for name, octets in seeds.items():
        (HERE / folder / name).write_bytes(octets)


def reports() -> dict[str, bytes]:
    whole = vapi.report(CALL)
    old = copy.deepcopy(whole)
    artifact = old.pop("artifact")
    old.update(messages=artifact["messages"], summary="s", recordingUrl="https://x/y")
    odd = copy.deepcopy(whole)
    odd["artifact"]["messages"] += [None, {"role": "tool_call_result", "toolCallId": "z"},
                                    {"role": "tool_calls", "toolCalls": [{}, 7]},
                                    {"role": "user", "time": 1e300, "message": "x"}]
    odd.update(startedAt=-1, endedAt="1e12", cost="NaN", costs={}, customer="x")
    late = {"call": {"id": CALL}, "startedAt": "2261-12-31T00:00:00Z",
            "messages": [{"role": "user", "secondsFromStart": 9_999_999, "message": "x"}]}
    deep = b'{"call":{"id":"x"},"properties":' + b"[" * 70 + b"]" * 70 + b"}"
    seeds = {"whole": {"message": whole}, "old": old, "odd": {"message": odd}, "late": late,
             "status": vapi.status(CALL, "ended", 5000), "bare": {"id": CALL, "type": "webCall"},
             "no_id": {"call": {}}, "other": {"message": {"type": "tool-calls"}}}
    out = {name: json.dumps(value).encode() for name, value in seeds.items()}
    return {**out, "deep": deep, "surrogate": b'{"call":{"id":"\\ud800"}}', "cut": out["whole"][:400]}


def logs() -> dict[str, bytes]:
    whole = vapi.log_lines()
    many = b"".join(json.dumps(vapi.record(i, "assistant.model.requestStarted", str(i % 7))).encode()
                    + b"\n" for i in range(600))
    odd = b'{"time":1,"attributes":{}}\n{\n[]\n\n{"time":"9e18","attributes":{"event":"pipeline.cleared"' \
          b',"wasInterruption":true,"turnId":-1}}\n\xff\n'
    edges = b"".join(json.dumps({"time": time, "attributes": {
        "event": "assistant.voice.firstAudioReceived", "latency": 86400000, "turnId": "1"}}).encode()
        + b"\n" for time in (1e8, 9.19e18, 99999999999, 1772000000.5))
    return {"whole": whole, "many": many, "odd": odd, "edges": edges, "cut": whole[:-30],
            "reversed": b"\n".join(reversed(whole.splitlines()))}


def signings() -> dict[str, bytes]:
    stamp = b"1772000000"
    rows = {"plain": ({}, "ab" * 32), "prefix": ({"signaturePrefix": "v1,"}, "v1,x v1,y"),
            "base64": ({"signatureEncoding": "base64", "secretIsBase64": True}, "eHg="),
            "format": ({"payloadFormat": "{url}{method}{svix-id}{timestamp}{x}{{body}{body}"}, "z"),
            "bad": ({"algorithm": "md5"}, "z"), "wrong": ({"includeTimestamp": 1}, "z")}
    return {name: b"\n".join([json.dumps(settings).encode(), signature.encode(), stamp, b"{}"])
            for name, (settings, signature) in rows.items()}


if __name__ == "__main__":
    write("vapi_report", reports())
    write("vapi_log", logs())
    write("vapi_signing", signings())
