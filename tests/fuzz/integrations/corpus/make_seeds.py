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


def main():
    for folder, seeds in (("livekit_webhook", WEBHOOKS), ("livekit_token", TOKENS)):
        os.makedirs(folder, exist_ok=True)
        for name, text in seeds.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(text.encode())


main()
