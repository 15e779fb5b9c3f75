"""Who may do what: every route wants a key, scopes hold, revocation is quick, HTTPS only."""

import re
import socket
import ssl
import time
import uuid

import pytest

from support import otlp, paths
from support.client import JSON, PROTOBUF, Client
from support.cluster import error_of
from support.process import free_port, wait_until
from support.raw import RawConnection

ROUTES = re.findall(r'^ROUTE\((\w+),\s*"([^"]+)",\s*(\w+),\s*(\w+)',
                    (paths.ROOT / "api/http/routes.def").read_text(), re.M) \
    if (paths.ROOT / "api/http/routes.def").exists() else []
OPEN = {"NONE"}  # the scope of routes that answer without a key


def is_otlp(path: str) -> bool:
    return path == "/" or path.endswith(("/v1/traces", "/v1/logs", "/v1/metrics"))


def concrete(path: str) -> str:
    return re.sub(r"\{trace\w*\}", "0" * 31 + "1", re.sub(
        r"\{(?!trace)\w+\}", str(uuid.uuid4()), path))


def test_there_is_a_route_table():
    assert len(ROUTES) >= 15


@pytest.mark.parametrize("method, path, _function, scope", ROUTES)
@pytest.mark.parametrize("key", [None, "", "ct_live_" + "A" * 43, "rk_live_x", "\xff"],
                         ids=["none", "empty", "unknown", "foreign", "octets"])
def test_every_route_answers_401_without_a_valid_key(cluster, method, path, _function, scope, key):
    client = cluster.client(None)
    headers = {"Content-Type": JSON}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    response = client.request(method, concrete(path), body, headers)
    if scope in OPEN:
        assert response.status not in (401, 403)
        return
    assert response.status == 401, (response.status, response.body)
    if method == "POST" and is_otlp(path):
        assert response.header("Content-Type") == JSON
        assert otlp.decode_status(response.body, JSON)
    else:
        error_of(response.body)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/call/x/y/z", "/metrics",
                                  "/ready", "/../etc/passwd", "/v1/metric", "/v1/webhook"])
def test_unknown_paths_are_401_without_a_key(cluster, path):
    response = cluster.client(None).get(path)
    assert response.status in (401, 404), response.status
    if path.startswith("/v1"):
        assert response.status == 401


@pytest.mark.parametrize("path", ["/v1/metric", "/v1/webhook", "/v1/nothing"])
def test_other_routes_of_the_sdk_are_404_not_supported(client, path):
    response = client.get(path)
    assert response.status == 404
    assert error_of(response.body)[0] in ("not_supported", "not_found")


SCOPE_NAMES = {"INGEST": "ingest", "READ": "read", "WRITE": "write", "MANAGE": "manage"}


@pytest.fixture(scope="module")
def keys_without(cluster, project):
    """Scope -> a key that has every other scope."""
    names = list(SCOPE_NAMES.values())
    return {scope: cluster.new_key("demo", f"no {name}", ",".join(n for n in names if n != name))
            for scope, name in SCOPE_NAMES.items()}


@pytest.mark.parametrize("method, path, _function, scope",
                         [route for route in ROUTES if route[3] in SCOPE_NAMES])
def test_a_key_without_the_scope_is_403(cluster, keys_without, method, path, _function, scope):
    client = cluster.client(keys_without[scope])
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    response = client.request(method, concrete(path), body, {"Content-Type": JSON})
    assert response.status == 403, (response.status, response.body)
    assert SCOPE_NAMES[scope] in response.body.decode()


@pytest.mark.parametrize("header", ["x-roark-api-key", "x-api-key", "X-Roark-Api-Key"])
def test_the_key_may_stand_in_other_headers(cluster, project, header):
    assert cluster.client(None).get("/v1/me", {header: project.key}).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_compared_without_case(cluster, project, scheme):
    response = cluster.client(None).get("/v1/me", {"Authorization": f"{scheme} {project.key}"})
    assert response.status == 200


@pytest.mark.parametrize("value", ["Basic {key}", "{key}", "Bearer", "Bearer  ", "Bearer {key} x",
                                   "Token {key}"])
def test_other_forms_of_authorization_are_401(cluster, project, value):
    response = cluster.client(None).get(
        "/v1/me", {"Authorization": value.format(key=project.key)})
    assert response.status == 401


def test_both_key_headers_of_the_observers_together(cluster, project):
    response = cluster.client(project).get("/v1/me", {"x-roark-api-key": project.key})
    assert response.status == 200


def test_a_protobuf_export_without_a_key_is_told_in_protobuf(cluster):
    response = cluster.client(None).export(b"")
    assert response.status == 401
    assert response.header("Content-Type") == PROTOBUF
    assert otlp.decode_status(response.body, PROTOBUF)


def test_401_is_answered_at_the_head(cluster):
    """A body is neither wanted nor read without a key."""
    with RawConnection(cluster.apis[0].port, cluster.context) as raw:
        raw.head("POST", "/v1/traces", None, Content_Type=PROTOBUF, Content_Length=50_000_000)
        assert raw.answer()[0] == 401


def test_revocation_is_effective_within_5_seconds(cluster):
    cluster.project("revoked")
    key = cluster.new_key("revoked", "short-lived")
    client = cluster.client(key)
    assert client.get("/v1/me").status == 200
    listing = cluster.command("key", "list", "--project", "revoked")
    line = next(line for line in listing.splitlines() if "short-lived" in line)
    key_id = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", line).group()
    cluster.command("key", "revoke", key_id)
    revoked = time.monotonic()
    wait_until(lambda: client.get("/v1/me").status == 401, 6, "the key to be refused")
    assert time.monotonic() - revoked < 5.5
    assert client.export(b"").status == 401


def test_a_new_key_works_at_once_even_if_it_was_refused_before(cluster, project):
    key = cluster.new_key("demo", "fresh")
    assert cluster.client(key).get("/v1/me").status == 200


def test_keys_are_not_stored(cluster, project):
    """Neither the tables nor the logs hold a key's text."""
    secret = project.key[len("ct_live_"):]
    rows = cluster.sql("SELECT table_name FROM information_schema.tables "
                       "WHERE table_schema = 'public' AND table_name LIKE '%%key%%'")
    for (table,) in rows:
        assert secret not in str(cluster.sql(f"SELECT t::text FROM {table} t"))
    assert secret not in "".join(daemon.log() for daemon in cluster.daemons())


def test_the_key_has_the_documented_form(project):
    assert re.fullmatch(r"ct_live_[A-Za-z0-9_-]{43}", project.key)


def test_one_project_sees_nothing_of_another(cluster, project, client):
    other = cluster.project(f"other-{uuid.uuid4().hex[:8]}")
    stranger = cluster.client(other)
    trace = otlp.new_trace_id()
    value = f"mine-{uuid.uuid4()}"
    client.export(otlp.request([otlp.span(trace)], {"roark.external_id": value}).SerializeToString())
    call = client.post_json("/v1/call", {"externalId": value}).data["id"]
    assert client.get(f"/v1/call/{call}").status == 200
    for path in (f"/v1/call/{call}", f"/v1/call/{call}/traces", f"/v1/traces/{trace.hex()}",
                 f"/v1/traces/{trace.hex()}/tree"):
        assert stranger.get(path).status == 404, path
    assert stranger.get("/v1/call").data == []
    assert stranger.get("/v1/traces").data == []
    assert stranger.get("/v1/links").data == []


def test_plain_http_is_not_answered_by_default(cluster, project):
    with socket.create_connection(("127.0.0.1", cluster.apis[0].port), timeout=5) as plain:
        plain.settimeout(5)
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            answer = plain.recv(1000)
        except OSError:
            answer = b""
    assert not answer.startswith(b"HTTP/")


def test_plain_http_listens_when_asked_to(servers):
    port = free_port()
    cluster = servers.cluster(api_rows={"listen_http": f"127.0.0.1:{port}"})
    try:
        assert Client(port, None).get("/v1/me").status == 401
        assert Client(port, None, cluster.project("plain").key).get("/v1/me").status == 200
    finally:
        cluster.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions(cluster, version):
    context = cluster.authority.client_context()
    context.minimum_version = context.maximum_version = version
    assert Client(cluster.apis[0].port, context).get("/v1/me").status == 401


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(cluster):
    context = cluster.authority.client_context()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        RawConnection(cluster.apis[0].port, context)


def test_alpn_offers_http_1_1_alone(cluster):
    context = cluster.authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with RawConnection(cluster.apis[0].port, context) as raw:
        assert raw.socket.selected_alpn_protocol() in (None, "http/1.1")


def test_the_admin_listener_is_loopback_and_small(cluster):
    for daemon in cluster.daemons():
        assert daemon.admin("/ready") == (200, daemon.admin("/ready")[1])
        assert b"true" in daemon.admin("/ready")[1]
        assert b"# TYPE" in daemon.admin("/metrics")[1]
        assert daemon.admin("/v1/call")[0] == 404
