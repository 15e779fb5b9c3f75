"""The daemons' command lines: rows, their sources, exit codes, projects and keys."""

import os
import re
import subprocess
import uuid

import pytest

from support import paths

BINARIES = {"api": paths.api_binary, "correlator": paths.correlator_binary}


def run(binary, *words, env=None, timeout=20):
    return subprocess.run([str(BINARIES[binary]()), *words], capture_output=True, text=True,
                          timeout=timeout, check=False, env={**os.environ, **(env or {})})


@pytest.mark.parametrize("binary", BINARIES)
@pytest.mark.parametrize("words", [(), ("nonsense",), ("serve", "--nonsense=1"),
                                   ("serve", "nonsense")])
def test_bad_usage_is_exit_2_and_names_the_word(binary, words):
    done = run(binary, *words)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stderr
    if words:
        assert "nonsense" in done.stderr


@pytest.mark.parametrize("binary", BINARIES)
def test_a_bad_value_is_exit_2_and_names_the_row(binary):
    done = run(binary, "serve", "--log_level=loud")
    assert done.returncode == 2, done.stderr
    assert "log_level" in done.stderr


@pytest.mark.parametrize("binary", BINARIES)
def test_an_unknown_row_of_a_file_is_named(binary, tmp_path):
    file = tmp_path / "c.ini"
    file.write_text("log_level = info\nlog_levle = info\n")
    done = run(binary, "serve", f"--config={file}")
    assert done.returncode == 2
    assert "log_levle" in done.stderr


@pytest.mark.parametrize("binary", BINARIES)
def test_a_missing_file_is_named(binary):
    done = run(binary, "serve", "--config=/nonexistent/x.ini")
    assert done.returncode == 2
    assert "/nonexistent/x.ini" in done.stderr


@pytest.mark.parametrize("binary", BINARIES)
def test_version(binary):
    done = run(binary, "version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("binary, rows", [
    ("api", ["listen", "listen_http", "tls_cert", "admin_listen", "postgres", "bus",
             "body_bytes_max", "inflight_bytes_max"]),
    ("correlator", ["bus", "bus_events", "postgres", "redis", "look", "reconcile",
                    "reconcile_interval_s"])])
def test_config_prints_every_row(binary, rows):
    done = run(binary, "config")
    assert done.returncode == 0
    for row in rows:
        assert re.search(rf"\b{row}\b", done.stdout), row


def test_flag_before_environment_before_file(tmp_path):
    """The first wrong value is the one that counts, so that it is the one complained about."""
    file = tmp_path / "c.ini"
    file.write_text("log_level = fromfile\n")
    env = {"CALLTRACE_LOG_LEVEL": "fromenv"}
    done = run("api", "serve", f"--config={file}", "--log_level=fromflag", env=env)
    assert done.returncode == 2 and "fromflag" in done.stderr
    done = run("api", "serve", f"--config={file}", env=env)
    assert done.returncode == 2 and "fromenv" in done.stderr
    done = run("api", "serve", f"--config={file}")
    assert done.returncode == 2 and "fromfile" in done.stderr


def test_rediss_is_refused_with_a_sentence():
    done = run("correlator", "serve", "--redis=rediss://localhost:6379")
    assert done.returncode == 2
    assert "rediss" in done.stderr


def test_a_taken_port_is_one_clear_sentence(cluster):
    api = cluster.apis[0]
    rows = {**api.rows, "admin_listen": "127.0.0.1:0"}
    done = run("api", "serve", *(f"--{name}={value}" for name, value in rows.items()))
    assert done.returncode == 1
    assert str(api.port) in done.stderr


def test_a_missing_certificate_is_named(cluster):
    rows = {**cluster.apis[0].rows, "tls_cert": "/nonexistent/cert.pem",
            "listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"}
    done = run("api", "serve", *(f"--{name}={value}" for name, value in rows.items()))
    assert done.returncode in (1, 2)
    assert "/nonexistent/cert.pem" in done.stderr


def test_migrate_again_changes_nothing(cluster):
    cluster.command("migrate")
    cluster.command("migrate")


def test_projects_and_keys(cluster):
    name = f"p-{uuid.uuid4().hex[:8]}"
    project_id = cluster.command("project", "create", name)
    uuid.UUID(project_id)
    assert name in cluster.command("project", "list")
    key = cluster.new_key(name, "laptop", "ingest,read")
    assert key.startswith("ct_live_") and "\n" not in key
    listing = cluster.command("key", "list", "--project", name)
    assert "laptop" in listing and key not in listing
    client = cluster.client(key)
    assert client.get("/v1/me").status == 200
    assert client.post_json("/v1/call", {}).status == 403


@pytest.mark.parametrize("words", [
    ("project", "create"), ("project", "create", ""), ("key", "create", "--project", "demo"),
    ("key", "create", "--project", "demo", "--name", "x", "--scopes", "everything"),
    ("key", "create", "--project", "no-such", "--name", "x", "--scopes", "read"),
    ("key", "list", "--project", "no-such"), ("key", "revoke", "nonsense"),
    ("key", "revoke", str(uuid.UUID(int=5)))])
def test_wrong_administration_fails_with_a_sentence(cluster, project, words):
    done = run("api", *words, f"--postgres={cluster.conninfo}")
    assert done.returncode in (1, 2)
    assert done.stderr.strip() and "ssertion" not in done.stderr


def test_a_project_s_name_is_unique(cluster, project):
    done = run("api", "project", "create", project.name, f"--postgres={cluster.conninfo}")
    assert done.returncode == 1
    assert project.name in done.stderr


def test_postgres_away_is_a_sentence():
    done = run("api", "project", "list", "--postgres=host=/nonexistent dbname=x")
    assert done.returncode == 1
    assert "nonexistent" in done.stderr
