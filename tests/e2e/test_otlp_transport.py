"""OTLP/HTTP, the request side: methods, paths, encodings, compression, framing, sizes."""

import gzip
import json
import threading
import zlib

import pytest

from support import otlp
from support.client import JSON, PROTOBUF
from support.raw import RawConnection


def one(resource=None, count=1):
    trace = otlp.new_trace_id()
    return trace, otlp.request([otlp.span(trace) for _ in range(count)], resource)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_t1_requests_are_posts(client, method):
    path = "/v1/otel/v1/traces"  # GET /v1/traces is the explorer
    response = client.request(method, path, b"" if method != "GET" else None,
                              {"Content-Type": PROTOBUF})
    assert response.status == 405
    assert "POST" in response.header("Allow")
    assert b"only POST" in response.body, "the sentence names what the path takes"


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/otel/v1/traces"])
def test_t2_the_path_and_the_old_one(client, exporter, spans_of_trace, path):
    trace, request = one()
    exporter.accepted(client.export(exporter.encode(request), exporter.content_type, path))
    assert len(spans_of_trace(client, trace)) == 1


def test_t3_an_endpoint_without_a_path_is_told_the_path(client, exporter):
    """An SDK given a bare per-signal endpoint posts to /."""
    _, request = one()
    response = client.export(exporter.encode(request), exporter.content_type, "/")
    assert "/v1/traces" in exporter.refused(response, 404)


def test_t4_the_default_port(cluster):
    rows = cluster.command("config", check=False)
    assert "4318" in rows


def test_t5_t6_both_encodings_on_one_port(client, exporter, spans_of_trace):
    trace, request = one()
    exporter.accepted(exporter.send(request))
    assert len(spans_of_trace(client, trace)) == 1


@pytest.mark.parametrize("suffix", ["; charset=utf-8", ";charset=UTF-8", " ; a=b"])
def test_t5_parameters_of_the_type_do_not_matter_and_do_not_come_back(client, exporter, suffix):
    _, request = one()
    exporter.accepted(client.export(exporter.encode(request), exporter.content_type + suffix))


def test_t5_the_type_is_compared_without_case(client, exporter):
    _, request = one()
    response = client.export(exporter.encode(request), exporter.content_type.upper())
    exporter.accepted(response)


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream",
                                          "application/x-protobuffer", "application/jsonp"])
def test_t5_another_type_is_415(client, content_type):
    _, request = one()
    response = client.export(request.SerializeToString(), content_type)
    assert response.status == 415
    assert response.header("Content-Type") in (PROTOBUF, JSON)
    assert otlp.decode_status(response.body, response.header("Content-Type"))


def test_t5_no_type_is_415(client):
    _, request = one()
    response = client.request("POST", "/v1/traces", request.SerializeToString())
    assert response.status == 415


@pytest.mark.parametrize("name, compress", [
    ("identity", lambda data: data), ("gzip", gzip.compress), ("GZIP", gzip.compress),
    ("x-gzip", gzip.compress), ("deflate", zlib.compress)])
def test_t7_compressions(client, exporter, spans_of_trace, name, compress):
    trace, request = one(count=50)
    body = compress(exporter.encode(request))
    response = client.export(body, exporter.content_type, headers={"Content-Encoding": name})
    exporter.accepted(response)
    assert len(spans_of_trace(client, trace)) == 50


@pytest.mark.parametrize("name", ["br", "snappy", "gzip, gzip", "nonsense"])
def test_t7_another_compression_is_refused_by_name(exporter, client, name):
    _, request = one()
    response = client.export(exporter.encode(request), exporter.content_type,
                             headers={"Content-Encoding": name})
    sentence = exporter.refused(response, 415)
    assert name.split(",")[0] in sentence and "gzip" in sentence


@pytest.mark.parametrize("damage", [
    lambda body: b"no gzip at all", lambda body: body[:len(body) // 2],
    lambda body: body[:-4] + b"\0\0\0\0", lambda body: body[:-8] + b"\0\0\0\0" + body[-4:],
    lambda body: body + b"junk", lambda body: b""],
    ids=["none", "half", "length", "checksum", "junk", "empty"])
def test_a_damaged_gzip_is_400(exporter, client, damage):
    _, request = one(count=20)
    body = damage(gzip.compress(exporter.encode(request)))
    response = client.export(body, exporter.content_type, headers={"Content-Encoding": "gzip"})
    exporter.refused(response, 400)


def test_gzip_of_two_members_is_their_sum(client, spans_of_trace):
    """Two protobuf messages behind each other are one, and so are two gzip members."""
    bodies, traces = [], []
    for _ in range(2):
        trace, request = one()
        traces.append(trace)
        bodies.append(gzip.compress(request.SerializeToString()))
    response = client.export(b"".join(bodies), headers={"Content-Encoding": "gzip"})
    assert (response.status, response.body) == (200, b"")
    assert [len(spans_of_trace(client, trace)) for trace in traces] == [1, 1]


def test_chunked_bodies_as_node_sends_them(exporter, client, spans_of_trace):
    trace, request = one(count=200)
    body = exporter.encode(request)
    pieces = [body[at:at + 1000] for at in range(0, len(body), 1000)]
    response = client.request("POST", "/v1/traces", iter(pieces),
                              {"Content-Type": exporter.content_type})
    exporter.accepted(response)
    assert len(spans_of_trace(client, trace)) == 200


def test_chunked_and_compressed_as_go_sends_them(exporter, client, spans_of_trace):
    trace, request = one(count=200)
    body = gzip.compress(exporter.encode(request))
    pieces = [body[at:at + 100] for at in range(0, len(body), 100)]
    response = client.request("POST", "/v1/traces", iter(pieces),
                              {"Content-Type": exporter.content_type,
                               "Content-Encoding": "gzip"})
    exporter.accepted(response)
    assert len(spans_of_trace(client, trace)) == 200


def test_a_body_byte_by_byte(cluster, project):
    trace, request = one()
    body = request.SerializeToString()
    with RawConnection(cluster.apis[0].port, cluster.context) as raw:
        raw.head("POST", "/v1/traces", project.key, Content_Type=PROTOBUF,
                 Content_Length=len(body))
        for n in range(len(body)):
            raw.send(body[n:n + 1])
        assert raw.answer()[0] == 200


def test_expect_100_continue(cluster, project):
    _, request = one()
    body = request.SerializeToString()
    with RawConnection(cluster.apis[0].port, cluster.context) as raw:
        raw.head("POST", "/v1/traces", project.key, Content_Type=PROTOBUF,
                 Content_Length=len(body), Expect="100-continue")
        assert b" 100 " in raw.socket.recv(1000)
        raw.send(body)
        assert raw.answer()[0] == 200


def test_an_offer_of_h2c_is_ignored(cluster, project):
    _, request = one()
    body = request.SerializeToString()
    with RawConnection(cluster.apis[0].port, cluster.context) as raw:
        raw.head("POST", "/v1/traces", project.key, Content_Type=PROTOBUF,
                 Content_Length=len(body), Connection="Upgrade, HTTP2-Settings", Upgrade="h2c",
                 HTTP2_Settings="AAMAAABkAAQAAP__")
        raw.send(body)
        assert raw.answer()[0] == 200


def test_t10_answers_are_not_compressed_unasked(exporter):
    _, request = one()
    response = exporter.send(request)
    assert response.header("Content-Encoding") is None


def test_t11_connections_are_kept_alive(cluster, project):
    with RawConnection(cluster.apis[0].port, cluster.context) as raw:
        for _ in range(20):
            _, request = one()
            body = request.SerializeToString()
            raw.head("POST", "/v1/traces", project.key, Content_Type=PROTOBUF,
                     Content_Length=len(body))
            raw.send(body)
            assert raw.answer()[0] == 200


def test_t11_several_connections_at_once(client):
    answers = []

    def send():
        for _ in range(10):
            _, request = one()
            answers.append(client.export(request.SerializeToString()).status)
        client.close()

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 160


def test_t12_no_cross_origin_access_by_default(client):
    response = client.request("OPTIONS", "/v1/traces", None, {
        "Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"})
    assert response.status in (401, 404, 405)
    assert response.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/metrics", "/v1/otel/v1/logs"])
def test_other_signals_are_404_with_a_sentence(exporter, client, path):
    response = client.export(b"" if exporter.content_type == PROTOBUF else b"{}",
                             exporter.content_type, path)
    exporter.refused(response, 404)


class TestSizes:
    """T8, with a limit small enough to reach."""

    LIMIT = 200_000

    @pytest.fixture(scope="class")
    @classmethod
    def small(cls, servers):
        cluster = servers.cluster(api_rows={"body_bytes_max": cls.LIMIT})
        yield cluster, cluster.project("small")
        cluster.close()

    def body(self, size: int) -> bytes:
        trace, request = one()
        request.resource_spans[0].scope_spans[0].spans[0].name = ""
        empty = len(request.SerializeToString())
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.name = "n" * (size - empty)
        while len(request.SerializeToString()) > size:
            span.name = span.name[1:]
        while len(request.SerializeToString()) < size:
            span.name += "n"
        return request.SerializeToString()

    def test_at_the_limit_and_one_past_it(self, small):
        cluster, project = small
        client = cluster.client(project)
        assert client.export(self.body(self.LIMIT)).status == 200
        response = client.export(self.body(self.LIMIT + 1))
        assert response.status == 413
        assert str(self.LIMIT) in otlp.decode_status(response.body, PROTOBUF)

    def test_json_is_told_in_json(self, small):
        cluster, project = small
        response = cluster.client(project).export(b" " * (self.LIMIT + 1), JSON)
        assert response.status == 413
        assert response.header("Content-Type") == JSON
        assert otlp.decode_status(response.body, JSON)

    def test_chunked_beyond_the_limit(self, small):
        cluster, project = small
        pieces = [b"\0" * 50_000] * 6
        response = cluster.client(project).request("POST", "/v1/traces", iter(pieces),
                                                   {"Content-Type": PROTOBUF})
        assert response.status == 413

    @pytest.mark.parametrize("name, compress", [("gzip", gzip.compress),
                                                ("deflate", zlib.compress)])
    def test_inflated_at_the_limit_and_one_past_it(self, small, name, compress):
        cluster, project = small
        client = cluster.client(project)
        headers = {"Content-Encoding": name}
        assert client.export(compress(self.body(self.LIMIT)), headers=headers).status == 200
        response = client.export(compress(self.body(self.LIMIT + 1)), headers=headers)
        assert response.status == 413

    @pytest.mark.plain
    def test_a_bomb_costs_nothing(self, small):
        cluster, project = small
        client = cluster.client(project)
        bomb = gzip.compress(b"\0" * 100_000_000)
        assert len(bomb) < self.LIMIT
        before = peak_kib(cluster.apis[0].pid)
        for _ in range(5):
            response = client.export(bomb, headers={"Content-Encoding": "gzip"})
            assert response.status == 413
        assert peak_kib(cluster.apis[0].pid) - before < 20_000

    def test_a_declared_length_is_refused_at_the_head(self, small):
        cluster, project = small
        with RawConnection(cluster.apis[0].port, cluster.context) as raw:
            raw.head("POST", "/v1/traces", project.key, Content_Type=PROTOBUF,
                     Content_Length=10**12)
            assert raw.answer()[0] == 413


def peak_kib(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    raise AssertionError("no VmHWM")


def test_json_answer_is_json(client):
    response = client.export(b"{}", JSON)
    assert json.loads(response.body) == {}
