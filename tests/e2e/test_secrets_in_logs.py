"""No log holds a secret. The end of every run looks at all logs (support/servers.py); here is proof that it would find
one, and a calltrace that is told everything it could blurt out, at the chattiest level."""

import json
import time
import uuid

import pytest

from support import livekit, otlp, secrets
from support.process import wait_until
from support.raw import RawConnection

PASSWORD = "the password of postgres, hush"


@pytest.mark.parametrize("line", [
    "key=ct_live_" + "A" * 43, "event=x hint=ct_live_abcdefgh", "-----BEGIN PRIVATE KEY-----",
    "password=SCRAM-SHA-256$4096:c2FsdA==$x:y", "Authorization: Bearer abcdefghijklmnop",
    "cookie: calltrace_session=0123456789abcdef0123456789abcdef.1.ff"])
def test_what_looks_like_a_secret_is_found(tmp_path, line):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "api0.log").write_text(f"event=fine\n{line}\n")
    assert "deep/api0.log" in secrets.leaks(tmp_path)
    assert line not in secrets.leaks(tmp_path)  # it is not spread further


def test_a_secret_that_was_made_is_found_and_others_are_not(tmp_path):
    made = f"hunter-{uuid.uuid4()}"
    secrets.note(f"first line\n{made}\n")
    log = tmp_path / "correlator0.log"
    log.write_text(f"detail={made[:12]} hint=ct_live_abcd bearer=none")
    assert secrets.leaks(tmp_path) == ""
    log.write_text(f"detail=x{made}x")
    assert "correlator0.log" in secrets.leaks(tmp_path) and made not in secrets.leaks(tmp_path)


@pytest.fixture(scope="module")
def chatty(servers):
    cluster = servers.cluster(api_rows={"log_level": "debug"}, correlator_rows={"log_level": "debug"})
    yield cluster
    cluster.close()


def leaks_of(cluster) -> str:
    return secrets.leaks(cluster.directory)


def test_keys_sessions_and_their_refusals(chatty):
    project = chatty.project("chatty")
    client = chatty.client(project)
    made = client.post_json("/v1/keys", {"name": "x", "scopes": ["read", "write"]}).data
    opened = client.request("POST", "/v1/session", b"")
    cookie = opened.header("Set-Cookie").split(";")[0]
    anyone = chatty.client(None)
    assert anyone.get("/v1/me", {"Cookie": cookie}).status == 200
    assert anyone.get("/v1/me", {"Cookie": cookie[:-1] + "x"}).status == 401
    for name in ("Authorization", "x-roark-api-key", "x-api-key", "X-Vapi-Secret"):
        assert anyone.get("/v1/me", {name: "ct_live_" + "Z" * 43}).status == 401
        assert anyone.get(f"/v1/{made['key']}", {name: f"Bearer {made['key']}"}).status in (401, 404)
    rotated = client.post_json(f"/v1/keys/{made['id']}/rotate", {}).data
    assert client.request("DELETE", f"/v1/keys/{rotated['id']}").status == 200
    client.export(b"\xff" + project.key.encode(), headers={"Content-Encoding": project.key})
    client.post_json("/v1/call", {"externalId": project.key, "startedAt": project.key})
    with RawConnection(chatty.apis[0].port, chatty.context) as raw:
        raw.send(f"GET /v1/me HTTP/1.1\r\nAuthorization: Bearer {project.key}\r\nContent-Length: {project.key}\r\n"
                 "\r\n".encode())
        assert raw.answer("GET")[0] == 400
    assert leaks_of(chatty) == ""


def test_secrets_of_integrations(chatty):
    name = chatty.project("integrated").name
    client = chatty.client(chatty.new_key(name, "more"))
    secret = f"livekit-{uuid.uuid4()}"
    chatty.command("livekit", "add", "--project", name, "--api-key", "APIchatty", stdin=secret + "\n")
    event = {"event": "room_started", "id": "EV_x", "createdAt": str(int(time.time())),
             "room": {"sid": "RM_chatty", "name": "room"}}
    assert livekit.send(client, event, "APIchatty", secret).status == 200
    assert livekit.send(client, event, "APIchatty", "another secret than that").status == 401
    assert livekit.send_signed(client, b"{}", f"Bearer {secret}").status == 401
    hook = f"vapi-{uuid.uuid4()}"
    path = chatty.command("vapi", "secret", "add", "--project", name, "--name", "h", stdin=hook + "\n")
    body = json.dumps({"message": {"type": "status-update"}}).encode()
    assert client.with_key(None).request("POST", path, body, {"X-Vapi-Signature": "0" * 64,
                                                              "Content-Type": "application/json"}).status == 401
    assert client.with_key(None).request("POST", "/v1/vapi/call", body, {"X-Vapi-Secret": hook}).status == 401
    url = client.post_json("/v1/integrations/livekit-sdk/chunk-upload-url", {}).body.decode()
    secrets.note(url.partition("token=")[2].partition('"')[0])
    assert leaks_of(chatty) == ""


def test_passwords_of_servers_that_refuse_them(servers):
    """Postgres trusts everybody here, so that the role, the database and the address are what is wrong."""
    secrets.note(PASSWORD)
    cluster = servers.cluster(api_rows={"log_level": "debug"}, correlator_rows={
        "log_level": "debug", "redis_password": "not the password of redis"})
    secrets.note("not the password of redis")
    try:
        client = cluster.client(cluster.project("p"))
        assert client.post_json("/v1/call", {"externalId": "x"}).status == 200
        daemons = cluster.daemons()
        for wrong in ("user=nobody", "dbname=nowhere", "host=/nowhere", "host=127.0.0.1 port=1", "sslmode=verify-full",
                      "nonsense=1"):
            for daemon in daemons:
                daemon.close()
                daemon.rows["postgres"] = f"{daemon.rows['postgres']} password='{PASSWORD}' {wrong}"
                daemon.start()
            wait_until(lambda: all(daemon.admin("/ready")[0] == 503 or not daemon.is_running() for daemon in daemons)
                       or wrong.startswith("sslmode"), 10, "them to miss it")
            if cluster.apis[0].admin("/ready")[0] == 503:
                assert cluster.client(client.key).post_json("/v1/call", {}).status == 503
            for daemon in daemons:
                daemon.rows["postgres"] = daemon.rows["postgres"].split(" password=")[0]
        assert "postgres_away" in cluster.apis[0].log()
        assert leaks_of(cluster) == ""
    finally:
        cluster.close()


def test_configuration_shows_no_secret(cluster):
    for rows in (["--redis_password=" + PASSWORD, "--writers=x"], ["--postgres=" + PASSWORD, "--nonsense=1"]):
        done = cluster.run("serve", *rows)
        assert PASSWORD not in done.stderr + done.stdout
    spans = otlp.request([otlp.span(otlp.new_trace_id(), "s", {"text": PASSWORD})])
    assert cluster.client(cluster.project("payload")).export(spans.SerializeToString()).status == 200
    secrets.note(PASSWORD)
    assert leaks_of(cluster) == ""
