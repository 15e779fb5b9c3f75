"""The thin thread: a real SDK's export and one create, linked both ways round, crash between."""

import subprocess
import sys
import textwrap
import threading
import uuid

import pytest

from support import otlp
from support.process import wait_until

pytestmark = pytest.mark.smoke

SDK_SCRIPT = textwrap.dedent("""
    import sys
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    url, ca, key, external_id, where = sys.argv[1:]
    resource = Resource({"service.name": "agent",
                         **({"roark.external_id": external_id} if where == "resource" else {})})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(
        endpoint=url, headers={"Authorization": "Bearer " + key}, certificate_file=ca)))
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("call") as root:
        if where == "root":
            root.set_attribute("roark.external_id", external_id)
        with tracer.start_as_current_span("llm"):
            pass
    assert provider.force_flush()
    print(format(root.get_span_context().trace_id, "032x"))
    provider.shutdown()
""")


def export_with_sdk(cluster, project, external_id: str, where: str) -> str:
    """The trace id that the SDK made."""
    done = subprocess.run(
        [sys.executable, "-c", SDK_SCRIPT, f"https://localhost:{cluster.apis[0].port}/v1/traces",
         str(cluster.authority.ca), project.key, external_id, where],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "NO_PROXY": "localhost"})
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr and "Failed" not in done.stderr, done.stderr
    return done.stdout.strip()


def links_of(cluster, project):
    return {(row[1], row[2], row[3], row[4]) for row in cluster.links() if row[0] == project.id}


@pytest.mark.parametrize("where", ["resource", "root"])
@pytest.mark.parametrize("first", ["trace", "call"])
def test_a_real_export_and_one_create_are_linked(cluster, project, client, where, first):
    external_id = f"thin-{uuid.uuid4()}"
    body = {"externalId": external_id}
    if first == "call":
        call = client.post_json("/v1/call", body).data["id"]
    trace = export_with_sdk(cluster, project, external_id, where)
    if first == "trace":
        call = client.post_json("/v1/call", body).data["id"]
    assert (call, trace, 1, external_id.encode()) in links_of(cluster, project)
    (entry,) = client.get(f"/v1/call/{call}/traces").data
    assert trace in str(entry)


@pytest.mark.parametrize("first", ["trace", "call"])
@pytest.mark.parametrize("victims", ["correlators", "apis", "both"])
def test_a_kill_between_loses_nothing(cluster, project, client, first, victims):
    external_id = f"kill-{uuid.uuid4()}"
    trace = otlp.new_trace_id()
    export = otlp.request([otlp.span(trace)], {"roark.external_id": external_id})

    def send_trace():
        assert client.retrying("POST", "/v1/traces", export.SerializeToString(),
                               {"Content-Type": "application/x-protobuf"}).status == 200

    def send_call():
        response = client.retrying("POST", "/v1/call",
                                   f'{{"externalId": "{external_id}"}}'.encode(),
                                   {"Content-Type": "application/json"})
        assert response.status == 200, response.body
        return response.data["id"]

    call = send_call() if first == "call" else send_trace()
    for daemon in {"correlators": cluster.correlators, "apis": cluster.apis,
                   "both": cluster.daemons()}[victims]:
        daemon.kill()
        daemon.start()
    cluster.wait_ready()
    client.close()
    if first == "call":
        send_trace()
    else:
        call = send_call()
    assert (call, trace.hex(), 1, external_id.encode()) in links_of(cluster, project)
    assert len(otlp.spans_of(otlp.TracesData.FromString(client.get(
        f"/v1/traces/{trace.hex()}", {"Accept": "application/x-protobuf"}).body))) == 1


def test_a_correlator_killed_while_it_works_loses_nothing_acknowledged(cluster, project, client):
    """Exports go on while the correlator dies and comes back; every 200 can be read."""
    acknowledged, stop = [], threading.Event()

    def send():
        mine = cluster.client(project)
        while not stop.is_set():
            trace = otlp.new_trace_id()
            response = mine.retrying(
                "POST", "/v1/traces", otlp.request([otlp.span(trace)]).SerializeToString(),
                {"Content-Type": "application/x-protobuf"})
            assert response.status == 200
            acknowledged.append(trace)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 50, 20, "exports")
        cluster.correlators[0].kill()
        cluster.correlators[0].start()
        cluster.correlators[0].wait_ready()
    stop.set()
    for thread in threads:
        thread.join()
    statuses = {client.get(f"/v1/traces/{trace.hex()}").status for trace in acknowledged}
    assert statuses == {200}
