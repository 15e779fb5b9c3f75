"""The backend's half: it tells calltrace about the call, before or after the traces.

    . var/env                                 # from ./calltrace up
    python call.py my-call-1

The official client reads ROARK_BASE_URL and ROARK_API_BEARER_TOKEN, and trusts the local
certificate through SSL_CERT_FILE.
"""

import json
import sys
from datetime import datetime, timezone

from roark_analytics import Roark

if len(sys.argv) != 2:
    sys.exit("usage: python call.py EXTERNAL_ID")

call = Roark().call.create(
    external_id=sys.argv[1],  # equals roark.external_id on the traces
    started_at=datetime.now(timezone.utc).isoformat(),
    interface_type="PHONE",
    call_direction="INBOUND",
    recording_url="https://example.com/recording.wav",  # kept as text, never fetched
)
print(json.dumps({"callId": call.data.id}))
