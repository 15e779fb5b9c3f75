"""Keys that are rotated, when they were last used, and the audit of every change."""

import re
import time
import uuid

import pytest

from support.cluster import error_of
from support.process import wait_until


@pytest.fixture
def ward(cluster):
    """A project of its own: (name, client with every scope)."""
    project = cluster.project(f"keys-{uuid.uuid4().hex[:8]}")
    return project.name, cluster.client(project)


def rows_of(client) -> dict:
    return {row["name"]: row for row in client.get("/v1/keys").data if row["revokedAt"] is None} | {
        row["name"] + " (old)": row for row in client.get("/v1/keys").data if row["revokedAt"] is not None}


def audit(cluster, name: str, *words) -> list[str]:
    return cluster.command("audit", "--project", name, *words).splitlines()


def rotate(client, key: str, body=None):
    if body is None:
        return client.request("POST", f"/v1/keys/{key}/rotate", b"")
    return client.post_json(f"/v1/keys/{key}/rotate", body)


def test_a_rotated_key_works_until_its_time_is_over(cluster, ward):
    name, manager = ward
    made = manager.post_json("/v1/keys", {"name": "agent", "scopes": ["read", "ingest"]}).data
    old = cluster.client(made["key"])
    assert old.get("/v1/call").status == 200
    rotated = rotate(manager, made["id"], {"graceSeconds": 4})
    assert rotated.status == 200, rotated.body
    began = time.monotonic()
    new = cluster.client(rotated.data["key"])
    assert rotated.data["key"] != made["key"] and rotated.data["replaces"] == made["id"]
    assert new.get("/v1/call").status == 200 and new.get("/v1/keys").status == 403
    assert old.get("/v1/call").status == 200
    rows = rows_of(manager)
    assert rows["agent"]["id"] == rotated.data["id"] and rows["agent"]["scopes"] == ["ingest", "read"]
    assert rows["agent (old)"]["revokedAt"] == rotated.data["replacedUntil"]
    wait_until(lambda: old.get("/v1/call").status == 401, 10, "the old key to end")
    assert 2.5 < time.monotonic() - began < 7
    assert new.get("/v1/call").status == 200
    assert sum("key rotated" in line and made["id"] in line and rotated.data["id"] in line
               for line in audit(cluster, name)) == 1


def test_without_a_time_it_is_a_day(ward):
    _, manager = ward
    made = manager.post_json("/v1/keys", {"name": "a", "scopes": ["read"]}).data
    data = rotate(manager, made["id"]).data
    seconds = {text: time.mktime(time.strptime(data[text][:19], "%Y-%m-%dT%H:%M:%S"))
               for text in ("createdAt", "replacedUntil")}
    assert seconds["replacedUntil"] - seconds["createdAt"] == 86400


def test_without_grace_it_is_over_at_once(cluster, ward):
    _, manager = ward
    made = manager.post_json("/v1/keys", {"name": "a", "scopes": ["read"]}).data
    assert rotate(manager, made["id"], {"graceSeconds": 0}).status == 200
    wait_until(lambda: cluster.client(made["key"]).get("/v1/call").status == 401, 5, "it to end")


def test_a_key_in_its_grace_may_be_revoked_or_rotated_again_but_not_lengthened(cluster, ward):
    _, manager = ward
    made = manager.post_json("/v1/keys", {"name": "a", "scopes": ["read"]}).data
    first = rotate(manager, made["id"], {"graceSeconds": 600}).data
    again = rotate(manager, made["id"], {"graceSeconds": 2592000.0})
    assert again.status == 200
    (row,) = [row for row in manager.get("/v1/keys").data if row["id"] == made["id"]]
    assert row["revokedAt"] == first["replacedUntil"]
    assert manager.request("DELETE", f"/v1/keys/{made['id']}").status == 200
    wait_until(lambda: cluster.client(made["key"]).get("/v1/call").status == 401, 5, "it to end")
    assert rotate(manager, made["id"]).status == 404


def test_a_session_ends_with_the_key_that_opened_it(cluster, ward):
    _, manager = ward
    made = manager.post_json("/v1/keys", {"name": "a", "scopes": ["read"]}).data
    opened = cluster.client(made["key"]).request("POST", "/v1/session", b"")
    headers = {"Cookie": opened.header("Set-Cookie").split(";")[0]}
    rotate(manager, made["id"], {"graceSeconds": 3})
    anyone = cluster.client(None)
    assert anyone.get("/v1/call", headers).status == 200
    wait_until(lambda: anyone.get("/v1/call", headers).status == 401, 9, "it to end")


def test_other_keys_are_not_there(cluster, ward):
    _, manager = ward
    stranger = cluster.client(cluster.project(f"strange-{uuid.uuid4().hex[:8]}"))
    (row,) = stranger.get("/v1/keys").data
    for key in (row["id"], str(uuid.uuid4()), "x", "%00"):
        response = rotate(manager, key)
        assert response.status in (400, 404), key
    assert len(stranger.get("/v1/keys").data) == 1


@pytest.mark.parametrize("body", [{"graceSeconds": -1}, {"graceSeconds": 2592001}, {"graceSeconds": 1.5},
                                  {"graceSeconds": "1"}, {"graceSeconds": None}, [], 5])
def test_other_times_are_refused(ward, body):
    _, manager = ward
    (row,) = manager.get("/v1/keys").data
    response = rotate(manager, row["id"], body)
    assert response.status == 400 and "graceSeconds" in error_of(response.body)[1]
    assert len(manager.get("/v1/keys").data) == 1


def test_rotating_wants_the_scope_manage(cluster, ward):
    _, manager = ward
    made = manager.post_json("/v1/keys", {"name": "a", "scopes": ["read", "write", "ingest"]}).data
    assert rotate(cluster.client(made["key"]), made["id"]).status == 403


def test_the_command_line_rotates_too(cluster, ward):
    name, manager = ward
    (row,) = manager.get("/v1/keys").data
    new = cluster.command("key", "rotate", row["id"], "--grace", "3s")
    assert re.fullmatch(r"ct_live_[\w-]{43}", new)
    assert cluster.client(new).get("/v1/keys").status == 200 and manager.get("/v1/me").status == 200
    wait_until(lambda: manager.get("/v1/me").status == 401, 9, "the old key to end")
    assert any("key rotated" in line and "by the command line" in line for line in audit(cluster, name))


@pytest.mark.parametrize("words, code, said", [
    (["x"], 2, "no key id"), ([str(uuid.uuid4())], 1, "no key"), ([], 2, "missing"),
    ([str(uuid.uuid4()), "--grace", "31d"], 2, "--grace"), ([str(uuid.uuid4()), "--grace", "5"], 2, "--grace")])
def test_wrong_rotations_on_the_command_line(cluster, words, code, said):
    done = cluster.run("key", "rotate", *words)
    assert done.returncode == code and said in done.stderr and done.stdout == ""


def test_the_last_use_is_shown(cluster, ward):
    name, manager = ward
    made = manager.post_json("/v1/keys", {"name": "unused", "scopes": ["read"]}).data
    assert rows_of(manager)["unused"]["lastUsedAt"] is None
    assert cluster.client(made["key"]).get("/v1/call").status == 200
    wait_until(lambda: rows_of(manager)["unused"]["lastUsedAt"], 10, "the use to be told")
    line = next(line for line in cluster.command("key", "list", "--project", name).splitlines() if "unused" in line)
    assert "last_used=" in line


def test_every_change_is_in_the_audit(cluster, ward):
    name, manager = ward
    me = manager.get("/v1/keys").data[0]["id"]
    made = manager.post_json("/v1/keys", {"name": "by a key", "scopes": ["read"]}).data
    manager.request("DELETE", f"/v1/keys/{made['id']}")
    cluster.new_key(name, "by hand")
    key_id = rows_of(manager)["by hand"]["id"]
    cluster.command("key", "revoke", key_id)
    cluster.command("livekit", "add", "--project", name, "--api-key", "APIaudit", stdin="a-secret-of-livekit\n")
    cluster.command("livekit", "remove", "--project", name, "--api-key", "APIaudit")
    path = cluster.command("vapi", "secret", "add", "--project", name, "--name", "hook", stdin="a-secret-of-vapi\n")
    cluster.command("vapi", "secret", "remove", "--project", name, path.rsplit("/", 1)[1])
    cluster.command("vapi", "select", "--project", name, "assistant-1")
    cluster.command("vapi", "select", "--project", name, "assistant-1")  # changes nothing
    cluster.command("vapi", "unselect", "--project", name, "assistant-1")
    lines = audit(cluster, name)
    told = [re.sub(r"^\S+  ", "", line) for line in lines]
    wanted = ["project created", "key created", "key created", "key revoked", "key created", "key revoked",
              "livekit key set", "livekit key removed", "vapi credential created", "vapi credential removed",
              "vapi assistant selected", "vapi assistant unselected"]
    assert [next(what for what in sorted(set(wanted), key=len, reverse=True) if line.startswith(what))
            for line in told] == wanted, told
    assert all(f"by key {me}" in line for line in told[2:4])
    assert all("by the command line" in line for line in told[:2] + told[4:])
    assert "secret-of" not in "".join(lines) and made["key"] not in "".join(lines)
    assert [line[:24] for line in lines] == sorted(line[:24] for line in lines)


def test_a_change_that_fails_is_not_in_the_audit(cluster, ward):
    name, _ = ward
    before = audit(cluster, name)
    for words in (["key", "revoke", str(uuid.uuid4())], ["project", "create", name],
                  ["livekit", "remove", "--project", name, "--api-key", "none"],
                  ["vapi", "unselect", "--project", name, "none"]):
        assert cluster.run(*words).returncode == 1
    assert audit(cluster, name) == before


def test_the_audit_of_a_project_is_its_own_and_can_be_cut(cluster, ward):
    name, _ = ward
    other = cluster.project(f"other-{uuid.uuid4().hex[:8]}")
    assert other.name not in "".join(audit(cluster, name))
    assert audit(cluster, name, "--since", "1h") == audit(cluster, name)
    cluster.sql("update audit set at = at - interval '2 hours' where project_id = %s", (other.id,))
    assert audit(cluster, other.name, "--since", "1h") == [] and len(audit(cluster, other.name)) == 2
    assert cluster.run("audit", "--project", "none").returncode == 1
    assert cluster.run("audit", "--project", name, "--since", "0s").returncode == 2
