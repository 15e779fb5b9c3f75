"""must_run.txt names exactly what setup brings, and no exception outlives its reason."""

import pytest

from support.clients import must_run, refusal_of

# client -> the step of setup that brings it
STEP_OF = {
    "collector": "collector",
    "go": "go",
    "livekit-node": "livekit-node",
    "livekit-node-old": "livekit-node-old",
    "livekit-python": "livekit-python",
    "livekit-server-node": "livekit-server-node",
    "livekit-server-python": "livekit-server-python",
    "pipecat": "pipecat",
    "python": "python",
    "roark-analytics": "python",
    "roark-livekit": "livekit-python",
    "roark-livekit-recording": "livekit-python-old",
    "roark-pipecat": "pipecat",
    "typescript-json": "typescript",
    "typescript-protobuf": "typescript",
    "vapi": "vapi",
}


def test_every_listed_client_is_known():
    assert sorted(must_run()) == sorted(STEP_OF)


@pytest.mark.parametrize("client", sorted(STEP_OF))
def test_no_exception_outlives_its_reason(client):
    allowed = must_run()[client]
    assert allowed is None or allowed in (refusal_of(STEP_OF[client]) or ""), f"{client} can be installed again"
