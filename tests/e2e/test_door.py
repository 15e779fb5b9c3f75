"""What stands before a request: certificates that change, slow and many peers, the headers that browsers obey."""

import os
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest

from support import otlp
from support.client import JSON, PROTOBUF, Client
from support.cluster import error_of
from support.process import wait_until
from support.raw import RawConnection


@pytest.fixture
def renewing(servers):
    """A calltrace with a certificate of its own, and (cluster, api, the certificate in use)."""
    authority = servers.authority
    name = f"renew{time.monotonic_ns()}"
    cert, key = authority.issue(name, name + "-key")
    cluster = servers.cluster(api_rows={"tls_cert": cert, "tls_key": key})
    yield cluster, cluster.apis[0], cert, key
    cluster.close()


def cert_in_use(api, context) -> bytes:
    with RawConnection(api.port, context) as raw:
        return raw.socket.getpeercert(True)


def der(file) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def put(source, target):
    """As certbot does: a file that appears whole."""
    shutil.copy(source, f"{target}.new")
    os.replace(f"{target}.new", target)


def test_a_new_certificate_needs_no_restart_and_costs_no_connection(servers, renewing):
    cluster, api, cert, key = renewing
    client = cluster.client(cluster.project("renew"))
    assert client.get("/v1/me").status == 200
    kept = client._connection().sock
    failures, stop = [], threading.Event()

    def ask():
        asking = cluster.client(client.key)
        while not stop.is_set():
            try:
                if asking.get("/v1/me").status != 200:
                    failures.append("status")
            except Exception as error:  # whatever it is, it must not have happened
                failures.append(repr(error))
            asking.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(5):
        new_cert, new_key = servers.authority.issue("next", "next-key", days=10 + turn)
        put(new_key, key)
        put(new_cert, cert)
        wait_until(lambda wanted=der(new_cert): cert_in_use(api, cluster.context) == wanted, 5, "the certificate")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert client.get("/v1/me").status == 200 and client._connection().sock is kept
    assert api.log().count("event=certificate_renewed") >= 5
    ends = api.metrics()["calltrace_api_certificate_ends_seconds"]
    assert 13.9 < (ends - time.time()) / 86400 < 14.1


def test_sighup_reads_it_and_ends_nothing(servers, renewing):
    cluster, api, cert, _ = renewing
    before = api.log().count("event=certificate_renewed")
    api.signal(signal.SIGHUP)
    wait_until(lambda: api.log().count("event=certificate_renewed") == before + 1, 5, "it to be read")
    assert cert_in_use(api, cluster.context) == der(cert) and api.is_running()


@pytest.mark.parametrize("damage", ["empty", "missing", "other key", "garbage"])
def test_a_certificate_that_cannot_be_used_is_told_and_the_old_one_stays(servers, renewing, damage):
    cluster, api, cert, key = renewing
    old = der(cert)
    if damage == "missing":
        cert.unlink()
    elif damage == "other key":
        put(servers.authority.issue("else", "else-key")[1], key)
    else:
        cert.write_text("" if damage == "empty" else "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n")
    wait_until(lambda: "event=certificate_kept" in api.log(), 5, "a sentence")
    time.sleep(2.5)
    assert api.log().count("event=certificate_kept") == 1  # not with every look
    assert cert_in_use(api, cluster.context) == old and cluster.client(None).get("/health").status == 200
    new_cert, new_key = servers.authority.issue("good", "good-key")
    put(new_key, key)
    put(new_cert, cert)
    wait_until(lambda: cert_in_use(api, cluster.context) == der(new_cert), 5, "the good one")


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
                                     "ECDHE-ECDSA-AES128-CCM"])
def test_weak_ciphers_are_refused(cluster, ciphers):
    context = cluster.authority.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers + ":@SECLEVEL=0")
    with pytest.raises(OSError):
        RawConnection(cluster.apis[0].port, context)


# --- peers that take too much -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(servers):
    cluster = servers.cluster(api_rows={"head_ms_max": 1000, "body_ms_max": 1000, "connections_per_address_max": 5})
    yield cluster
    cluster.close()


def connect(port: int, source="127.0.0.1"):
    plain = socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))
    plain.settimeout(5)
    return plain


def is_ended(plain: socket.socket) -> bool:
    try:
        return plain.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_one_address_does_not_take_all_connections(narrow):
    port, context = narrow.apis[0].port, narrow.context
    held = []
    try:
        for _ in range(5):
            held.append(context.wrap_socket(connect(port), server_hostname="127.0.0.1"))
        with connect(port) as sixth:
            assert is_ended(sixth)
        with context.wrap_socket(connect(port, "127.0.0.2"), server_hostname="127.0.0.1") as other:
            other.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(12) == b"HTTP/1.1 200"
    finally:
        for one in held:
            one.close()
    wait_until(lambda: narrow.apis[0].metrics()["calltrace_api_connections"] == 0, 5, "them to be forgotten")
    assert Client(port, context).get("/health").status == 200


@pytest.mark.parametrize("what", ["silent", "half a handshake", "after the handshake", "dripping head", "dripping body"])
def test_who_is_slow_is_cut_off(narrow, what):
    api = narrow.apis[0]
    cut = "slow_body" if "body" in what else "idle_or_slow_head"
    before = api.metrics()[f'calltrace_api_cut_off{{peer="{cut}"}}']
    began = time.monotonic()
    if what in ("silent", "half a handshake"):
        peer = connect(api.port)
        if what != "silent":
            peer.sendall(b"\x16\x03\x01\x02\x00\x01")
    else:
        peer = narrow.context.wrap_socket(connect(api.port), server_hostname="127.0.0.1")
    with peer:
        if "head" in what:
            peer.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        elif "body" in what:
            key = narrow.project("slow").key
            peer.sendall(f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
                         "Content-Type: application/x-protobuf\r\nContent-Length: 1000\r\n\r\n".encode())
            began = time.monotonic()
        peer.settimeout(0.05)
        while time.monotonic() < began + 5:
            try:
                if "dripping" in what:
                    peer.send(b"x")
                if peer.recv(1000) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert 0.9 < time.monotonic() - began < 3
    assert api.metrics()[f'calltrace_api_cut_off{{peer="{cut}"}}'] == before + 1


def test_who_waits_between_requests_is_not_cut_off(narrow):
    """head_ms_max is about heads that have begun: exporters send every 5 s over one connection."""
    with RawConnection(narrow.apis[0].port, narrow.context) as raw:
        for _ in range(2):
            raw.head("GET", "/health")
            assert raw.answer("GET")[0] == 200
            time.sleep(2)
        raw.head("GET", "/health")
        assert raw.answer("GET")[0] == 200


# --- headers ------------------------------------------------------------------------------------------------


def test_answers_with_data_are_neither_kept_nor_guessed_at(cluster, client):
    for path in ("/v1/me", "/v1/call", "/v1/traces", "/v1/keys", "/v1/nothing"):
        response = client.get(path)
        assert response.header("X-Content-Type-Options") == "nosniff", path
        assert response.header("Cache-Control") == "no-store", path
        assert response.header("Server") is None and response.header("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("seconds, wanted", [(0, None), (31536000, "max-age=31536000")])
def test_hsts_is_sent_when_asked_for_over_https_alone(servers, tmp_path, seconds, wanted):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    plain = port.getsockname()[1]
    port.close()
    cluster = servers.cluster(api_rows={"pages_dir": tmp_path, "hsts_s": seconds,
                                        "listen_http": f"127.0.0.1:{plain}"})
    try:
        page = cluster.client(None).get("/")
        assert page.header("Strict-Transport-Security") == wanted
        assert page.header("Cross-Origin-Opener-Policy") == "same-origin"
        assert Client(plain, None).get("/").header("Strict-Transport-Security") is None
    finally:
        cluster.close()


# --- how often and with how much one key may come -----------------------------------------------------------


@pytest.fixture(scope="module")
def limited(servers):
    cluster = servers.cluster(api_rows={"key_requests_per_s": 2, "key_bytes_per_s": 10000})
    yield cluster
    cluster.close()


def statuses(client, count: int, path="/v1/me") -> list[int]:
    return [client.get(path).status for _ in range(count)]


def test_a_key_that_asks_too_often_is_told_when_to_come_back(limited):
    project = limited.project("often")
    client = limited.client(project)
    got = statuses(client, 40)
    assert got[:20] == [200] * 20 and 429 in got and set(got) == {200, 429}
    refused = client.get("/v1/me")
    assert refused.status == 429 and error_of(refused.body)[0] == "too_many_requests"
    assert 1 <= int(refused.header("Retry-After")) <= 2
    assert limited.apis[0].metrics()['calltrace_api_refused_total{reason="requests_per_s"}'] > 0
    other = limited.client(limited.new_key("often", "another key"))
    assert statuses(other, 10) == [200] * 10
    time.sleep(int(refused.header("Retry-After")))
    assert client.get("/v1/me").status == 200


def test_an_exporter_that_sends_too_often_gets_what_it_retries(limited):
    client = limited.client(limited.project("exports"))
    statuses(client, 40)
    for content_type in (PROTOBUF, JSON):
        body = otlp.request([otlp.span(otlp.new_trace_id())])
        octets = otlp.to_json(body) if content_type == JSON else body.SerializeToString()
        response = client.export(octets, content_type)
        assert response.status == 503 and response.header("Retry-After") == "1"
        assert response.header("Content-Type") == content_type
        assert "more requests" in otlp.decode_status(response.body, content_type)


def test_a_key_that_sends_too_much_waits_until_it_is_paid_for(limited):
    client = limited.client(limited.project("much"))
    body = otlp.request([otlp.span(otlp.new_trace_id(), "s", {"text": "x" * 120000})]).SerializeToString()
    assert client.export(body).status == 200
    sent = time.monotonic()
    refused = client.export(b"")
    assert refused.status == 503 and "more bytes" in otlp.decode_status(refused.body, PROTOBUF)
    assert client.get("/v1/me").status == 429
    assert limited.apis[0].metrics()['calltrace_api_refused_total{reason="bytes_per_s"}'] >= 2
    wait_until(lambda: client.export(b"").status == 200, 8, "it to be paid for")
    assert 1.5 < time.monotonic() - sent < 5


def test_who_has_no_key_is_not_limited_by_somebody_elses(limited):
    anyone = limited.client(None)
    assert set(statuses(anyone, 60)) == {401}
    assert set(statuses(anyone, 60, "/health")) == {200}


def test_without_the_rows_nothing_is_limited(cluster, client):
    assert set(statuses(client, 200)) == {200}
