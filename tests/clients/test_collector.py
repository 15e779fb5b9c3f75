"""The real OpenTelemetry Collector between real SDKs and calltrace, with the very configuration of the README.

It takes spans over plain HTTP on the loopback, gathers those of several agents into one batch and
sends them compressed over HTTPS with verification on. An agent has its answer from the Collector
before calltrace has the spans, so what counts is that the Collector keeps them until calltrace took them.
"""

import concurrent.futures
import http.server
import threading
import urllib.request
import uuid

import pytest
from clients.test_clients import CLIENTS as SDKS
from clients.test_clients import check_linked, make_call, need, send_trace

from support import clients, otlp
from support.client import PROTOBUF
from support.clients import BUILT
from support.process import Process, free_port, wait_until

CONFIG = clients.CLIENTS / "collector" / "calltrace.yaml"
REFUSED = 'calltrace_api_requests_total{route="ingest",status="5xx"}'
TAKEN = 'calltrace_api_requests_total{route="ingest",status="2xx"}'


class Collector(Process):
    """One Collector in front of a server; `changes` are settings that differ from the README's."""

    def __init__(self, server, directory, *changes, **env):
        self.server = server
        self.port = free_port()
        changes = (f"receivers.otlp.protocols.http.endpoint=127.0.0.1:{self.port}", *changes)
        words = [word for change in changes for word in ("--set", change)]
        super().__init__("collector", [BUILT / "collector/collector", "--config", CONFIG, *words],
                         directory / "collector.log", {**server.client_env(), **env})

    def __enter__(self):
        self.start()
        wait_until(lambda: "Everything is ready" in self.log() or not self.is_running(), 20, "the Collector")
        assert self.is_running(), self.log_tail()
        return self

    def __exit__(self, *_):
        self.close()

    def finish(self):
        """An orderly end sends what is still waiting."""
        assert self.terminate() == 0, self.log_tail()

    def client_env(self):
        """What an agent gets that knows the Collector alone."""
        env = {k: v for k, v in self.server.client_env().items() if not k.startswith("OTEL_")}
        return {**env, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}


@pytest.fixture
def collector(server, tmp_path):
    def make(*changes, **env):
        clients.need("collector", "collector")
        return Collector(server, tmp_path, *changes, **env)

    return make


def requests_of(server, sample):
    return server.cluster.apis[0].metrics().get(sample, 0)


def new_id(client):
    return f"collected-{client}-{uuid.uuid4()}"


def send_all(through, cases, turns=3):
    """All agents at once: (client, place) -> external id and the spans that this agent made."""
    def one(case):
        client, place = case
        need(client)
        external_id = new_id(client)
        return external_id, send_trace(through, client, external_id, place, "gzip", turns)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(cases, pool.map(one, cases), strict=True))


@pytest.mark.parametrize("order", ["trace-first", "call-first"])
@pytest.mark.parametrize("client", SDKS)
def test_an_agent_behind_a_collector(server, collector, client, order):
    need(client)
    external_id = new_id(client)
    call_id = make_call(server, client, external_id) if order == "call-first" else None
    with collector() as through:
        sent = send_trace(through, client, external_id, "resource", "none")
        through.finish()
    check_linked(server, call_id or make_call(server, client, external_id), external_id, sent)


def test_spans_of_many_agents_in_one_export_keep_their_own_calls(server, collector):
    cases = [(client, place) for client in SDKS for place in ("resource", "root")]
    with collector("processors.batch.timeout=60s") as through:
        before = requests_of(server, TAKEN)
        sent = send_all(through, cases)
        through.finish()
    assert requests_of(server, TAKEN) - before == 1, "everything in one export"
    for (client, _), (external_id, spans) in sent.items():
        check_linked(server, make_call(server, client, external_id), external_id, spans)


def test_one_trace_in_many_exports(server, collector):
    with collector("processors.batch.send_batch_size=50", "processors.batch.send_batch_max_size=50") as through:
        before = requests_of(server, TAKEN)
        sent = send_all(through, [("python", "root")], turns=200)
        through.finish()
    ((external_id, spans),) = sent.values()
    assert requests_of(server, TAKEN) - before >= len(spans) // 50
    check_linked(server, make_call(server, "python", external_id), external_id, spans)


def away(servers, server, what):
    """Stops it, and gives what brings it back."""
    if what == "postgres":
        servers.postgres.stop("fast")
        return servers.postgres.start
    for daemon in server.cluster.correlators:
        daemon.kill()

    def back():
        for daemon in server.cluster.correlators:
            daemon.start()

    return back


@pytest.mark.parametrize("what", ["correlator", "postgres"])
def test_a_collector_keeps_what_calltrace_cannot_take(servers, server, collector, what):
    """503: the Collector tries again by itself, and every span that it took arrives, each once."""
    cases = [("python", "resource"), ("go", "root")]
    with collector() as through:
        before = requests_of(server, REFUSED)
        back = away(servers, server, what)
        try:
            sent = send_all(through, cases)
            wait_until(lambda: requests_of(server, REFUSED) - before >= 2, 30, "calltrace to refuse twice")
        finally:
            back()
            server.cluster.wait_ready()
        stored = {}
        for (client, _), (external_id, spans) in sent.items():
            path = f"/v1/traces/{spans[0]['traceId']}"
            wait_until(lambda path=path: server.client.get(path).status == 200, 30, "the Collector's next try")
            stored[external_id] = make_call(server, client, external_id)
        through.finish()
        assert "Will retry the request" in through.log()
        assert "dropped" not in through.log().lower(), through.log_tail()
    for external_id, spans in sent.values():
        check_linked(server, stored[external_id], external_id, spans)


def test_a_collector_says_what_was_refused(server, collector):
    """A partial success is final: the good span is stored, the Collector logs the sentence for the other."""
    trace = otlp.new_trace_id()
    bad = otlp.Span(trace_id=trace, name="without an id")
    body = otlp.request([otlp.span(trace, "good"), bad]).SerializeToString()
    with collector() as through:
        request = urllib.request.Request(f"http://127.0.0.1:{through.port}/v1/traces", body,
                                         {"Content-Type": PROTOBUF})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert direct.open(request, timeout=10).status == 200
        wait_until(lambda: "span_id must be 8 bytes" in through.log(), 10, "the sentence")
        through.finish()
    stored = clients.spans_of(server.get(f"/v1/traces/{trace.hex()}"))
    assert [span["name"] for span in stored] == ["good"]


def test_a_collector_refuses_a_server_it_does_not_trust(server, collector):
    """Guards the tests themselves: without our authority nothing is sent."""
    with collector(CALLTRACE_CA="/etc/ssl/certs/ca-certificates.crt") as through:
        sent = send_all(through, [("python", "resource")])
        wait_until(lambda: "certificate signed by unknown authority" in through.log(), 10, "the refusal")
        through.kill()
    ((_, spans),) = sent.values()
    assert server.client.get(f"/v1/traces/{spans[0]['traceId']}").status == 404


def test_what_a_collector_sends(collector):
    """Compressed protobuf with the key, whatever the agents sent."""
    seen = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers))
            self.send_response(200)
            self.send_header("Content-Type", PROTOBUF)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    sink = http.server.HTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    try:
        with collector(CALLTRACE_URL=f"http://127.0.0.1:{sink.server_port}") as through:
            send_all(through, [("typescript-json", "resource")])
            through.finish()
    finally:
        sink.shutdown()
        sink.server_close()
    ((path, headers),) = seen
    assert path == "/v1/traces"
    assert headers["Content-Type"] == PROTOBUF
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Authorization"].startswith("Bearer ct_live_")
