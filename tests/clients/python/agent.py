"""A voice agent that sends the trace of one call to calltrace.

    source var/env                            # from ./calltrace up: address, key, certificate
    pip install -r requirements.txt && python agent.py my-call-1

The exporter itself reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
"""

import json
import sys
import uuid
from contextlib import contextmanager

from tracing import trace_to_calltrace

external_id = sys.argv[1] if len(sys.argv) > 1 else f"call-{uuid.uuid4()}"
place = sys.argv[2] if len(sys.argv) > 2 else "resource"
turns = int(sys.argv[3]) if len(sys.argv) > 3 else 3

# This attribute is the link: POST /v1/call gets the same value as externalId (see call.py).
# It may stand on the resource, and so on every span, or on the root span alone.
link = {"roark.external_id": external_id}

provider = trace_to_calltrace(link if place == "resource" else {})
tracer = provider.get_tracer("voice-agent")


@contextmanager
def step(name, **attributes):
    """One span; its ids go to standard output."""
    with tracer.start_as_current_span(name, attributes=attributes) as span:
        ids = span.get_span_context()
        print(json.dumps({"traceId": f"{ids.trace_id:032x}", "spanId": f"{ids.span_id:016x}", "name": name}))
        yield


with step("agent_session", **(link if place == "root" else {})):
    for turn in range(1, turns + 1):
        with step("user_turn", **{"lk.user_transcript": f"question {turn}"}):
            pass
        with step("agent_turn"):
            with step("llm_node", **{"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 100 * turn}):
                pass
            with step("tts_node", **{"lk.response.text": f"answer {turn}"}):
                pass

provider.shutdown()  # sends what is still waiting
