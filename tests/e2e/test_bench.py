"""The bench itself: every shape and encoding arrives, and what is missing is noticed."""

import json
import os
import subprocess
import sys

import pytest

from bench import _case, _crowd, _store
from bench._case import Case, Target
from bench.all import idle
from support import paths

SHORT = {"seconds": 1, "warmup": 0, "connections": 2}
CASES = [
    Case("bulk", **SHORT, ahead_rate=2000),
    Case("bulk-http", transport="http", **SHORT),
    Case("bulk-json", encoding="json", **SHORT),
    Case("bulk-gzip", encoding="gzip", **SHORT),
    Case("small", shape="small", **SHORT),
    Case("collector", shape="collector", **SHORT),
    Case("by-clock", rate=4096, **SHORT),
    Case("fleet", shape="fleet", seconds=2, warmup=4, connections=20),
]


@pytest.fixture(autouse=True)
def generators():
    for binary in (_case.LOADGEN, _case.READER):
        if not binary.exists():
            pytest.fail(f"{binary} is not built")


def bench(folder, *words, code=0):
    """A whole run of the bench; what it wrote and printed."""
    done = subprocess.run([sys.executable, "-m", "bench.all", "--quick", f"--out={folder}", *words], cwd=paths.ROOT / "tests",
                          env={**os.environ, "CALLTRACE_BUILD": str(paths.build_dir())}, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.smoke
def test_the_quick_bench_runs(tmp_path):
    printed = bench(tmp_path, "--only=small,idle", "--seconds=1")
    written = json.loads((tmp_path / "quick.json").read_text())
    assert written["summary"]["small"]["durable spans/s"]["median"] > 0
    assert written["summary"]["idle"]["idle: connections open"]["median"] >= 1000
    assert {row["state"] for row in written["aims"]} >= {"not measured"}
    assert written["machine"]["postgres"]["fsync"] == "on"
    assert "every acknowledged span is there" in printed and "BROKEN" not in printed


def test_two_builds_are_compared(tmp_path):
    build = str(paths.build_dir())
    printed = bench(tmp_path, "--only=small", "--seconds=1", "--rounds=2", "--compare", build, build)
    ratio = json.loads((tmp_path / "compare.json").read_text())["ratios"]["small"]["durable spans/s"]
    assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"]
    assert [line[:11] for line in printed.splitlines()[:4]] == ["small 1/2 A", "small 1/2 B", "small 2/2 B", "small 2/2 A"]


def test_a_case_that_is_not_there_is_a_usage_error(tmp_path):
    assert "there is no case huge" in bench(tmp_path, "--only=bulk,huge", code=2)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_arrives_whole(servers, case):
    result = _case.run(servers, case)
    assert result["is_whole"], result
    assert result["spans"] > 0
    assert result["read"]["spans"] == result["acked_spans"] == result["stored_spans"]
    assert result["sampled_traces"] > 0
    assert result["lost"] == 0
    assert result["linked"] > 0 or case.shape == "fleet"
    assert result["connections"] >= case.connections
    assert result["retries"] == result["unsent"] == 0


def test_a_clock_keeps_its_rate(servers):
    result = _case.run(servers, Case("by-clock", rate=5120, seconds=2, warmup=1, connections=4))
    assert 0.9 * 5120 <= result["spans_per_s"] <= 1.1 * 5120


def test_reads_during_ingest_are_answered(servers):
    reads = _case.run(servers, Case("reads", rate=4096, has_reads=True, **SHORT))["reads"]
    assert set(reads) == {"tree", "trace", "search"}
    for name, figures in reads.items():
        assert figures["count"] > 0 and figures["refused"] == 0, (name, figures)


FORGETFUL = """
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER forget BEFORE INSERT ON segment FOR EACH ROW WHEN (get_byte(NEW.hash, 0) < 32)
EXECUTE FUNCTION forget();
"""


def test_what_is_acknowledged_and_not_stored_is_noticed(servers):
    """The reading back would be worth nothing if it could not fail."""
    target = Target(servers)
    try:
        target.cluster.sql(FORGETFUL)
        sample = target.cluster.directory / "sample"
        report = _case.generate(target, {"shape": "bulk", "exports": 10, "connections": 1, "seconds": 20, "warmup": 0,
                                         "call-every": 0, "seed": 3}, sample)
        assert report["exit_code"] == 1 and report["read"]["missing"] > 0
        assert _store.stored_spans(target.cluster) == report["acked_spans"] - report["read"]["missing"]
        with pytest.raises(AssertionError):
            _store.check_sample(target.client(), sample)
    finally:
        servers.close_clusters()


def test_a_key_that_may_not_ingest_ends_the_run(servers):
    target = Target(servers)
    try:
        reading = target.cluster.new_key("bench", "reader", "read")
        done = subprocess.run([_case.LOADGEN, f"--url={target.url}", f"--key={reading}",
                               f"--ca={target.cluster.authority.ca}", "--shape=bulk", "--seconds=1", "--warmup=0"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "403" in done.stderr and not done.stdout
    finally:
        servers.close_clusters()


@pytest.mark.parametrize("words", [[], ["--shape=none"], ["--shape=bulk"], ["--shape=bulk", "--url=x", "--key=y", "--rate"],
                                   ["--shape=bulk", "--url=x", "--key=y", "--seconds=no"]])
def test_bad_options_are_usage_errors(words):
    done = subprocess.run([_case.LOADGEN, *words], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage:")


def test_held_connections_are_open_in_the_kernel(servers):
    figures = idle(servers, 50)
    assert figures["is_whole"] and figures["idle_connections"] == 50


def test_a_crowd_is_there_while_others_send(servers):
    figures = _crowd.run(servers, 20, 10, seconds=1)
    assert figures["is_whole"] and figures["slow_open"] == 10
    assert figures["crowd_connections"] == 30
    assert 0 < figures["export_p99_ratio"] < 100


def test_a_report_is_json(servers):
    target = Target(servers)
    try:
        done = subprocess.run([_case.LOADGEN, *target.arguments(), "--shape=small", "--exports=1", "--connections=1",
                               "--warmup=0", "--seconds=10"], capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout)["acked_spans"] == 512
    finally:
        servers.close_clusters()


def test_size_is_measured_before_and_after_sealing(servers):
    case = Case("disk", exports=4, connections=2, seconds=60, warmup=0, has_disk=True, has_copy=True)
    result = _case.run(servers, case)
    disk = result["disk"]
    assert result["is_whole"] and disk["all_sealed"]
    assert disk["spans"] == result["acked_spans"] == 4 * 2 * 512
    assert 0 < disk["sealed_compact_bytes_per_span"] <= disk["sealed_bytes_per_span"]
    assert disk["sealed_next_bytes_per_span"] < disk["ingested_bytes_per_span"]
    assert disk["sealed_compact_bytes_per_span"] < disk["ingested_bytes_per_span"]
    assert result["copy"]["spans"] == result["acked_spans"] and 0 < result["share_of_copy"] < 1
