#!/usr/bin/env python3
"""Writes the hand-made seeds of the integrations' fuzz targets. Run it in this folder; it writes the same files
each time."""

import base64
import hashlib
import hmac
import json
import os

ROOM = {"sid": "RM_abcdefghijkl", "name": "support-7", "creationTime": "1790000000",
        "creationTimeMs": "1790000000250", "metadata": json.dumps({"roark.skip": True})}
CALLER = {"sid": "PA_1", "kind": "SIP", "joinedAt": "1790000002", "joinedAtMs": 1790000002100,
          "attributes": {"sip.callID": "SCL_1", "sip.ruleID": "SDR_1", "sip.phoneNumber": "+15105550100",
                         "sip.callDirection": "inbound"}}
EGRESS = {"egressId": "EG_1", "roomId": "RM_abcdefghijkl", "roomName": "support-7", "status": "EGRESS_COMPLETE",
          "endedAt": "1790000090000000001", "fileResults": [{"location": "s3://x"}, {"location": "https://x/a.ogg"}],
          "file": {"location": "https://x/b.ogg"}}


def event(name, **fields):
    return json.dumps({"event": name, "id": "EV_1", "createdAt": "1790000002", **fields})


WEBHOOKS = {
    **{name: event(name, room=ROOM, participant=CALLER) for name in (
        "room_started", "room_finished", "participant_joined", "participant_left", "track_published",
        "agent_job_started", "something_new")},
    "egress_ended": event("egress_ended", egressInfo=EGRESS),
    "numbers": event("participant_joined", room={"sid": "RM_a", "creationTime": 1790000000.5},
                     participant={"kind": 3, "joinedAt": -1}),
    "wrong_types": event("participant_joined", room={"sid": 5, "name": [], "metadata": {}}, participant=[]),
    "odd_times": event("room_finished", room={"sid": "RM_a", "creationTimeMs": "99999999999999999999",
                                              "creationTime": 1e300}),
    "surrogate": '{"event":"room_started","room":{"sid":"\\ud83d","name":"\\u0000","metadata":"{\\"a\\":\\"\\\\ud83d\\"}"}}',
    "metadata_deep": event("room_started", room={"sid": "RM_a", "metadata": "[" * 100}),
    "metadata_text": event("room_started", room={"sid": "RM_a", "metadata": "roark.skip"}),
    "deep": '{"event":"room_started","room":' + "[" * 5000, "empty": "", "null": "null", "array": "[]",
    "duplicate": '{"event":"a","event":"b"}', "cut": event("room_started", room=ROOM)[:60], "empty_object": "{}",
}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header, claims):
    parts = [base64url(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts)
    return f"{signed}.{base64url(hmac.new(b'secret', signed.encode(), hashlib.sha256).digest())}"


CLAIMS = {"iss": "APIx", "nbf": 1790000000, "iat": 1790000000, "exp": 1790000300,
          "sha256": base64.b64encode(hashlib.sha256(b"{}").digest()).decode()}
HS256 = {"alg": "HS256", "typ": "JWT"}
TOKENS = {
    "good": token(HS256, CLAIMS), "bearer": "Bearer " + token(HS256, CLAIMS),
    "none": token({"alg": "none"}, CLAIMS), "none_unsigned": token({"alg": "none"}, CLAIMS).rsplit(".", 1)[0] + ".",
    "hs512": token({"alg": "HS512"}, CLAIMS), "rs256": token({"alg": "RS256"}, CLAIMS),
    "lower": token({"alg": "hs256"}, CLAIMS), "crit": token({**HS256, "crit": ["x"]}, CLAIMS),
    "claims_array": token(HS256, [1]), "claims_text": token(HS256, b"x"), "issuer_number": token(HS256, {"iss": 1}),
    "issuer_twice": token(HS256, b'{"iss":"a","iss":"b"}'), "header_array": token([], CLAIMS),
    "deep": token(HS256, b'{"iss":"a","x":' + b"[" * 3000 + b"]" * 3000 + b"}"),
    "dots": "...", "empty": "", "no_base64": "%.%.%", "three": "a.b.c",
}

# What a stranger may name as a log's address.
ADDRESSES = {
    "good": "https://logs.example.com/a.jsonl.gz?X-Signature=abc", "http": "http://logs.example.com/", "file": "file:///etc/passwd",
    "user": "https://user:secret@logs.example.com/", "port": "https://logs.example.com:8443/", "port_far": "https://h:99999/",
    "loopback": "https://127.0.0.1/", "loopback_short": "https://127.1/", "loopback_number": "https://2130706433/",
    "loopback_hex": "https://0x7f000001/", "loopback_6": "https://[::1]/", "mapped": "https://[::ffff:127.0.0.1]/",
    "nat64": "https://[64:ff9b::7f00:1]/", "zone": "https://[fe80::1%25eth0]/", "metadata": "https://169.254.169.254/latest/",
    "name": "https://localhost/", "dot": "https://127.0.0.1./", "empty": "", "no_host": "https:///x", "spaces": "https://a b/",
    "slashes": "https:\\\\h\\x", "tab": "https://h\t/x", "at": "https://a@b@c/", "unicode": "https://\u24df\u2460.example/",
    "length": "https://" + "a" * 300 + "/", "length_url": "https://h/" + "a" * 17000, "bare": "logs.example.com/x",
}

VAPI_CALL = {"id": "7d3f0c1e-0b5a-4f6e-9c1d-2a3b4c5d6e7f", "createdAt": "2026-01-02T03:04:05.678Z", "status": "ended",
             "endedAt": "2026-01-02T03:05:05.678Z", "updatedAt": "2026-01-02T03:05:06Z", "assistantId": "a",
             "messages": [{"role": "bot", "message": "hi", "time": 1772000001000}], "artifact": {"logUrl": "https://x/l"},
             "analysis": {"summary": "s"}, "costs": [], "recordingUrl": "https://x/r"}
CALLS = {
    "whole": json.dumps(VAPI_CALL), "bare": json.dumps({"id": VAPI_CALL["id"]}), "no_id": json.dumps({**VAPI_CALL, "id": 5}),
    "odd": json.dumps({**VAPI_CALL, "createdAt": "yesterday", "artifact": [], "analysis": "x", "messages": {}}),
    "in_progress": json.dumps({**VAPI_CALL, "status": "in-progress"}), "array": "[]", "null": "null", "empty": "",
    "cut": json.dumps(VAPI_CALL)[:90], "surrogate": '{"id":"7d3f0c1e-0b5a-4f6e-9c1d-2a3b4c5d6e7f","a":"\\ud83d"}',
    "far_time": json.dumps({**VAPI_CALL, "endedAt": "9999-12-31T23:59:59Z", "updatedAt": None}),
}


def main():
    for folder, seeds in (("livekit_webhook", WEBHOOKS), ("livekit_token", TOKENS), ("address", ADDRESSES),
                          ("pull", CALLS)):
        os.makedirs(folder, exist_ok=True)
        for name, text in seeds.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(text.encode())


main()
