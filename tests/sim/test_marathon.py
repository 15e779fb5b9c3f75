"""The harness itself: it is right about a right calltrace, it notices a wrong one, and its faults act."""

import json
import os
import shutil
import socket
import threading
import time

import marathon
import pytest
from chaos import Chaos
from faults import TABLE, Fault, Scene, select
from marathon import Options
from stage import Stage

from support import paths
from support.process import free_port
from support.proxy import Links
from support.volume import Volume


def test_an_acknowledgement_before_its_commit_is_found(faulty_build, monkeypatch):
    """Kills alone show it: the answer was sent, the commit never came."""
    options = Options(faults=6, only=["kill_correlator", "kill_postgres"], outage=(1.0, 2.0), freeze=(0.5, 1.0))
    monkeypatch.setattr(marathon, "RECOVERY_S_MAX", 5)  # whoever asks at once sees no link
    found = marathon.run_round(options, 20260707, faulty_build, {"CALLTRACE_FAULT": "7"})
    print(*found.problems[:3], sep="\n")
    assert any("spans of" in problem or "missing" in problem or "was acknowledged" in problem
               for problem in found.problems)


def test_without_the_fault_the_same_round_is_right(faulty_build):
    options = Options(faults=6, only=["kill_correlator", "kill_postgres"], outage=(1.0, 2.0), freeze=(0.5, 1.0))
    found = marathon.run_round(options, 20260707, faulty_build)
    assert found.problems == []
    assert sum(found.counts.values()) == 6
    assert {name: len(values) for name, values in found.seconds.items()} == found.counts
    assert found.spans > 100 and found.calls > 20


def test_a_failing_run_says_how_to_repeat_it(monkeypatch, tmp_path, capsys):
    """A bound of memory that nothing keeps."""
    monkeypatch.setitem(marathon.BOUND_MIB, "api", 1)
    out = tmp_path / "chaos.json"
    assert marathon.main(["--faults", "1", "--only", "flush_redis", "--seed", "77", "--json", str(out)]) == 1
    said = capsys.readouterr().out
    assert "its bound is 1" in said
    assert "repeat with: ./calltrace chaos --seed 77 --faults 1 --round 1 --outage 8 --only flush_redis" in said
    told = json.loads(out.read_text())
    assert (told["seeds"], told["faults"], told["problems"]) == ([77], 1, 1)


def test_a_name_that_is_no_fault_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        marathon.main(["--only", "kill_everything"])
    assert ended.value.code == 2
    assert "kill_everything" in capsys.readouterr().err


def told(**kinds):
    row = {"faults": 3, "aim_s": 2.0, "found_nothing_to_hurt": 0, "recovery_worst_s": 1.0}
    return {"problems": 0, "left_out": {}, "kinds": {name: {**row, **change} for name, change in kinds.items()}}


@pytest.mark.parametrize("change, words", [
    ({}, None), ({"recovery_worst_s": 5.9}, None), ({"recovery_worst_s": 6.1}, "recovery"),
    ({"found_nothing_to_hurt": 2}, None), ({"found_nothing_to_hurt": 3}, "never found")])
def test_late_recovery_and_faults_without_effect_fail_the_run(change, words):
    found = marathon.failures(told(cut_links=change))
    assert bool(found) == (words is not None) and all(words in line for line in found)


def test_what_is_left_out_fails_a_run_that_may_skip_nothing(monkeypatch):
    summary = {**told(), "left_out": {"volumes": "no root"}}
    monkeypatch.delenv("CALLTRACE_NO_SKIP", raising=False)
    assert marathon.failures(summary) == []
    monkeypatch.setenv("CALLTRACE_NO_SKIP", "1")
    assert marathon.failures(summary) == ["nothing may be left out"]


# --- the schedule ------------------------------------------------------------------------------------


def schedule(monkeypatch, seed: int, count: int) -> list[str]:
    done = []

    def steps_of(name):
        def steps(_scene):
            done.append(name)
            yield

        return steps

    rows = [Fault(f"fault{n}", "all", 1 + n, "", 2.0, steps_of(f"fault{n}")) for n in range(5)]
    monkeypatch.setattr("faults.TABLE", rows)
    with Chaos(None, seed, "all", pause=(0, 0.001), count=count) as chaos:
        assert chaos.finished.wait(10)
    assert sum(chaos.counts.values()) == count
    return done


def test_a_seed_gives_one_schedule_and_each_kind_comes_once_first(monkeypatch):
    first = schedule(monkeypatch, 5, 30)
    assert first == schedule(monkeypatch, 5, 30)
    assert first != schedule(monkeypatch, 6, 30)
    assert len(set(first[:5])) == 5


def test_the_quick_schedule_and_the_readme_name_faults_that_exist():
    assert {row.name for row in select(*marathon.QUICK)} == set(marathon.QUICK)
    assert all(row.aim_s for row in TABLE)
    readme = (paths.ROOT / "tests/sim/README.md").read_text()
    assert [row.name for row in TABLE
            if f"`{row.name}`" not in readme and not row.name.startswith("freeze_")] == []


# --- links, disks, clocks ----------------------------------------------------------------------------


@pytest.fixture
def linked(tmp_path):
    """A server that sends back what it gets, behind a link."""
    server = socket.create_server(("127.0.0.1", free_port()))

    def echo(connection):
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    links = Links(tmp_path)
    port = links.add("echo", server.getsockname()[1])
    links.start()
    try:
        yield links, port
    finally:
        links.close()
        server.close()


def connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.settimeout(1)
    return made


def asked(connection: socket.socket) -> float:
    began = time.monotonic()
    connection.sendall(b"ping")
    assert connection.recv(4) == b"ping"
    return time.monotonic() - began


def test_a_link_passes_is_cut_and_passes_again(linked):
    links, port = linked
    connection = connect(port)
    asked(connection)
    assert links.set("cut", ["echo"]) == 1
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(OSError):
        late = connect(port)
        late.sendall(b"ping")
        assert late.recv(4) == b"", "a cut link lets nobody in"
        raise ConnectionResetError
    assert links.set("pass", ["echo"]) == 1
    asked(connect(port))


def test_a_stalled_link_keeps_what_it_got_and_gives_it_later(linked):
    links, port = linked
    connection = connect(port)
    asked(connection)
    links.set("stall", ["echo"])
    connection.sendall(b"later")
    with pytest.raises(TimeoutError):
        connection.recv(5)
    assert links.set("pass", ["echo"]) >= 1
    connection.settimeout(5)
    assert connection.recv(5) == b"later"


def test_a_slow_link_waits_in_both_directions(linked):
    links, port = linked
    connection = connect(port)
    quick = asked(connection)
    links.set("slow", ["echo"], 150)
    assert asked(connection) >= 0.3 > quick


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_filled_disk_takes_nothing_and_is_given_back(tmp_path):
    volume = Volume(tmp_path / "disk", 4)
    assert volume.mount() == ""
    try:
        with volume.filled():
            with pytest.raises(OSError), open(volume.directory / "more", "wb") as file:
                file.write(bytes(1 << 20))
        (volume.directory / "more").write_bytes(bytes(1 << 20))
    finally:
        volume.close()


def test_where_nothing_can_be_mounted_the_faults_that_need_it_are_left_out(monkeypatch):
    monkeypatch.setattr(Volume, "mount", lambda _self: "not here")
    stage = Stage(needs=("volumes",))
    try:
        assert stage.left_out == {"volumes": "no file system can be mounted (not here)"}
        assert not Scene(None, None, volumes=stage.volumes).has("volumes")
    finally:
        shutil.rmtree(stage.directory)
