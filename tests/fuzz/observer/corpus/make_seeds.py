#!/usr/bin/env python3
"""Writes the hand-made seeds of the observers' fuzz targets. Run it in this folder; it writes the same files each
time."""

import json
import os

AT, LATER = "2026-01-02T03:04:05.250000+00:00", "2026-01-02T03:04:35.5Z"
STARTED = {"event": "call-started", "livekitCallId": "RM_a", "pipecatCallId": "p", "eventTimestamp": AT,
           "agentId": "a", "agentName": "n", "agentPrompt": "p", "isTest": True, "jobId": "AJ_1",
           "roomName": "lobby", "roomSid": "RM_b", "agentPhoneNumber": "+1", "customerPhoneNumber": "+2",
           "callDirection": "INBOUND", "interfaceType": "PHONE"}
SAID = {"role": "user", "content": "hi", "timestamp": AT, "endTimestamp": LATER, "audioOffsetMs": 5,
        "endAudioOffsetMs": 1e3, "userId": "u", "language": "en"}
USED = {"kind": "tool_call", "toolCallId": "c", "name": "t", "arguments": "{\"a\":[1]}", "timestamp": AT,
        "audioOffsetMs": 7}
RESULT = {"kind": "tool_result", "toolCallId": "c", "content": "r", "timestamp": LATER}
ENDED = {"event": "call-ended", "livekitCallId": "x", "pipecatCallId": "p", "eventTimestamp": LATER,
         "callStartedAt": AT, "callEndedAt": LATER, "callEndedReason": "agent-ended", "agentSpokeFirst": False,
         "recordingSampleRate": 24000, "recordingNumChannels": 2, "transcript": [SAID], "toolCalls": [USED, RESULT],
         "metrics": [{"kind": "llm", "ttft": 0.25, "extra": {"a": None}}]}
CHUNK = {"livekitCallId": "x", "pipecatCallId": "p", "chunkIndex": 3, "contentType": "audio/pcm"}


def ended(**more):
    return json.dumps({**ENDED, **more})


EVENTS = {
    "started": json.dumps(STARTED), "ended": ended(), "chunk": json.dumps(CHUNK), "empty": "", "empty_object": "{}",
    "array": "[]", "cut": ended()[:200], "unknown": '{"event":"call-paused"}',
    "duplicate": '{"event":"call-ended","event":"x"}',
    "surrogate": '{"event":"call-ended","livekitCallId":"\\ud83d","pipecatCallId":"\\ude00"}',
    "nul": '{"event":"call-started","livekitCallId":"a\\u0000b","pipecatCallId":"\\u0000","agentName":"\\u0000"}',
    "length_key": json.dumps({**STARTED, "livekitCallId": "\u00fc" * 256, "pipecatCallId": "\u00fc" * 255}),
    "backwards": ended(callStartedAt=LATER, callEndedAt=AT), "no_times": ended(
        callStartedAt=None, callEndedAt=None, eventTimestamp=None),
    "far_times": ended(callStartedAt="2262-04-11T00:00:00Z", transcript=[{**SAID, "timestamp": "1677-09-22T00:00:00Z"}]),
    "far_offsets": ended(callStartedAt=None, transcript=[{**SAID, "audioOffsetMs": 1e300, "endAudioOffsetMs": -1e300}]),
    "count_said": ended(transcript=[SAID] * 40), "count_used": ended(toolCalls=[USED, RESULT, RESULT] * 20),
    "results_first": ended(toolCalls=[RESULT, USED, USED, RESULT, {"kind": "tool_result"}, {"kind": "tool_call"}]),
    "arguments": ended(toolCalls=[{**USED, "arguments": text} for text in (
        "", "{", "[1]", "null", "{\"a\":1,\"a\":2}", "{\"a\":\"\\ud83d\"}", "[" * 65, "{\"\\u0000\":1e999}")]
        + [{**USED, "arguments": {"b": 1}}]),
    "types": json.dumps({"event": "call-ended", "livekitCallId": "x", "pipecatCallId": "p", "transcript": 1,
                         "toolCalls": "x", "metrics": {}, "agentSpokeFirst": 1, "recordingSampleRate": "1"}),
    "deep_65": '{"event":"call-ended","pipecatCallId":"p","metrics":[{"extra":' + "[" * 70 + "]" * 70 + "}]}",
    "not_utf8": b'{"event":"\xff\xc3"}',
}
TOKENS = {"empty": "", "zeros": "0" * 112, "upper": "AF" * 56, "short": "0" * 111, "long": "0" * 113,
          "no_hex": "0" * 111 + "g"}

for folder, seeds in (("event", EVENTS), ("token", TOKENS)):
    os.makedirs(folder, exist_ok=True)
    for name, seed in seeds.items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(seed if isinstance(seed, bytes) else seed.encode())
