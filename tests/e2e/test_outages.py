"""Postgres or Redis away, peers that stall, overload, and an orderly end."""

import json
import re
import socket
import threading
import time
import uuid

import pytest

from support import otlp
from support.client import JSON, PROTOBUF, NoAnswer
from support.cluster import error_of
from support.process import wait_until
from support.raw import RawConnection


@pytest.fixture(scope="module")
def pair(servers):
    """Two correlators and one api."""
    cluster = servers.cluster(correlators=2)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def key(pair):
    return pair.project("outages")


@pytest.fixture
def caller(pair, key):
    made = pair.client(key)
    yield made
    made.close()


def export_body(value=None):
    trace = otlp.new_trace_id()
    resource = {"roark.external_id": value} if value else None
    return trace, otlp.request([otlp.span(trace)], resource).SerializeToString()


def check_unavailable(response, seconds: float):
    assert response.status == 503, (response.status, response.body)
    assert response.header("Retry-After") == "1"
    assert seconds < 8, "a client has 10 s for the request and its retry"


def linked(cluster, project, call, trace, value) -> bool:
    return (project.id, call, trace.hex(), 1, value.encode()) in cluster.links()


@pytest.mark.parametrize("how", ["stopped", "crashed", "frozen"])
def test_postgres_away_is_503_and_recovers(servers, pair, key, caller, how):
    _, body = export_body()
    assert caller.retrying("POST", "/v1/traces", body, {"Content-Type": PROTOBUF}).status == 200
    assert caller.retrying("GET", "/v1/call").status == 200
    if how == "frozen":
        servers.postgres.pause()
    else:
        servers.postgres.stop("fast" if how == "stopped" else "immediate")
    try:
        began = time.monotonic()
        response = caller.export(body)
        check_unavailable(response, time.monotonic() - began)
        assert response.header("Content-Type") == PROTOBUF
        assert otlp.decode_status(response.body, PROTOBUF)
        began = time.monotonic()
        response = caller.post_json("/v1/call", {})
        check_unavailable(response, time.monotonic() - began)
        error_of(response.body)
        began = time.monotonic()
        check_unavailable(caller.get("/v1/call"), time.monotonic() - began)
        if how != "frozen":
            wait_until(lambda: pair.correlators[0].admin("/ready")[0] == 503, 10, "not ready")
    finally:
        if how == "frozen":
            servers.postgres.resume()
        else:
            servers.postgres.start()
    value = str(uuid.uuid4())
    trace, body = export_body(value)
    headers = {"Content-Type": PROTOBUF}
    assert caller.retrying("POST", "/v1/traces", body, headers).status == 200
    call = caller.retrying("POST", "/v1/call", json.dumps({"externalId": value}).encode(),
                           {"Content-Type": JSON}).data["id"]
    assert linked(pair, key, call, trace, value)
    pair.wait_ready()


@pytest.mark.parametrize("how", ["stopped", "frozen", "flushed"])
@pytest.mark.parametrize("first", ["trace", "call"])
def test_redis_away_is_slower_and_still_linked(servers, pair, key, caller, how, first):
    value = str(uuid.uuid4())
    trace, body = export_body(value)

    def send_trace():
        assert caller.retrying("POST", "/v1/traces", body,
                               {"Content-Type": PROTOBUF}).status == 200

    def send_call():
        return caller.retrying("POST", "/v1/call", json.dumps({"externalId": value}).encode(),
                               {"Content-Type": JSON}).data["id"]

    call = send_call() if first == "call" else send_trace()
    if how == "stopped":
        servers.redis.stop()
    elif how == "frozen":
        servers.redis.process.pause()
    else:
        servers.redis.flush()
    try:
        began = time.monotonic()
        if first == "call":
            send_trace()
        else:
            call = send_call()
        assert time.monotonic() - began < 8
        assert linked(pair, key, call, trace, value)
        response = caller.post_json("/v1/call", {"externalId": value, "properties": {}})
        assert response.status == 409
    finally:
        if how == "stopped":
            servers.redis.start()
        servers.redis.process.resume()


def test_one_correlator_away_is_not_noticed(pair, caller):
    pair.correlators[0].kill()
    try:
        for _ in range(10):
            assert caller.export(export_body()[1]).status == 200
    finally:
        pair.correlators[0].start()
        pair.wait_ready()


def test_a_frozen_correlator_costs_a_second_once(pair, caller):
    pair.correlators[1].pause()
    try:
        began = time.monotonic()
        for _ in range(10):
            assert caller.export(export_body()[1]).status == 200
        assert time.monotonic() - began < 6
    finally:
        pair.correlators[1].resume()


def test_no_correlator_is_503(pair, caller):
    for daemon in pair.correlators:
        daemon.kill()
    try:
        began = time.monotonic()
        check_unavailable(caller.export(export_body()[1]), time.monotonic() - began)
        began = time.monotonic()
        check_unavailable(caller.post_json("/v1/call", {}), time.monotonic() - began)
        assert caller.get("/v1/call").status == 200, "reads need no correlator"
        wait_until(lambda: pair.apis[0].admin("/ready")[0] == 503, 10, "the api not ready")
    finally:
        for daemon in pair.correlators:
            daemon.start()
        pair.wait_ready()
    assert caller.export(export_body()[1]).status == 200


def test_daemons_start_in_any_order_and_wait_for_their_servers(servers, pair, caller):
    for daemon in pair.daemons():
        daemon.close()
    caller.close()
    servers.postgres.stop("fast")
    servers.redis.stop()
    try:
        for daemon in (*pair.apis, *pair.correlators):
            daemon.start()
        time.sleep(1)
        for daemon in pair.daemons():
            assert daemon.is_running(), daemon.log_tail()
            assert daemon.admin("/ready")[0] == 503
    finally:
        servers.postgres.start()
        servers.redis.start()
    pair.wait_ready()
    assert caller.export(export_body()[1]).status == 200


class TestPeers:
    """A peer that stops reading or writing is cut off, and nobody else notices."""

    def test_bodies_that_stop_or_trickle_are_cut_off(self, pair, key, caller):
        """A body must arrive within 10 s, however it comes."""
        seconds: dict[str, float] = {}

        def hold(name: str, step: float):
            with RawConnection(pair.apis[0].port, pair.context, timeout=25) as raw:
                raw.head("POST", "/v1/traces", key.key, Content_Type=PROTOBUF,
                         Content_Length=100_000)
                began = time.monotonic()
                try:
                    while step and time.monotonic() - began < 20:
                        raw.send(b"\0")
                        time.sleep(step)
                except OSError:
                    pass
                if raw.is_closed_by_peer():
                    seconds[name] = time.monotonic() - began

        threads = [threading.Thread(target=hold, args=case)
                   for case in (("stops", 0), ("trickles", 0.25), ("drips", 2.0))]
        for thread in threads:
            thread.start()
        assert caller.export(export_body()[1]).status == 200
        for thread in threads:
            thread.join()
        assert set(seconds) == {"stops", "trickles", "drips"}
        assert all(5 < value < 18 for value in seconds.values()), seconds

    @pytest.mark.plain
    def test_a_reader_that_stops_blocks_nobody(self, pair, key, caller):
        """A big answer to a client with a tiny window that never reads."""
        trace = otlp.new_trace_id()
        spans = [otlp.span(trace, attrs={"x": "y" * 2000}) for _ in range(4000)]
        assert caller.export(otlp.request(spans).SerializeToString()).status == 200
        stalled = []
        for _ in range(20):
            raw = RawConnection(pair.apis[0].port, pair.context)
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.head("GET", f"/v1/traces/{trace.hex()}", key.key)
            stalled.append(raw)
        try:
            began = time.monotonic()
            for _ in range(5):
                assert caller.export(export_body()[1]).status == 200
                assert caller.get("/v1/call").status == 200
            assert time.monotonic() - began < 5
        finally:
            for raw in stalled:
                raw.socket.close()

    def test_handshakes_that_stall_block_nobody(self, pair, caller):
        plain = [socket.create_connection(("127.0.0.1", pair.apis[0].port)) for _ in range(200)]
        try:
            for _ in range(5):
                assert caller.export(export_body()[1]).status == 200
                assert pair.client(caller.key).get("/v1/me").status == 200
        finally:
            for connection in plain:
                connection.close()

    def test_a_client_that_leaves_before_the_answer(self, pair, key, caller):
        for _ in range(50):
            raw = RawConnection(pair.apis[0].port, pair.context)
            _, body = export_body()
            raw.head("POST", "/v1/traces", key.key, Content_Type=PROTOBUF,
                     Content_Length=len(body))
            raw.send(body)
            raw.socket.close()
        assert caller.export(export_body()[1]).status == 200

    @pytest.mark.parametrize("text", [
        b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"],
        ids=["octets", "no target", "version", "negative", "no number", "bad chunk", "long head",
             "long target"])
    def test_requests_that_are_no_http(self, pair, caller, text):
        with RawConnection(pair.apis[0].port, pair.context, timeout=3) as raw:
            raw.send(text)
            try:
                status, _, _ = raw.answer()
                assert 400 <= status < 600
            except OSError:
                pass
            except Exception as error:  # an answer that http.client cannot read is a refusal too
                assert "HTTP" in repr(error) or "Remote" in repr(error)
        assert caller.export(export_body()[1]).status == 200

    def test_a_length_and_chunks_together_are_no_smuggling(self, pair, key):
        with RawConnection(pair.apis[0].port, pair.context) as raw:
            raw.head("POST", "/v1/traces", key.key, Content_Type=PROTOBUF, Content_Length=5,
                     Transfer_Encoding="chunked")
            raw.send(b"0\r\n\r\nGET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
            status, headers, _ = raw.answer()
            assert status in (200, 400)


class TestOverload:
    """Bytes in flight are bounded: 503 after the body was taken, and the connection lives."""

    @pytest.fixture(scope="class")
    @classmethod
    def small(cls, servers):
        cluster = servers.cluster(api_rows={"inflight_bytes_max": 4_000_000})
        yield cluster, cluster.project("small")
        cluster.close()

    def test_more_than_may_be_in_flight_is_503(self, small):
        cluster, project = small
        body = otlp.request([otlp.span(otlp.new_trace_id(), attrs={"x": "y" * 700_000})]
                            ).SerializeToString()
        cluster.correlators[0].pause()
        answers = []

        def send():
            client = cluster.client(project)
            for _ in range(2):
                try:
                    response = client.export(body)
                    answers.append((response.status, response.header("Retry-After")))
                except NoAnswer as error:
                    answers.append((0, str(error)))
            client.close()

        threads = [threading.Thread(target=send) for _ in range(16)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            cluster.correlators[0].resume()
        assert set(answers) == {(503, "1")}, set(answers)
        cluster.wait_ready()
        response = cluster.client(project).retrying("POST", "/v1/traces", body,
                                                    {"Content-Type": PROTOBUF})
        assert response.status == 200


class TestEnd:
    """SIGTERM drains: what was taken is answered, then the exit code is 0."""

    @pytest.fixture
    def fresh(self, servers):
        cluster = servers.cluster()
        yield cluster, cluster.project("end")
        cluster.close()

    @pytest.mark.parametrize("who", ["api", "correlator"])
    def test_sigterm_while_exports_run(self, fresh, who):
        cluster, project = fresh
        daemon = cluster.apis[0] if who == "api" else cluster.correlators[0]
        acknowledged, bad, stop = [], [], threading.Event()

        def send():
            client = cluster.client(project)
            while not stop.is_set():
                trace, body = export_body()
                try:
                    response = client.export(body)
                except NoAnswer:
                    continue
                if response.status == 200:
                    acknowledged.append(trace)
                elif response.status != 503:
                    bad.append((response.status, response.body))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) > 50, 20, "exports")
        began = time.monotonic()
        code = daemon.terminate()
        seconds = time.monotonic() - began
        stop.set()
        for thread in threads:
            thread.join()
        assert (code, bad) == (0, []), daemon.log_tail()
        assert seconds < 10
        daemon.start()
        cluster.wait_ready()
        client = cluster.client(project)
        assert {client.get(f"/v1/traces/{trace.hex()}").status for trace in acknowledged} == {200}

    def test_idle_connections_do_not_hold_the_end_up(self, fresh):
        cluster, project = fresh
        connections = [RawConnection(cluster.apis[0].port, cluster.context) for _ in range(20)]
        began = time.monotonic()
        assert cluster.apis[0].terminate() == 0
        assert time.monotonic() - began < 5
        for connection in connections:
            connection.socket.close()

    @pytest.mark.parametrize("number", [2, 15], ids=["SIGINT", "SIGTERM"])
    def test_both_signals_end_both_daemons(self, fresh, number):
        cluster, _ = fresh
        for daemon in cluster.daemons():
            daemon.signal(number)
            assert daemon.wait(10) == 0, daemon.log_tail()

    def test_sigterm_without_servers(self, fresh, servers):
        cluster, _ = fresh
        servers.redis.stop()
        servers.postgres.stop("fast")
        try:
            for daemon in cluster.daemons():
                assert daemon.terminate() == 0, daemon.log_tail()
        finally:
            servers.postgres.start()
            servers.redis.start()


LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(debug|info|warn|error) event=\w+")


def test_logs_are_one_line_per_event(pair):
    for daemon in pair.daemons():
        lines = daemon.log().splitlines()
        assert lines
        wrong = [line for line in lines if not LINE.match(line)]
        assert not wrong, wrong[:5]
