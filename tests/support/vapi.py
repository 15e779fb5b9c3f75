"""VAPI as a sender: reports, status updates, call logs and signatures in the shapes of its server SDK."""

import base64
import gzip
import hashlib
import hmac
import json
import time
import uuid

START_MS = 1_772_000_000_000
ASSISTANT = "0a6f4c7e-8f0e-4f0c-9a55-6d1f5a0f7a01"


def iso(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03d}Z"


def spoken(role: str, text: str, start: int, end: int, **more) -> dict:
    """A message of user or bot; times in ms from the call's start."""
    return {"role": role, "message": text, "time": START_MS + start, "endTime": START_MS + end,
            "secondsFromStart": start / 1000, "duration": end - start, **more}


def messages() -> list[dict]:
    """A greeting, a turn with a tool, and a plain turn."""
    return [
        {"role": "system", "message": "You are Ada.", "time": START_MS, "secondsFromStart": 0},
        spoken("bot", "Hello, this is Ada.", 1200, 3000),
        spoken("user", "When do you open?", 4000, 5500),
        {"role": "tool_calls", "message": "", "time": START_MS + 6400, "secondsFromStart": 6.4,
         "toolCalls": [{"id": "call_1", "type": "function", "function": {
             "name": "opening_hours", "arguments": "{\"day\":\"monday\"}"}}]},
        {"role": "tool_call_result", "toolCallId": "call_1", "name": "opening_hours",
         "result": "{\"from\":\"9:00\"}", "time": START_MS + 7000, "secondsFromStart": 7.0},
        spoken("bot", "We open at nine.", 7900, 9500),
        spoken("user", "Thank you.", 10500, 11200),
        spoken("bot", "You are welcome.", 12000, 13000),
    ]


LATENCIES = [
    {"modelLatency": 600, "voiceLatency": 250, "transcriberLatency": 120,
     "endpointingLatency": 180, "turnLatency": 2400},
    {"modelLatency": 300, "voiceLatency": 200, "transcriberLatency": 100,
     "endpointingLatency": 150, "turnLatency": 800},
]


def report(call_id: str | None = None, **changes) -> dict:
    """An end-of-call-report as newer senders write it; `changes` replace members of the message."""
    message = {
        "type": "end-of-call-report",
        "timestamp": START_MS + 20_000,
        "endedReason": "customer-ended-call",
        "startedAt": iso(START_MS),
        "endedAt": iso(START_MS + 15_000),
        "cost": 0.0421,
        "costs": [{"type": "model", "model": {"provider": "openai", "model": "gpt-4o"},
                   "promptTokens": 1200, "completionTokens": 90, "cachedPromptTokens": 512,
                   "cost": 0.01}],
        "analysis": {"summary": "The caller asked for the opening hours."},
        "artifact": {
            "messages": messages(),
            "transcript": "AI: Hello, this is Ada. ...",
            "recordingUrl": "https://storage.vapi.ai/mono.wav",
            "stereoRecordingUrl": "https://storage.vapi.ai/stereo.wav",
            "performanceMetrics": {"turnLatencies": LATENCIES},
        },
        "call": {"id": call_id or str(uuid.uuid4()), "orgId": "org", "type": "inboundPhoneCall",
                 "status": "ended", "assistantId": ASSISTANT,
                 "customer": {"number": "+4915112345678", "name": "Max"}},
        "assistant": {"name": "Ada", "model": {"provider": "openai", "model": "gpt-4o"},
                      "transcriber": {"provider": "deepgram", "model": "nova-2"},
                      "voice": {"provider": "11labs", "model": "turbo", "voiceId": "sarah"}},
    }
    message.update(changes)
    return message


def status(call_id: str, state: str, at: int = 0, **changes) -> dict:
    message = {"type": "status-update", "status": state, "timestamp": START_MS + at,
               "call": {"id": call_id, "type": "inboundPhoneCall", "assistantId": ASSISTANT}}
    message.update(changes)
    return message


def record(at: int, event: str, turn=None, span=None, **attributes) -> dict:
    return {"time": START_MS + at, "level": "INFO", "body": event,
            "attributes": {"category": event.split(".")[-2], "event": event, "turnId": turn,
                           "spanId": span, **attributes}}


def log_records() -> list[dict]:
    """The log of the call of `messages`; the agent is interrupted in its last turn."""
    return [
        record(0, "call.started"),
        record(900, "pipeline.firstMessageStarted", "0"),
        record(1000, "assistant.voice.requestStarted", "0", "v0"),
        record(1180, "assistant.voice.firstAudioReceived", "0", "v0", latency=180),
        record(1200, "pipeline.botSpeechStarted", "0"),
        record(2800, "assistant.voice.generationSucceeded", "0", "v0"),
        record(3000, "pipeline.botSpeechStopped", "0"),
        record(4000, "pipeline.userSpeechStarted"),
        record(4300, "assistant.transcriber.partialTranscript", "1", channel="user",
               transcript="When"),
        record(5500, "pipeline.userSpeechStopped"),
        record(5620, "assistant.transcriber.finalTranscript", "1", channel="user",
               transcript="When do you open?"),
        record(5680, "pipeline.endpointingTriggered", "1"),
        record(5690, "pipeline.turnStarted", "1"),
        record(5700, "assistant.model.requestStarted", "1", "m1"),
        record(6300, "assistant.model.firstTokenReceived", "1", "m1", latency=600),
        record(6350, "assistant.model.toolCallsReceived", "1", "m1"),
        record(6380, "assistant.model.responseSucceeded", "1", "m1"),
        record(6400, "assistant.tool.started", "1", "t1"),
        record(7000, "assistant.tool.completed", "1", "t1", duration=600),
        record(7010, "assistant.model.requestStarted", "1", "m2"),
        record(7500, "assistant.model.firstTokenReceived", "1", "m2", latency=490),
        record(7600, "assistant.voice.requestStarted", "1", "v1"),
        {"time": START_MS + 7605, "level": "INFO", "body": "Voice input",
         "attributes": {"category": "voice", "turnId": "1", "input": "We open at nine."}},
        record(7700, "assistant.model.responseSucceeded", "1", "m2"),
        record(7850, "assistant.voice.firstAudioReceived", "1", "v1", latency=250),
        record(7900, "pipeline.botSpeechStarted", "1"),
        record(9400, "assistant.voice.generationSucceeded", "1", "v1"),
        record(9500, "pipeline.botSpeechStopped", "1"),
        record(11200, "pipeline.userSpeechStopped"),
        record(11300, "assistant.transcriber.finalTranscript", "2", channel="user",
               transcript="Thank you.", latency=100),
        record(11350, "pipeline.turnStarted", "2"),
        record(11400, "assistant.model.requestStarted", "2", "m3"),
        record(11700, "assistant.model.firstTokenReceived", "2", "m3", latency=300),
        record(11900, "assistant.voice.firstAudioReceived", "2", "v2", latency=200),
        record(12000, "pipeline.botSpeechStarted", "2"),
        record(12600, "pipeline.cleared", "3", wasInterruption=True),
        record(12610, "pipeline.botSpeechStopped", "2"),
        record(14900, "assistant.model.cleanup", "CLEAN_UP"),
        record(15000, "call.ended"),
    ]


def log_lines(records=None) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records or log_records())


def log_base64(records=None) -> str:
    return base64.b64encode(gzip.compress(log_lines(records), mtime=0)).decode()


def sign(secret: bytes, body: bytes, *, algorithm="sha256", payload="{timestamp}.{body}",
         timestamp: str | None = None, encoding="hex", prefix="", url="", message_id="",
         headers=("x-signature", "x-timestamp", "svix-id")) -> dict[str, str]:
    """The headers of a signed message, made by the documented rule and no code of calltrace."""
    timestamp = str(int(time.time())) if timestamp is None else timestamp
    values = {b"{timestamp}": timestamp.encode(), b"{method}": b"POST", b"{url}": url.encode(),
              b"{svix-id}": message_id.encode(), b"{body}": body}
    signed = payload.encode()
    for name, value in values.items():  # the body last: it may hold braces
        signed = signed.replace(name, value)
    digest = hmac.new(secret, signed, getattr(hashlib, algorithm)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    out = {headers[0]: prefix + text, headers[1]: timestamp}
    if message_id:
        out[headers[2]] = message_id
    return out
