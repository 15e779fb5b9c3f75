"""The pages' sessions, the project's keys over the API, and the pages themselves."""

import http.cookies
import re
import subprocess

import pytest

from support import paths
from support.client import Client
from support.cluster import error_of
from support.process import free_port, wait_until

PAGE = {"x-calltrace-page": "1"}


def cookie_of(response) -> http.cookies.Morsel:
    jar = http.cookies.SimpleCookie(response.header("Set-Cookie"))
    (morsel,) = jar.values()
    return morsel


def session_of(client) -> dict:
    response = client.request("POST", "/v1/session", b"")
    assert response.status == 200, response.body
    morsel = cookie_of(response)
    return {"Cookie": f"other=1; {morsel.key}={morsel.value}"}


@pytest.fixture
def manager(cluster, project):
    return cluster.client(project)


def test_a_session_stands_for_its_key(cluster, manager):
    response = manager.request("POST", "/v1/session", b"")
    morsel = cookie_of(response)
    assert morsel["httponly"] and morsel["secure"] and morsel["samesite"] == "Strict"
    assert morsel["path"] == "/" and int(morsel["max-age"]) == 12 * 3600
    assert manager.key.encode() not in response.body and manager.key not in morsel.value
    anyone = cluster.client(None)
    headers = {"Cookie": f"{morsel.key}={morsel.value}"}
    assert anyone.get("/v1/me", headers).data == manager.get("/v1/me").data
    assert anyone.get("/v1/call", headers).status == 200
    closed = anyone.request("DELETE", "/v1/session", None, {**headers, **PAGE})
    assert closed.status == 200 and cookie_of(closed)["max-age"] == "0"


def test_a_session_has_the_scopes_of_its_key(cluster, project):
    reader = cluster.client(cluster.new_key("demo", "reader", "read"))
    headers = {**session_of(reader), **PAGE}
    anyone = cluster.client(None)
    assert anyone.get("/v1/call", headers).status == 200
    assert anyone.get("/v1/keys", headers).status == 403
    assert anyone.post_json("/v1/call", {}, headers).status == 403


def test_a_session_changes_nothing_for_another_site(cluster, manager):
    headers = session_of(manager)
    anyone = cluster.client(None)
    refused = anyone.post_json("/v1/keys", {"name": "x", "scopes": ["read"]}, headers)
    assert refused.status == 403
    assert error_of(refused.body)[0] == "forbidden" and b"x-calltrace-page" in refused.body
    assert anyone.request("DELETE", "/v1/session", None, headers).status == 403
    assert anyone.post_json("/v1/keys", {"name": "x", "scopes": ["read"]},
                            {**headers, **PAGE}).status == 200


def flipped(text: str, at: int) -> str:
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1:]


def test_no_other_cookie_is_a_session(cluster, manager):
    name, value = session_of(manager)["Cookie"].split("; ")[1].split("=", 1)
    key, ends, mac = value.split(".")
    anyone = cluster.client(None)
    forged = [flipped(value, at) for at in (0, len(key) + 1, len(value) - 1)]
    forged += [f"{key}.{int(ends) + 1}.{mac}", f"{key}.{ends}.{'0' * 64}", f"{key}.{ends}.", "", "..",
               f"{'0' * 32}.{ends}.{mac}", f"{key}.-1.{mac}", f"{key}.{'9' * 30}.{mac}", f"{key}{ends}{mac}"]
    for text in forged:
        response = anyone.get("/v1/me", {"Cookie": f"{name}={text}"})
        assert response.status == 401, text
    assert anyone.get("/v1/me", {"Cookie": f"{name}={value}"}).status == 200
    assert anyone.get("/v1/me", {"Cookie": f"x{name}={value}"}).status == 401


def test_a_session_is_not_opened_by_a_session(cluster, manager):
    response = cluster.client(None).request("POST", "/v1/session", b"", {**session_of(manager), **PAGE})
    assert response.status == 400 and b"Authorization" in response.body


def test_keys_are_made_listed_and_revoked(cluster, manager):
    made = manager.post_json("/v1/keys", {"name": "agent of team \u00fc", "scopes": ["read", "ingest"]})
    assert made.status == 200, made.body
    assert re.fullmatch(r"ct_live_[\w-]{43}", made.data["key"])
    assert made.data["scopes"] == ["ingest", "read"]
    other = cluster.client(made.data["key"])
    assert other.get("/v1/call").status == 200 and other.get("/v1/keys").status == 403
    session = session_of(other)
    listed = manager.get("/v1/keys")
    assert made.data["key"].encode() not in listed.body
    rows = {row["id"]: row for row in listed.data}
    row = rows[made.data["id"]]
    assert (row["name"], row["scopes"], row["revokedAt"], row["isOwn"]) == (
        "agent of team \u00fc", ["ingest", "read"], None, False)
    assert made.data["key"].startswith(row["hint"])
    assert [one["isOwn"] for one in listed.data].count(True) == 1
    gone = manager.request("DELETE", f"/v1/keys/{made.data['id']}")
    assert gone.status == 200
    anyone = cluster.client(None)
    wait_until(lambda: other.get("/v1/call").status == 401, 5, "the key to end")
    wait_until(lambda: anyone.get("/v1/call", session).status == 401, 5, "its session to end")
    assert b"session has ended" in anyone.get("/v1/call", session).body
    again = manager.request("DELETE", f"/v1/keys/{made.data['id']}")
    assert again.status == 404 and error_of(again.body)[0] == "not_found"


def test_changes_of_keys_are_in_the_audit(cluster, project, manager):
    made = manager.post_json("/v1/keys", {"name": "audited", "scopes": ["read"]}).data
    manager.request("DELETE", f"/v1/keys/{made['id']}")
    rows = cluster.sql("select what, detail, by_key is not null from audit where subject = %s order by id",
                       (made["id"],))
    assert rows == [("key created", "audited", True), ("key revoked", "audited", True)]


@pytest.mark.parametrize("body, word", [
    ({}, "name"), ({"name": "", "scopes": ["read"]}, "name"), ({"name": 5, "scopes": ["read"]}, "name"),
    ({"name": "a\u0001", "scopes": ["read"]}, "name"), ({"name": "x" * 256, "scopes": ["read"]}, "name"),
    ({"name": "x"}, "scopes"), ({"name": "x", "scopes": []}, "scopes"), ({"name": "x", "scopes": "read"}, "scopes"),
    ({"name": "x", "scopes": ["root"]}, "scopes"), ({"name": "x", "scopes": [1]}, "scopes"), ([], "object")])
def test_bad_keys_are_refused_by_field(manager, body, word):
    response = manager.post_json("/v1/keys", body)
    assert response.status == 400
    assert word in error_of(response.body)[1]


@pytest.mark.parametrize("body", [b"", b"{", b"[]]", b'{"name":"a","name":"b","scopes":["read"]}', b"\xff"])
def test_a_body_that_is_no_json_is_refused(manager, body):
    response = manager.request("POST", "/v1/keys", body, {"Content-Type": "application/json"})
    assert response.status == 400 and error_of(response.body)[0] == "invalid_json"


def test_odd_values_beside_a_key_cost_nothing(manager):
    body = b'{"name":"odd","scopes":["read"],"\\u0000":1e999,"more":"\\ud800"}'
    assert manager.request("POST", "/v1/keys", body, {"Content-Type": "application/json"}).status == 200


def test_a_key_of_another_project_is_not_there(cluster, manager):
    other = cluster.project("sessions-other")
    (row,) = cluster.client(other).get("/v1/keys").data
    assert manager.request("DELETE", f"/v1/keys/{row['id']}").status == 404
    assert cluster.client(other).get("/v1/me").status == 200
    assert row["id"] not in {one["id"] for one in manager.get("/v1/keys").data}


PAGES = ["/", "/calls", "/calls/123", "/calls/123/tracing", "/chats/1/details", "/traces", "/traces/ab", "/unmatched",
         "/keys", "/setup", "/setup/livekit-python", "/sign-in?next=/calls"]


def test_without_pages_the_api_says_so(cluster):
    response = cluster.client(None).get("/calls")
    assert response.status == 404 and error_of(response.body)[0] == "no_pages"


@pytest.fixture(scope="module")
def with_pages(servers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>calltrace</title>")
    (folder / "assets" / "app-0f.js").write_text("'use strict';")
    (folder / "assets" / "app-0f.js.gz").write_bytes(b"packed")
    port = free_port()
    cluster = servers.cluster(api_rows={"pages_dir": str(folder), "listen_pages": f"127.0.0.1:{port}"})
    yield cluster, port
    cluster.close()


@pytest.mark.parametrize("path", PAGES)
def test_every_address_of_the_pages_answers_the_page(with_pages, path):
    response = with_pages[0].client(None).get(path)
    assert response.status == 200 and b"<title>calltrace" in response.body
    assert response.header("Content-Type") == "text/html; charset=utf-8"
    policy = response.header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert response.header("X-Content-Type-Options") == "nosniff"
    assert response.header("Referrer-Policy") == "no-referrer"
    assert response.header("Cache-Control") == "no-cache"


def test_assets_come_packed_and_are_kept(with_pages):
    client = with_pages[0].client(None)
    plain = client.get("/assets/app-0f.js")
    packed = client.get("/assets/app-0f.js", {"Accept-Encoding": "br, gzip"})
    assert plain.body == b"'use strict';" and packed.body == b"packed"
    assert packed.header("Content-Encoding") == "gzip" and plain.header("Content-Encoding") is None
    assert "immutable" in plain.header("Cache-Control")
    for path in ("/assets/none.js", "/assets/..%2findex.html", "/assets/%2e%2e"):
        assert client.get(path).status in (400, 401, 404), path


def test_the_listener_of_the_pages_takes_no_data(with_pages):
    cluster, port = with_pages
    project = cluster.project("pages")
    client = Client(port, None, project.key)
    assert client.get("/calls").status == 200
    assert client.get("/v1/call").status == 200
    opened = client.request("POST", "/v1/session", b"")
    assert opened.status == 200 and not cookie_of(opened)["secure"]
    assert client.post_json("/v1/call", {}).status == 404
    export = client.export(b"", path="/v1/traces")
    assert export.status == 404
    client.close()


def test_a_missing_folder_of_pages_stops_the_start(cluster, tmp_path):
    done = subprocess.run([str(paths.api_binary()), "serve", f"--pages_dir={tmp_path}/none", "--listen=",
                           "--listen_http=127.0.0.1:0", f"--postgres={cluster.conninfo}", "--admin_listen="],
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and "pages" in done.stderr, done.stderr
