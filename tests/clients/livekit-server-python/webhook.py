"""Sends webhooks as a LiveKit server does: bodies of LiveKit's own types, signed by its server SDK.

    python webhook.py < webhooks.jsonl

A line of the input is one webhook: its `event`, the `key` and `secret` that sign it, and what may be
wrong with it: `ttl` (seconds; negative: expired), `change` (the body after it was signed), `bearer`.
Prints what calltrace answered and whether LiveKit's own receiver, which knows `trusted`, takes it.
"""

import base64
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from datetime import timedelta

from google.protobuf.json_format import MessageToJson, ParseDict
from livekit import api
from livekit.protocol.webhook import WebhookEvent


def is_received(body: str, token: str, key: str, secret: str) -> bool:
    try:
        return api.WebhookReceiver(api.TokenVerifier(key, secret)).receive(body, token).event != ""
    except Exception:  # pylint: disable=broad-except  # the SDK raises several of its own
        return False


def post(body: str, authorization: str) -> int:
    request = urllib.request.Request(
        f"{os.environ['CALLTRACE_URL']}/v1/integrations/livekit", body.encode(),
        {"Content-Type": "application/webhook+json", "Authorization": authorization})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def main():
    for line in sys.stdin:
        webhook = json.loads(line)
        # Refuses what is no event of LiveKit's, a field of another name or type among it.
        body = MessageToJson(ParseDict(webhook["event"], WebhookEvent()))
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        token = (api.AccessToken(webhook["key"], webhook["secret"]).with_sha256(digest)
                 .with_ttl(timedelta(seconds=webhook.get("ttl", 300))).to_jwt())
        if webhook.get("change"):
            body = body.replace("room", "r00m", 1)
        status = post(body, f"Bearer {token}" if webhook.get("bearer") else token)
        received = is_received(body, token, webhook["key"], webhook["trusted"])
        print(json.dumps({"status": status, "received": received}), flush=True)


main()
