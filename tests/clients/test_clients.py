"""Real OpenTelemetry exporters and real Customer API clients against running daemons, over HTTPS.

Every case is one row: which client, how it encodes, whether it compresses, what comes first and
where roark.external_id stands. The programs are the examples of the README; each prints the spans
it made, and the trace read back must hold exactly those.
"""

import itertools
import subprocess
import uuid
from pathlib import Path

import pytest

from support import clients
from support.clients import BUILT, run, spans_of

HERE = Path(__file__).resolve().parent

# client -> (setup's name, the command of the agent, the command of the backend, environment)
NODE = [BUILT / "bin/node"]
PYTHON = [BUILT / "python/bin/python"]
CLIENTS = {
    "typescript-protobuf": (
        "typescript",
        [*NODE, BUILT / "typescript/agent.ts"],
        [*NODE, BUILT / "typescript/call.ts"],
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
    ),
    "typescript-json": (
        "typescript",
        [*NODE, BUILT / "typescript/agent.ts"],
        [*NODE, BUILT / "typescript/call.ts"],
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
    ),
    "go": ("go", [BUILT / "go/agent"], [BUILT / "go/call"], {}),
    "python": ("python", [*PYTHON, HERE / "python/agent.py"], [*PYTHON, HERE / "python/call.py"], {}),
}
ROARK = "roark-analytics"
SETUP_OF = {**{name: row[0] for name, row in CLIENTS.items()}, ROARK: "python"}

COMPRESSION = ("none", "gzip")
ORDER = ("trace-first", "call-first")
PLACE = ("resource", "root")

# Every program sets one tag on its resource.
TAG = {"key": "roark.project.tag.environment", "value": {"stringValue": "staging"}}

# More spans than one default batch holds, so that one trace arrives in several exports.
LONG_CALL_TURNS = 200
SPANS_PER_TURN = 4
BATCH_SPANS = 512


def need(client):
    clients.need(client, SETUP_OF[client])


def make_call(server, client, external_id):
    (answer,) = run([*CLIENTS[client][2], external_id], server.client_env())
    return answer["callId"]


def send_trace(server, client, external_id, place, compression, turns=3):
    _, agent, _, extra = CLIENTS[client]
    env = {**server.client_env(), **extra}
    if compression != "none":
        env["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    spans = run([*agent, external_id, place, str(turns)], env)
    assert len(spans) == 1 + SPANS_PER_TURN * turns
    return spans


def check_linked(server, call_id, external_id, sent):
    """The call has exactly this trace, and the trace exactly the spans that the client made."""
    (trace_id,) = {span["traceId"] for span in sent}
    (linked,) = server.get(f"/v1/call/{call_id}/traces")["data"]
    assert linked["traceId"] == trace_id
    assert linked["matches"] == [{"kind": "external", "value": external_id}]

    document = server.get(f"/v1/traces/{trace_id}")
    for one in document["resourceSpans"]:
        assert TAG in one["resource"]["attributes"]
    indexed = server.cluster.sql(
        "select key, value from trace_tag where project_id = %s and trace_id = %s and key <> ''",
        (server.project.id, bytes.fromhex(trace_id)))
    assert indexed == [(b"environment", b"staging")]
    stored = spans_of(document)
    assert sorted((span["spanId"], span["name"]) for span in stored) == sorted(
        (span["spanId"], span["name"]) for span in sent
    )
    assert {span["traceId"] for span in stored} == {trace_id}
    (root,) = [span for span in stored if not span.get("parentSpanId")]
    assert root["name"] == "agent_session"
    known = {span["spanId"] for span in stored}
    assert all(span["parentSpanId"] in known for span in stored if span is not root)


@pytest.mark.parametrize(
    ("client", "compression", "order", "place"),
    list(itertools.product(CLIENTS, COMPRESSION, ORDER, PLACE)),
)
def test_trace_and_call_are_linked(server, client, compression, order, place):
    need(client)
    external_id = f"{client}-{uuid.uuid4()}"
    if order == "call-first":
        call_id = make_call(server, client, external_id)
        sent = send_trace(server, client, external_id, place, compression)
    else:
        sent = send_trace(server, client, external_id, place, compression)
        call_id = make_call(server, client, external_id)
    check_linked(server, call_id, external_id, sent)


@pytest.mark.parametrize("client", CLIENTS)
def test_one_trace_in_several_batches_with_its_root_last(server, client):
    need(client)
    external_id = f"{client}-{uuid.uuid4()}"
    sent = send_trace(server, client, external_id, "root", "gzip", LONG_CALL_TURNS)
    assert len(sent) > BATCH_SPANS
    check_linked(server, make_call(server, client, external_id), external_id, sent)


def test_clients_refuse_a_server_they_do_not_trust(server):
    """Guards the tests themselves: without our authority the connection must fail."""
    need(ROARK)
    env = {**server.client_env(), "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    command = [str(word) for word in (*CLIENTS["python"][2], f"untrusted-{uuid.uuid4()}")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr


@pytest.fixture(scope="module")
def sdk_steps(server):
    """What the official client saw, by step, in a project of its own."""
    need(ROARK)
    own = server.new_project(f"sdk-{uuid.uuid4()}")
    prefix = f"sdk-{uuid.uuid4()}"
    steps = {}
    for line in run([*PYTHON, HERE / "python/sdk_check.py", prefix], own.client_env()):
        steps.setdefault(line.pop("step"), []).append(line)
    return prefix, steps


def test_sdk_probes(sdk_steps):
    _, steps = sdk_steps
    assert steps["health"] == [{"status": "healthy"}]
    (me,) = steps["me"]
    assert me["scope"] == "PROJECT"
    assert me["project"] == steps["create"][0]["project"]
    assert steps["projects"] == [{"ids": [me["project"]]}]
    assert steps["agents"][0]["count"] <= 1


def test_sdk_creates_and_reads_calls(sdk_steps):
    prefix, steps = sdk_steps
    assert [call["externalId"] for call in steps["create"]] == [f"{prefix}-{n}" for n in range(5)]
    assert {call["direction"] for call in steps["create"]} == {"OUTBOUND"}
    assert {call["startedAt"] for call in steps["create"]} == {"2026-01-02T03:04:05.678Z"}
    (one,) = steps["get"]
    assert one == {
        "id": steps["create"][0]["id"],
        "externalId": f"{prefix}-0",
        "endedStatus": "CUSTOMER_ENDED_CALL",
        "properties": {"tier": "gold", "visits": 3, "nested": {"deep": [1, None, "ü"]}},
        "customers": ["+4915112345678"],
        "agents": 1,
    }
    assert steps["transcript"] == [{"entries": [["AGENT", "Hello", 0], ["CUSTOMER", "Grüß Gott", 1000]]}]
    (missing,) = steps["missing"]
    assert missing["status"] == 404
    assert missing["code"]


def test_sdk_pages_through_the_list(sdk_steps):
    _, steps = sdk_steps
    down, up = steps["list"]
    made = [{"id": call["id"], "externalId": call["externalId"]} for call in steps["create"]]
    assert up["calls"] == made
    assert down["calls"] == made[::-1]
    assert down["total"] == up["total"] == len(made)


def test_sdk_sees_a_conflict_once(sdk_steps):
    _, steps = sdk_steps
    (conflict,) = steps["conflict"]
    assert (conflict["status"], conflict["tries"]) == (409, 1)
    assert conflict["body"]["code"]
    assert conflict["body"]["message"]
