"""The bus between machines: TLS with a certificate on both sides, or nothing."""

import socket
import ssl
import subprocess
import uuid

import pytest

from support import otlp, paths
from support.process import free_port, wait_until
from support.tls import CLIENT, SERVER, Authority


@pytest.fixture(scope="module")
def bus(servers):
    """An authority of the bus' own, and one that nobody knows."""
    own, strange = (Authority(servers.directory / name) for name in ("bus-tls", "strange-tls"))
    for authority in (own, strange):
        authority.issue("api", "api", usage=CLIENT)
        authority.issue("correlator", "correlator", usage=SERVER)
        authority.issue("elsewhere", "elsewhere", name="elsewhere", usage=SERVER)
    return own.directory, strange.directory


def pair(servers, api_files, correlator_files, host="localhost"):
    bus, events = (f"tls+tcp://{host}:{free_port()}" for _ in range(2))
    rows = {"bus": bus, "bus_events": events}
    cluster = servers.cluster(
        api_rows={**rows, "bus_tls_cert": api_files[0], "bus_tls_ca": api_files[1]},
        correlator_rows={**rows, "bus_tls_cert": correlator_files[0], "bus_tls_ca": correlator_files[1]},
        wait=False)
    return cluster, int(bus.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def secured(servers, bus):
    own = bus[0]
    cluster, port = pair(servers, (own / "api.pem", own / "ca.pem"), (own / "correlator.pem", own / "ca.pem"))
    cluster.wait_ready()
    cluster.wait_heard()
    yield cluster, port
    cluster.close()


def test_exports_and_calls_pass(secured):
    cluster, _ = secured
    client = cluster.client(cluster.project("tls"))
    value, trace = f"tls-{uuid.uuid4()}", otlp.new_trace_id()
    assert client.post_json("/v1/call", {"externalId": value}).status == 200
    spans = [otlp.span(trace, f"s{n}", {"text": "x" * 20000}) for n in range(100)]
    assert client.export(otlp.request(spans, {"roark.external_id": value}).SerializeToString()).status == 200
    assert len(cluster.links()) == 1


def test_announcements_pass(secured):
    cluster, _ = secured
    with_metrics = cluster.apis[0]
    client = cluster.client(cluster.project("tls-live"))
    stream = cluster.client(client.key)._connection()
    stream.request("GET", "/v1/live", headers={"Authorization": f"Bearer {client.key}"})
    answer = stream.getresponse()
    assert answer.status == 200
    assert client.post_json("/v1/call", {"externalId": "live"}).status == 200
    while b"event: call" not in answer.readline():
        pass
    assert with_metrics.is_running()


@pytest.mark.parametrize("which", ["none", "strange", "server's"])
def test_the_correlator_takes_no_other_certificate(secured, bus, which):
    own, strange = bus
    context = ssl.create_default_context(cafile=str(own / "ca.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if which != "none":
        context.load_cert_chain((strange / "api.pem") if which == "strange" else own / "elsewhere.pem")
    with pytest.raises(OSError):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", secured[1]), 5),
                                 server_hostname="localhost") as connection:
            connection.settimeout(5)
            assert connection.recv(1), "closed"
            pytest.fail("it spoke")


def test_the_apis_own_certificate_is_taken(secured, bus):
    """The same by hand, so that the refusals above are about the certificates."""
    context = ssl.create_default_context(cafile=str(bus[0] / "ca.pem"))
    context.load_cert_chain(bus[0] / "api.pem")
    with context.wrap_socket(socket.create_connection(("127.0.0.1", secured[1]), 5),
                             server_hostname="localhost") as connection:
        connection.settimeout(5)
        assert connection.version() == "TLSv1.2"
        assert connection.recv(8)[:3] == b"\x00SP"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_tls_is_refused(secured, bus, version):
    context = ssl.create_default_context(cafile=str(bus[0] / "ca.pem"))
    context.load_cert_chain(bus[0] / "api.pem")
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(OSError):
        context.wrap_socket(socket.create_connection(("127.0.0.1", secured[1]), 5), server_hostname="localhost")


@pytest.mark.parametrize("api, correlator", [
    (("strange", "api", "own"), ("own", "correlator", "own")),
    (("own", "correlator", "own"), ("own", "correlator", "own")),
    (("own", "api", "own"), ("strange", "correlator", "own")),
    (("own", "api", "strange"), ("own", "correlator", "own")),
    (("own", "api", "own"), ("own", "elsewhere", "own")),
    (("own", "api", "own"), ("own", "api", "own")),
], ids=["strange api", "a correlator's at the api", "strange correlator", "strange authority", "another's name",
        "an api's at the correlator"])
def test_a_pair_that_does_not_fit_does_not_meet(servers, bus, api, correlator):
    folders = dict(zip(("own", "strange"), bus))
    files = [(folders[cert] / f"{name}.pem", folders[ca] / "ca.pem") for cert, name, ca in (api, correlator)]
    cluster, _ = pair(servers, *files)
    try:
        daemon = cluster.apis[0]
        cluster.correlators[0].wait_ready()
        wait_until(lambda: b"correlator" in daemon.admin("/ready")[1], 10, "the api to miss it")
        for _ in range(20):
            assert daemon.metrics()["calltrace_api_bus_peers"] == 0
        client = cluster.client(cluster.project("p"))
        assert client.post_json("/v1/call", {}).status == 503
    finally:
        cluster.close()


@pytest.mark.parametrize("binary", ["api", "correlator"])
@pytest.mark.parametrize("rows, said", [
    ({"bus": "tcp://0.0.0.0:7000"}, "tls+tcp://"), ({"bus": "tcp://correlator.example:7000"}, "tls+tcp://"),
    ({"bus_events": "tcp://10.1.2.3:7000"}, "tls+tcp://"),
    ({"bus": "tls+tcp://localhost:7000"}, "bus_tls_cert"),
    ({"bus": "tls+tcp://localhost:7000", "bus_tls_cert": "/none.pem", "bus_tls_ca": "/none.pem"}, "/none.pem"),
    ({"bus": "tls+tcp://localhost:7000", "bus_tls_cert": "CERT", "bus_tls_ca": "/dev/null"}, "bus_tls_ca"),
    ({"bus": "tls+tcp://localhost:7000", "bus_tls_cert": "CA", "bus_tls_ca": "CA"}, "bus_tls_cert")])
def test_other_ways_are_refused_with_a_sentence(servers, cluster, bus, binary, rows, said, tmp_path):
    daemon = (cluster.apis if binary == "api" else cluster.correlators)[0]
    files = {"CERT": bus[0] / "api.pem", "CA": bus[0] / "ca.pem"}
    rows = {**daemon.rows, "admin_listen": "", "bus": f"ipc://{tmp_path}/b", "bus_events": f"ipc://{tmp_path}/e",
            **{name: files.get(value, value) for name, value in rows.items()}}
    program = paths.api_binary() if binary == "api" else paths.correlator_binary()
    done = subprocess.run([str(program), "serve", *(f"--{name}={value}" for name, value in rows.items())],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert said in done.stderr, done.stderr
