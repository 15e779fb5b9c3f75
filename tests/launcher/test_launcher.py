"""./calltrace up, down, status, logs, demo: in a checkout of its own, with the daemons that were built.

What needs a bare machine (packages, sudo, services) is proved by ./calltrace test fresh."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from support import paths

NAMES = ["postgres", "redis", "correlator", "api"]


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as one:
        one.bind(("::", 0))
        return one.getsockname()[1]


class Checkout:
    """As much of the checkout as the launcher needs, under a directory that anyone may enter."""

    def __init__(self, parent: Path, name="checkout"):
        self.top = parent / name
        self.top.mkdir()
        shutil.copy(paths.ROOT / "calltrace", self.top)
        shutil.copytree(paths.ROOT / "schema" / "local", self.top / "schema" / "local")
        (self.top / "schema" / "redis").mkdir()
        shutil.copy(paths.ROOT / "schema" / "redis" / "user.rules", self.top / "schema" / "redis")
        (self.top / "tests" / "run").mkdir(parents=True)
        shutil.copy(paths.ROOT / "tests" / "run" / "demo.py", self.top / "tests" / "run")
        self.port = free_port()
        self.environment = {**os.environ, "CALLTRACE_BUILD": str(paths.build_dir())}
        for name in ("CALLTRACE_POSTGRES", "CALLTRACE_REDIS", "CALLTRACE_TOP", "NO_PROXY", "no_proxy"):
            self.environment.pop(name, None)

    @property
    def var(self) -> Path:
        return self.top / "var"

    def run(self, *arguments, expect=0, stdin="", **environment) -> str:
        done = subprocess.run(["./calltrace", *arguments], cwd=self.top, text=True,
                              input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False,
                              env={**self.environment, **environment})
        assert done.returncode == expect, done.stdout
        return done.stdout

    def up(self, *arguments, **options) -> str:
        return self.run("up", "--detach", "--port", str(self.port), *arguments, **options)

    def shell(self, script: str) -> str:
        """After . var/env"""
        return subprocess.run(["sh", "-euc", f". var/env\n{script}"], cwd=self.top, text=True,
                              capture_output=True, check=True, env=self.environment,
                              timeout=30).stdout

    def pid(self, name: str) -> int:
        return int((self.var / "pid" / name).read_text().split()[0])

    def sentence(self, text: str) -> str:
        """What the user is told: one line."""
        lines = [line for line in text.splitlines() if line.startswith("calltrace: ")]
        assert len(lines) == 1, text
        return lines[0]


@pytest.fixture
def place():
    directory = Path(tempfile.mkdtemp(prefix="ctl-", dir="/tmp"))
    directory.chmod(0o755)
    made = []

    def make(name="checkout") -> Checkout:
        checkout = Checkout(directory, name)
        made.append(checkout)
        return checkout

    yield make
    for checkout in made:
        subprocess.run(["./calltrace", "down"], cwd=checkout.top, check=False, capture_output=True,
                       env=checkout.environment, timeout=120)
    shutil.rmtree(directory, ignore_errors=True)


def is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except FileNotFoundError:
        return False


def test_up_demo_status_logs_down_and_up_again(place):
    checkout = place()
    text = checkout.up("--name", "voice.example", "--name", "10.1.2.3")
    assert f"https://localhost:{checkout.port}" in text and "./calltrace demo" in text
    assert "are linked" in checkout.run("demo")
    status = checkout.run("status")
    assert all(name in status for name in NAMES) and "not ready" not in status
    assert "already runs" in checkout.up()
    assert "level=info" in checkout.run("logs", "-n", "5", "api")
    environment = (checkout.var / "env").read_text()
    pids = [checkout.pid(name) for name in NAMES]
    assert "stopped" in checkout.run("down")
    assert not any(is_alive(pid) for pid in pids)
    assert "not running" in checkout.run("status", expect=1)
    assert "not running" in checkout.run("down")
    checkout.up()
    assert (checkout.var / "env").read_text() == environment
    assert checkout.shell('curl -sf --cacert "$CALLTRACE_CA" '
                          '-H "Authorization: Bearer $CALLTRACE_API_KEY" '
                          '"$CALLTRACE_URL/v1/call"').count('"externalId":"demo-') == 1


def test_administration_and_the_key_that_seals_secrets(place):
    checkout = place()
    assert "not running" in checkout.run("admin", "project", "list", expect=1)
    checkout.up()
    assert "demo" in checkout.run("admin", "project", "list")
    key_file = checkout.var / "keys" / "secrets-key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.owner() == (checkout.var / "pid" / "api").owner()
    sealing = key_file.read_text()
    assert len(sealing) == 65
    checkout.run("admin", "livekit", "add", "--project", "demo", "--api-key", "APIx", stdin="hunter2\n")
    listed = checkout.run("admin", "livekit", "list", "--project", "demo")
    assert "APIx" in listed and "sealed" in listed and "hunter2" not in listed
    assert "APIx" in checkout.run("admin", "livekit", "remove", "--project", "demo", "--api-key", "APIxy",
                                  expect=1)
    assert "needs a command" in checkout.run("admin", expect=2)
    checkout.run("down")
    checkout.up()
    assert key_file.read_text() == sealing


def row(file: Path, name: str) -> str:
    return re.search(rf"^{name} = (.*)$", file.read_text(), re.M).group(1)


def test_the_daemons_have_users_of_their_own(place):
    checkout = place()
    checkout.up()
    checkout.run("demo")
    users = set()
    for daemon in ("api", "correlator"):
        conninfo = row(checkout.var / "etc" / f"{daemon}.conf", "postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            users |= {user for (user,) in connection.execute(
                "select usename from pg_stat_activity where application_name like 'calltrace-%'")}
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("create table x (y int)")
    assert users == {"calltrace_api", "calltrace_correlator"}
    config = checkout.var / "etc" / "correlator.conf"
    path = row(config, "redis").removeprefix("unix:")
    ask = ["redis-cli", "-s", path]
    environment = {**os.environ, "REDISCLI_AUTH": row(config, "redis_password")}
    anybody = subprocess.run([*ask, "ping"], capture_output=True, text=True, check=False)
    assert "NOAUTH" in anybody.stdout + anybody.stderr
    ours = [subprocess.run([*ask, "--user", row(config, "redis_user"), *words], capture_output=True, text=True,
                           check=False, env=environment).stdout for words in (["ping"], ["flushall"])]
    assert "PONG" in ours[0] and "NOPERM" in ours[1]


def test_the_certificate_and_the_environment(place):
    checkout = place()
    checkout.up("--name", "voice.example", "--name", "10.1.2.3")
    names = subprocess.run(["openssl", "x509", "-in", checkout.var / "tls" / "server.pem", "-noout",
                            "-ext", "subjectAltName"], capture_output=True, text=True,
                           check=True).stdout
    for name in ("DNS:localhost", "127.0.0.1", "0:0:0:0:0:0:0:1", "DNS:voice.example", "10.1.2.3",
                 socket.gethostname()):
        assert name in names
    values = dict(line.split("=", 1) for line in checkout.shell("env").splitlines() if "=" in line)
    url = f"https://localhost:{checkout.port}"
    for name in ("CALLTRACE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "ROARK_BASE_URL"):
        assert values[name] == url
    assert values["OTEL_EXPORTER_OTLP_HEADERS"].startswith("authorization=Bearer%20ct_live_")
    key = values["CALLTRACE_API_KEY"]
    assert values["ROARK_API_BEARER_TOKEN"] == values["ROARK_API_KEY"] == key
    ours = Path(values["CALLTRACE_CA"]).read_text()
    assert values["OTEL_EXPORTER_OTLP_CERTIFICATE"] == values["CALLTRACE_CA"]
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert ours in Path(values[name]).read_text()
    assert "localhost" in values["NO_PROXY"].split(",")
    twice = checkout.shell(". var/env; env").splitlines()
    assert f"NO_PROXY={values['NO_PROXY']}" in twice
    extended = subprocess.run(["sh", "-c", ". var/env; echo $NO_PROXY"], cwd=checkout.top, text=True,
                              capture_output=True, check=True,
                              env={**checkout.environment, "NO_PROXY": "corp.example"}).stdout
    assert extended.startswith("corp.example,localhost")
    assert (checkout.var / "env").stat().st_mode & 0o077 == 0
    for address in ("127.0.0.1", "[::1]"):
        checkout.shell(f'curl -sf --cacert "$CALLTRACE_CA" -H "Authorization: Bearer '
                       f'$CALLTRACE_API_KEY" https://{address}:{checkout.port}/v1/me')


def test_a_proxy_is_not_asked_for_what_is_here(place):
    checkout = place()
    dead = f"http://127.0.0.1:{free_port()}"
    proxy = {name: dead for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    checkout.up(**proxy)
    assert "are linked" in checkout.run("demo", **proxy)
    assert "ready" in checkout.run("status", **proxy)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_in_the_foreground_a_signal_stops_everything(place, number):
    checkout = place()
    with subprocess.Popen(["./calltrace", "up", "--port", str(checkout.port)], cwd=checkout.top,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          env=checkout.environment, start_new_session=True) as up:
        for line in up.stdout:
            if "Ctrl-C" in line:
                break
        pids = [checkout.pid(name) for name in NAMES]
        assert all(is_alive(pid) for pid in pids)
        os.killpg(up.pid, number)  # as a terminal does
        assert "stopped" in up.stdout.read()
        assert up.wait(60) == 0
    assert not any(is_alive(pid) for pid in pids)
    assert "fast shutdown" in (checkout.var / "log" / "postgres.log").read_text()


def test_a_server_that_ends_by_itself_ends_up(place):
    checkout = place()
    with subprocess.Popen(["./calltrace", "up", "--port", str(checkout.port)], cwd=checkout.top,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=checkout.environment) as up:
        for line in up.stdout:
            if "Ctrl-C" in line:
                break
        os.kill(checkout.pid("correlator"), signal.SIGKILL)
        assert "correlator ended by itself" in checkout.sentence(up.stdout.read())
        assert up.wait(60) == 1
    assert "not running" in checkout.run("status", expect=1)


def test_down_ends_an_up_in_the_foreground(place):
    checkout = place()
    with subprocess.Popen(["./calltrace", "up", "--port", str(checkout.port)], cwd=checkout.top,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=checkout.environment) as up:
        for line in up.stdout:
            if "Ctrl-C" in line:
                break
        checkout.run("down")
        assert up.stdout.read().strip() == "stopped by ./calltrace down"
        assert up.wait(60) == 0


def test_a_half_running_calltrace(place):
    checkout = place()
    checkout.up()
    os.kill(checkout.pid("api"), signal.SIGKILL)
    time.sleep(0.2)
    assert "not running" in checkout.run("status", expect=1)
    assert "half running" in checkout.sentence(checkout.up(expect=1))
    checkout.run("down")
    checkout.up()


def test_a_taken_port(place):
    checkout = place()
    with socket.create_server(("127.0.0.1", checkout.port)):
        text = checkout.sentence(checkout.up(expect=1))
    assert f"port {checkout.port} is taken" in text
    checkout.up()


def test_half_made_state(place):
    checkout = place()
    checkout.var.mkdir()
    (checkout.var / "pg.new").mkdir()  # an interrupted initdb
    checkout.up()
    checkout.run("down")
    version = checkout.var / "pg" / "PG_VERSION"
    kept = version.read_text()
    version.write_text("")
    assert "not a whole Postgres directory" in checkout.sentence(checkout.up(expect=1))
    version.write_text("9")
    assert "was made by Postgres 9" in checkout.sentence(checkout.up(expect=1))
    version.write_text(kept)
    (checkout.var / "env").unlink()
    for name in ("server.pem", "roots.pem"):
        (checkout.var / "tls" / name).unlink()
    (checkout.var / "keys" / "demo-ingest").unlink()
    checkout.up()
    assert "are linked" in checkout.run("demo")


def test_a_new_database_gets_new_keys(place):
    checkout = place()
    checkout.up()
    checkout.run("down")
    before = (checkout.var / "keys" / "demo").read_text()
    shutil.rmtree(checkout.var / "pg")
    checkout.up()
    assert (checkout.var / "keys" / "demo").read_text() != before
    assert "are linked" in checkout.run("demo")


def test_var_in_the_way(place):
    checkout = place()
    checkout.var.write_text("")
    assert "not a directory" in checkout.sentence(checkout.up(expect=1))


def test_a_long_path_and_one_with_odd_characters(place):
    checkout = place("a checkout with a 'long' name " + "x" * 90)
    checkout.up()
    assert "are linked" in checkout.run("demo")
    assert not (checkout.var / "run").exists()


def me(checkout, key: str) -> str:
    """The status of a request with this key."""
    return checkout.shell('curl -s -o /dev/null -w "%{http_code}" --cacert "$CALLTRACE_CA" '
                          f'-H "Authorization: Bearer {key}" "$CALLTRACE_URL/v1/me"')


def test_admin_speaks_to_the_running_calltrace(place):
    checkout = place()
    checkout.up()
    checkout.run("admin", "project", "create", "mine")
    key = checkout.run("admin", "key", "create", "--project", "mine", "--name", "a laptop",
                       "--scopes", "read").strip()
    assert me(checkout, key) == "200"
    listing = checkout.run("admin", "key", "list", "--project", "mine")
    (line,) = [line for line in listing.splitlines() if "a laptop" in line]
    checkout.run("admin", "key", "revoke", line.split()[0])
    end = time.monotonic() + 6
    while me(checkout, key) != "401":
        assert time.monotonic() < end, "the revoked key still works"
        time.sleep(0.2)
    assert "verbs" in checkout.run("admin", "key", expect=2)


def test_servers_of_ones_own(place):
    first, second = place("first"), place("second")
    first.up()
    sockets = first.var / "run"
    conninfo = f"host={sockets} dbname=postgres user=calltrace"
    redis = f"unix:{sockets}/redis.sock"
    second.up(CALLTRACE_POSTGRES=conninfo, CALLTRACE_REDIS=redis)
    assert not (second.var / "pg").exists()
    assert "are linked" in second.run("demo")
    assert second.run("status").count("an outside server") == 2
    second.run("admin", "project", "create", "elsewhere")
    assert "elsewhere" in second.run("admin", "project", "list")
    assert "elsewhere" not in first.run("admin", "project", "list")
    second.run("down")
    assert "ready" in first.run("status")


def test_bad_usage(place):
    checkout = place()
    for arguments, part in [(["up", "--prot", "1"], "--prot"), (["up", "--port"], "needs a value"),
                            (["up", "--port", "70000"], "65535"), (["up", "--name", "a b"], "a b"),
                            (["nothing"], "nothing"), (["logs", "nginx"], "nginx"),
                            (["down", "now"], "now")]:
        assert part in checkout.sentence(checkout.run(*arguments, expect=2))
    for command in ("up", "down", "status", "logs", "demo", "admin", "test", "bench"):
        assert f"usage: ./calltrace {command}" in checkout.run(command, "--help")
    assert "var/env" in checkout.sentence(checkout.run("demo", expect=1))
    assert not checkout.var.exists()
