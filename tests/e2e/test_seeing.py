"""What an operator sees: metrics and what is written of them, the dashboard, the alerts, request ids in the log, /ready in
words, and calltrace's own spans."""

import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from support import otlp, paths
from support.process import free_port, wait_until

DEF = re.compile(r'^METRIC\(\w+, (\w+), "(\w+)", "((?:[^"\\]|\\.)*)", "(.*)"\)$', re.M)
HISTOGRAM_PARTS = re.compile(r"_(bucket|sum|count)$")


def rows(daemon):
    return DEF.findall((paths.ROOT / daemon / "metric.def").read_text())


def names_in(text):
    return {HISTOGRAM_PARTS.sub("", name) for name in re.findall(r"\bcalltrace_\w+", text)}


def shown(cluster):
    """Names as the daemons' /metrics have them."""
    return {HISTOGRAM_PARTS.sub("", name.partition("{")[0]) for daemon in cluster.daemons() for name in daemon.metrics()}


# --- documents ----------------------------------------------------------------------------------------


def test_every_metric_is_shown_and_explained(cluster):
    page = (paths.ROOT / "OPERATIONS.md").read_text()
    explained = set(re.findall(r"^\| `(calltrace_\w+)` \| (?:counter|gauge|histogram)", page, re.M))
    declared = {name for daemon in ("api", "correlator") for _, name, _, _ in rows(daemon)}
    assert declared == shown(cluster)
    assert declared == explained
    for daemon in ("api", "correlator"):
        told = set()
        for _, name, _, text in rows(daemon):
            assert name in told or text, f"{name} has no help"
            told.add(name)


def test_the_dashboard_asks_for_metrics_that_exist(cluster):
    board = json.loads((paths.ROOT / "api/grafana.json").read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    asked = {name for panel in panels for target in panel["targets"] for name in names_in(target["expr"])}
    assert len(panels) >= 15 and len(asked) >= 25
    assert asked <= shown(cluster)
    for panel in panels:
        assert panel["title"] and panel["description"]
        for target in panel["targets"]:
            assert target["expr"].count("(") == target["expr"].count(")")
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def labels_of(daemon):
    """name -> label -> values that it may have"""
    found = {}
    for _, name, labels, _ in rows(daemon):
        for label, value in re.findall(r'(\w+)=\\"([^"\\]*)\\"', labels):
            found.setdefault(name, {}).setdefault(label, set()).add(value)
    return found


def test_the_alerts_ask_for_metrics_and_labels_that_exist_and_are_explained(cluster):
    groups = yaml.safe_load((paths.ROOT / "api/alerts.yaml").read_text())["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    known = {**labels_of("api"), **labels_of("correlator")}
    for alert, rule in alerts.items():
        assert names_in(rule["expr"]) <= shown(cluster), alert
        assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"]["summary"]
        for name, selector in re.findall(r"(calltrace_\w+)\{([^}]*)\}", rule["expr"]):
            for label, _, values in re.findall(r'(\w+)(=~?)"([^"]*)"', selector):
                assert set(values.split("|")) <= known[name][label], (alert, label)
    page = (paths.ROOT / "OPERATIONS.md").read_text()
    assert set(re.findall(r"^\| `(Calltrace\w+)`", page, re.M)) == set(alerts)


def test_every_row_that_the_operations_page_names_exists(cluster):
    page = (paths.ROOT / "OPERATIONS.md").read_text()
    known = set()
    for conf in ("api/conf.def", "correlator/conf.def"):
        known |= set(re.findall(r"^(?:TEXT|SECRET|NUMBER|FLAG)\((\w+)", (paths.ROOT / conf).read_text(), re.M))
    named = set(re.findall(r"\brow `(\w+)`", page))
    assert len(named) >= 5
    assert named <= known


# --- numbers ------------------------------------------------------------------------------------------


def export(client, trace=None, resource=None, headers=None):
    request = otlp.request([otlp.span(trace or otlp.new_trace_id())], resource)
    return client.export(request.SerializeToString(), headers=headers)


def test_links_and_commits_are_measured(cluster, client):
    before = cluster.correlators[0].metrics()
    external = f"seen-{uuid.uuid4()}"
    assert export(client, resource={"roark.external_id": external}).status == 200
    assert client.post_json("/v1/call", {"externalId": external}).status == 200
    after = cluster.correlators[0].metrics()
    for name in ("calltrace_time_to_link_seconds_count", "calltrace_commit_bytes_count", "calltrace_commit_messages_count",
                 "calltrace_redis_turn_seconds_count", "calltrace_links_total"):
        assert after[name] > before.get(name, 0), name
    took = after["calltrace_time_to_link_seconds_sum"] - before.get("calltrace_time_to_link_seconds_sum", 0)
    assert 0 < took < 5
    assert after["calltrace_commit_bytes_sum"] - before["calltrace_commit_bytes_sum"] > 50
    assert after["calltrace_postgres_up"] == 1 and after["calltrace_redis_up"] == 1


def test_what_has_no_other_side_is_counted(servers):
    cluster = servers.cluster(correlator_rows={"reconcile_interval_s": 1})
    try:
        client = cluster.client(cluster.project("alone"))
        external = f"pair-{uuid.uuid4()}"
        assert export(client).status == 200
        assert export(client, resource={"roark.external_id": external}).status == 200
        assert client.post_json("/v1/call", {"externalId": external}).status == 200
        assert client.post_json("/v1/call", {"externalId": external + "-alone"}).status == 200
        unmatched = lambda: tuple(cluster.correlators[0].metrics()[f'calltrace_unmatched{{side="{side}"}}']
                                  for side in ("traces", "calls"))
        time.sleep(2)
        assert unmatched() == (0, 0), "a minute is given"
        cluster.sql("UPDATE trace SET last_seen_at = last_seen_at - interval '5 minutes'")
        cluster.sql("UPDATE conversation_key SET created_at = created_at - interval '5 minutes'")
        wait_until(lambda: unmatched() == (1, 1), 10, "the unmatched to be counted")
        cluster.sql("UPDATE trace SET last_seen_at = last_seen_at - interval '2 hours'")
        wait_until(lambda: unmatched() == (0, 1), 10, "old ones to be forgotten")
    finally:
        cluster.close()


# --- the log ------------------------------------------------------------------------------------------


def lines_of(api, event):
    return [dict(pair.split("=", 1) for pair in line.split() if "=" in pair)
            for line in api.log().splitlines() if f"event={event} " in line]


def test_request_ids_are_answered_and_logged(servers):
    cluster = servers.cluster(api_rows={"log_requests": "all"})
    try:
        api, client = cluster.apis[0], cluster.client(cluster.project("logged"))
        given = f"order-7:{uuid.uuid4()}"
        answer = client.get("/v1/call/none-of-ours", {"X-Request-Id": given})
        assert (answer.status, answer.header("x-request-id")) == (404, given)
        wait_until(lambda: any(line.get("request") == given for line in lines_of(api, "request")), 5, "the line")
        line, = [line for line in lines_of(api, "request") if line["request"] == given]
        assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/call/{callId}", "404")
        assert int(line["ms"]) >= 0
        assert "none-of-ours" not in api.log(), "paths hold what strangers send"
        forged = client.get("/v1/me", {"X-Request-Id": "x level=error event=forged"})
        assert re.fullmatch("[0-9a-f]{16}", forged.header("x-request-id"))
        assert "forged" not in api.log()
        assert client.get("/v1/nothing").status == 404
        wait_until(lambda: any(line.get("route") == "none" for line in lines_of(api, "request")), 5, "a line without a route")
    finally:
        cluster.close()


def test_only_failed_requests_are_logged_by_default(servers):
    cluster = servers.cluster()
    try:
        api, client = cluster.apis[0], cluster.client(cluster.project("quiet"))
        assert client.get("/v1/me").status == 200 and client.get("/v1/nothing").status == 404
        cluster.correlators[0].close()
        wait_until(lambda: api.metrics()["calltrace_api_bus_peers"] == 0, 10, "the correlator to be gone")
        assert export(client, headers={"X-Request-Id": "the-failed-one"}).status == 503
        wait_until(lambda: lines_of(api, "request"), 5, "the line")
        assert {(line["request"], line["status"]) for line in lines_of(api, "request")} == {("the-failed-one", "503")}
    finally:
        cluster.close()


def test_a_wrong_word_for_log_requests_is_refused(cluster):
    done = cluster.run("serve", "--log_requests=some", "--listen=127.0.0.1:0", "--tls_cert=x", "--tls_key=x")
    assert done.returncode == 2 and "log_requests" in done.stderr


# --- /ready -------------------------------------------------------------------------------------------


def ready(daemon):
    status, body = daemon.admin("/ready")
    return status, json.loads(body)


def test_ready_says_in_words_what_is_missing(servers):
    cluster = servers.cluster()
    try:
        api, correlator = cluster.apis[0], cluster.correlators[0]
        assert ready(api) == (200, {"ready": True}) and ready(correlator) == (200, {"ready": True})
        correlator.close()
        wait_until(lambda: ready(api)[0] == 503, 10, "the api not ready")
        status, told = ready(api)
        assert told["ready"] is False and told["missing"] == ["correlator"]
        assert "no correlator is connected" in told["words"]["correlator"] and "503" in told["words"]["correlator"]
    finally:
        cluster.close()


def test_ready_says_in_words_that_postgres_is_away(servers):
    cluster = servers.cluster()
    try:
        for daemon in cluster.daemons():
            daemon.rows["postgres"] = cluster.conninfo.replace(cluster.database, "there_is_no_such_database")
            daemon.close()
            daemon.start()
        for daemon, what in ((cluster.apis[0], "503"), (cluster.correlators[0], "come back")):
            wait_until(lambda d=daemon: ready(d)[0] == 503 if d.admin("/ready")[0] else False, 10, "not ready")
            wait_until(lambda d=daemon: "there_is_no_such_database" in ready(d)[1]["words"]["postgres"], 10, "the words")
            assert "postgres" in ready(daemon)[1]["missing"] and what in ready(daemon)[1]["words"]["postgres"]
            assert daemon.metrics()[f"calltrace_{'api_' if daemon.name.startswith('api') else ''}postgres_up"] == 0
    finally:
        cluster.close()


def test_a_daemon_without_redis_is_ready_and_says_so(servers):
    cluster = servers.cluster(correlator_rows={"redis": f"127.0.0.1:{free_port()}"})
    try:
        client = cluster.client(cluster.project("no-redis"))
        external = f"no-redis-{uuid.uuid4()}"
        assert export(client, resource={"roark.external_id": external}).status == 200
        status, told = ready(cluster.correlators[0])
        assert status == 200 and told["ready"] is True
        assert "look alone" in told["words"]["redis"]
        call = client.post_json("/v1/call", {"externalId": external}).data["id"]
        assert len(client.get(f"/v1/call/{call}/traces").data) == 1
    finally:
        cluster.close()


# --- own spans ----------------------------------------------------------------------------------------


class Collector:
    """Takes OTLP/JSON, or holds every request until it is let go."""

    def __init__(self):
        self.spans, self.headers, self.status = [], [], 200
        self.gate = threading.Event()
        self.gate.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.gate.wait(30)
                for resource in body["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        collector.spans += scope["spans"]
                self.send_response(collector.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def traced(servers):
    collector = Collector()
    cluster = servers.cluster(api_rows={"own_traces_url": collector.url, "own_traces_bearer": "a-bearer"})
    try:
        yield cluster, collector, cluster.client(cluster.project("traced"))
    finally:
        cluster.close()
        collector.close()


def attributes_of(span):
    return {one["key"]: list(one["value"].values())[0] for one in span["attributes"]}


def test_a_request_is_a_span_of_its_callers_trace(traced):
    cluster, collector, client = traced
    trace, parent = otlp.new_trace_id().hex(), otlp.new_span_id().hex()
    began = time.time_ns()
    answer = client.get("/v1/call/x", {"traceparent": f"00-{trace}-{parent}-01", "X-Request-Id": "traced-1"})
    assert answer.status == 404
    wait_until(lambda: any(span["traceId"] == trace for span in collector.spans), 10, "the span")
    span, = [span for span in collector.spans if span["traceId"] == trace]
    assert span["parentSpanId"] == parent and span["spanId"] not in (parent, "0" * 16)
    assert span["name"] == "GET /v1/call/{callId}" and span["kind"] == 2
    assert began - 10**9 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) < time.time_ns()
    assert attributes_of(span) == {"http.request.method": "GET", "http.route": "/v1/call/{callId}",
                                   "calltrace.request_id": "traced-1", "http.response.status_code": "404"}
    assert all(headers["authorization"] == "Bearer a-bearer" for headers in collector.headers)
    wait_until(lambda: cluster.apis[0].metrics()['calltrace_api_own_spans_total{outcome="sent"}'] >= 1, 10, "its count")


def test_an_unsampled_or_malformed_parent_is_none(traced):
    _, collector, client = traced
    trace = otlp.new_trace_id().hex()
    client.get("/v1/me", {"traceparent": f"00-{trace}-{'1' * 16}-00", "X-Request-Id": "unsampled"})
    client.get("/v1/me", {"traceparent": f"00-{trace.upper()}x-{'1' * 16}-01", "X-Request-Id": "malformed"})
    seen = lambda: {attributes_of(span)["calltrace.request_id"]: span for span in collector.spans}
    wait_until(lambda: "malformed" in seen(), 10, "the span")
    assert "unsampled" not in seen()
    assert "parentSpanId" not in seen()["malformed"] and seen()["malformed"]["traceId"] != trace


@pytest.mark.parametrize("trouble", ["hangs", "refuses"])
def test_a_collector_in_trouble_holds_up_nobody(traced, trouble):
    cluster, collector, client = traced
    collector.status = 500
    if trouble == "hangs":
        collector.gate.clear()
    client.get("/v1/me")
    wait_until(lambda: collector.headers, 10, "the collector to be asked")
    slowest = 0.0
    for _ in range(3000):
        began = time.monotonic()
        assert client.get("/v1/me").status == 200
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2
    dropped = lambda: cluster.apis[0].metrics()['calltrace_api_own_spans_total{outcome="dropped"}']
    wait_until(lambda: dropped() > 0, 15, "spans to be dropped")
    assert cluster.apis[0].is_running()


def test_calltrace_may_be_its_own_collector_without_a_loop(servers):
    port = free_port()
    cluster = servers.cluster(api_rows={"listen_http": f"127.0.0.1:{port}"})
    try:
        project = cluster.project("own")
        cluster.apis[0].rows |= {"own_traces_url": f"http://127.0.0.1:{port}/v1/traces", "own_traces_bearer": project.key}
        cluster.apis[0].restart()
        client = cluster.client(project)
        trace = otlp.new_trace_id().hex()
        client.get("/v1/me", {"traceparent": f"00-{trace}-{'1' * 16}-01"})
        wait_until(lambda: client.get(f"/v1/traces/{trace}", {"X-Calltrace-Own": "1"}).status == 200, 10, "the own trace")
        sent = lambda: cluster.apis[0].metrics()['calltrace_api_own_spans_total{outcome="sent"}']
        time.sleep(2.5)
        before = sent()
        time.sleep(3)
        assert sent() == before, "sending spans makes spans"
    finally:
        cluster.close()


def test_no_spans_are_made_unless_asked_for(cluster, client):
    client.get("/v1/me", {"traceparent": f"00-{'1' * 32}-{'1' * 16}-01"})
    assert cluster.apis[0].metrics()["calltrace_api_own_spans_total"] == 0
