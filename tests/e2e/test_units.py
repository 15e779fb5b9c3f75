"""The systemd units: right, tight, and the daemons work under their filter of system calls."""

import re
import shutil
import subprocess
import sys
import uuid

import pytest

from support import otlp, paths, sandbox
from support.process import wait_until

UNITS = {name: paths.ROOT / name / f"calltrace-{name}.service" for name in ("api", "correlator")}
EXPOSURE_MAX = 1.5  # of 10; what is left is the network, which they are for

pytestmark = [pytest.mark.plain,
              pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")]


def rows(unit) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.M):
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_row(name, tmp_path):
    binary = paths.api_binary() if name == "api" else paths.correlator_binary()
    copy = tmp_path / UNITS[name].name
    copy.write_text(UNITS[name].read_text().replace(f"/usr/local/bin/calltrace-{name}", str(binary)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and copy.name not in done.stderr, done.stderr
    copy.write_text(copy.read_text() + "\n[Service]\nProtectSystme=strict\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert "ProtectSystme" in done.stderr  # it would have said so


def exposure(unit) -> float:
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", unit], capture_output=True,
                          text=True, check=False)
    return float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout).group(1))


@pytest.mark.parametrize("name", UNITS)
def test_the_sandbox_is_tight(name, tmp_path):
    assert exposure(UNITS[name]) <= EXPOSURE_MAX
    open_unit = tmp_path / "open.service"
    open_unit.write_text(re.sub(r"^(Protect|Private|Restrict|SystemCall|Capab|NoNew).*$", "", UNITS[name].read_text(),
                                flags=re.M))
    assert exposure(open_unit) > 6


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("row, value", [
    ("ProtectSystem", "strict"), ("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", ""), ("ProtectHome", "yes"),
    ("PrivateDevices", "yes"), ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
    ("SystemCallArchitectures", "native"), ("MemoryDenyWriteExecute", "yes"), ("Group", "calltrace"), ("UMask", "0077")])
def test_what_the_sandbox_promises(name, row, value):
    assert rows(UNITS[name])[row] == [value]


def test_each_has_a_user_of_its_own_and_the_api_reloads():
    users = {name: rows(unit)["User"] for name, unit in UNITS.items()}
    assert users == {"api": ["calltrace-api"], "correlator": ["calltrace-correlator"]}
    assert rows(UNITS["api"])["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert "HUP" not in UNITS["correlator"].read_text()  # which would end it


def wrap(name: str) -> list[str]:
    return [sys.executable, sandbox.__file__, str(UNITS[name])]


@pytest.mark.parametrize("call", ["os.chown('/tmp', 0, 0)", "os.sync()", "os.nice(1)", "os.setuid(0)",
                                  "os.sched_setaffinity(0, {0})", "ctypes.CDLL(None).mount(b'a', b'/', b'tmpfs', 0, None)",
                                  "ctypes.CDLL(None).ptrace(0, 0, None, None)"])
def test_the_filter_stops_what_an_intruder_would_try(call):
    script = f"import ctypes, os\nprint('alive', flush=True)\n{call}\nprint('still alive')"
    done = subprocess.run([*wrap("api"), sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -31 and done.stdout == "alive\n", (done.returncode, done.stdout, done.stderr)  # SIGSYS


@pytest.fixture(scope="module")
def filtered(servers, tmp_path_factory):
    pages = tmp_path_factory.mktemp("pages")
    (pages / "assets").mkdir()
    (pages / "index.html").write_text("<!doctype html>")
    cluster = servers.cluster(api_rows={"pages_dir": pages}, wrap={name: wrap(name) for name in UNITS})
    yield cluster
    cluster.close()


def test_the_daemons_need_no_other_system_call(servers, filtered):
    """A day's work under the filter: whatever it does not let through would have killed the daemon."""
    client = filtered.client(filtered.project("filtered"))
    for n in range(20):
        value, trace = f"v-{uuid.uuid4()}", otlp.new_trace_id()
        spans = [otlp.span(trace, f"s{i}", {"text": "x" * 10000}) for i in range(200)]
        assert client.export(otlp.request(spans, {"roark.external_id": value}).SerializeToString()).status == 200
        call = client.post_json("/v1/call", {"externalId": value}).data["id"]
        for path in (f"/v1/call/{call}", f"/v1/call/{call}/timeline", f"/v1/traces/{trace.hex()}/tree", "/v1/traces", "/"):
            assert client.get(path).status == 200
        client.close()
    assert len(filtered.links()) == 20
    assert client.post_json("/v1/integrations/livekit-sdk/chunk-upload-url", {}).status in (200, 400)


def test_they_live_through_bad_days_under_it(servers, filtered):
    client = filtered.client(filtered.project("bad-days"))
    filtered.apis[0].signal(1)
    servers.redis.stop()
    assert client.post_json("/v1/call", {"externalId": "a"}).status == 200
    servers.redis.start()
    servers.postgres.stop("immediate")
    wait_until(lambda: client.get("/health").status == 503, 10, "the api to notice")
    servers.postgres.start()
    filtered.wait_ready()
    assert client.retrying("POST", "/v1/call", b'{"externalId": "b"}', {"Content-Type": "application/json"}).status == 200
    filtered.correlators[0].kill()
    filtered.correlators[0].start()
    filtered.wait_ready()
    assert client.retrying("POST", "/v1/call", b'{"externalId": "c"}', {"Content-Type": "application/json"}).status == 200
    wait_until(lambda: filtered.apis[0].metrics()["calltrace_api_bus_peers"] == 1, 10, "the bus")


def test_they_end_well_under_it(filtered):
    for daemon in reversed(filtered.daemons()):
        assert daemon.terminate() == 0, daemon.log_tail()
