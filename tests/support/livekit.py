"""LiveKit's webhooks, as its servers send them: a body and a token that was made for it."""

import base64
import hashlib
import hmac
import json
import secrets
import time

PATH = "/v1/integrations/livekit"
WEBHOOK_JSON = "application/webhook+json"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(body: bytes, key: str, secret: str, header=None, **claims) -> str:
    """A JWT for this body. A claim given as None is left out."""
    now = int(time.time())
    all_claims = {"iss": key, "nbf": now, "iat": now, "exp": now + 300,
                  "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(), **claims}
    parts = [base64url(json.dumps(part).encode()) for part in (
        header or {"alg": "HS256", "typ": "JWT"},
        {name: value for name, value in all_claims.items() if value is not None})]
    signed = ".".join(parts)
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64url(mac)}"


def send(client, body, key: str, secret: str, **claims):
    """One try of the webhook `body` (bytes, or what becomes JSON); the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return send_signed(client, raw, token(raw, key, secret, **claims))


def send_signed(client, raw: bytes, authorization: str):
    return client.with_key(None).request(
        "POST", PATH, raw, {"Content-Type": WEBHOOK_JSON, "Authorization": authorization,
                            "User-Agent": "LiveKit"})


def new_pair() -> tuple[str, str]:
    return "API" + secrets.token_hex(6), secrets.token_hex(22)


def new_sid() -> str:
    return "RM_" + secrets.token_hex(6)


def room(sid: str, started_ms: int, **fields):
    return {"sid": sid, "name": f"room of {sid}", "emptyTimeout": 300,
            "creationTime": str(started_ms // 1000), "creationTimeMs": str(started_ms), **fields}


def event(name: str, at_s: int, **fields):
    return {"event": name, "id": "EV_" + secrets.token_hex(6), "createdAt": str(at_s), **fields}


def phone_call(sid: str, started_ms: int, **room_fields):
    """The events of a call by phone of one minute, in their order."""
    start = started_ms // 1000
    whole = room(sid, started_ms, **room_fields)
    agent = {"sid": "PA_agent", "identity": "agent-1", "kind": "AGENT", "state": "ACTIVE",
             "joinedAt": str(start + 1), "joinedAtMs": str(started_ms + 1000)}
    caller = {"sid": "PA_caller", "identity": "sip_+15105550100", "kind": "SIP", "state": "ACTIVE",
              "joinedAt": str(start + 2), "joinedAtMs": str(started_ms + 2000),
              "attributes": {"sip.callID": "SCL_1", "sip.trunkID": "ST_1", "sip.ruleID": "SDR_1",
                             "sip.phoneNumber": "+15105550100"}}
    return [
        event("room_started", start, room=whole),
        event("participant_joined", start + 1, room=whole, participant=agent),
        event("participant_joined", start + 2, room=whole, participant=caller),
        event("track_published", start + 2, room={"sid": sid, "name": whole["name"]},
              participant={"sid": "PA_caller", "identity": "sip_+15105550100"},
              track={"sid": "TR_1", "name": "microphone"}),
        event("participant_left", start + 62, room=whole, participant={**caller, "state": "DISCONNECTED"}),
        event("participant_left", start + 63, room=whole, participant={**agent, "state": "DISCONNECTED"}),
        event("room_finished", start + 82, room=whole),
        event("egress_ended", start + 90, egressInfo={
            "egressId": "EG_1", "roomId": sid, "roomName": whole["name"], "status": "EGRESS_COMPLETE",
            "endedAt": str((start + 64) * 10**9),
            "fileResults": [{"filename": "a.ogg", "location": f"https://recordings.test/{sid}.ogg"}]}),
    ]
