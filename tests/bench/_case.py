"""One case of the bench: what is sent, and one run of it against an empty database."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from bench import _store
from bench._processes import Costs, TreePeak, connections_to, peak_mib
from support import paths
from support.process import free_port

GENERATORS = paths.build_dir() / "tests" / "bench"
LOADGEN = GENERATORS / "calltrace-loadgen"
READER = GENERATORS / "calltrace-reader"
PROTOBUF = "application/x-protobuf"
SEARCHES = 20  # different ones
MORE_SEEDS = 100_000


@dataclass(frozen=True)
class Case:
    """A run of the load generator. Numbers at 0 mean what the shape says."""

    name: str
    shape: str = "bulk"
    transport: str = "https"
    encoding: str = "protobuf"
    connections: int = 8
    seconds: float = 10
    warmup: int = 2
    rate: int = 0  # spans a second by the clock; 0: the shape's own pace
    share: float = 0  # of the rate that the first case of this shape reached
    spans: int = 0  # in one export
    exports: int = 0  # of each connection; then the seconds are only a bound
    ahead_rate: int = 0  # spans a second that must have been made before the clock starts
    read_traces: int = 0  # read back at most so many; 0: all
    has_reads: bool = False  # tree, trace and search are read meanwhile
    has_copy: bool = False  # bare COPY of what was stored is measured after
    has_disk: bool = False  # size on disk, sealed too
    whole_calls: bool = False  # calls from their first span on, as fast as they go

    def options(self) -> dict:
        spans = self.spans or {"fleet": 8}.get(self.shape, 512)
        numbers = {"seconds": int(self.seconds), "warmup": self.warmup, "connections": self.connections,
                   "rate": self.rate, "exports": self.exports, "read-traces": self.read_traces,
                   "ahead": int(self.ahead_rate * (self.seconds + self.warmup) / spans)}
        options = {"shape": self.shape, "encoding": self.encoding, **{k: v for k, v in numbers.items() if v}}
        if self.spans:
            options["spans"] = self.spans
        if self.warmup == 0:
            options["warmup"] = 0
        if self.whole_calls:
            options |= {"period-ms": 0, "midway": 0}
        return options


class Target:
    """A started calltrace and where a generator reaches it."""

    def __init__(self, servers, build=None, transport="https", rows=None):
        self.servers = servers
        self.http_port = free_port() if transport == "http" else 0
        # The generator is many clients at one address; older builds to compare with know no such bound.
        api_rows = {"connections_per_address_max": "0"} if build is None else {}
        if self.http_port:
            api_rows["listen_http"] = f"127.0.0.1:{self.http_port}"
        self.cluster = servers.cluster(api_rows={**api_rows, **(rows or {})},
                                       env={"CALLTRACE_LOG_LEVEL": "warn"}, build=build)
        self.project = self.cluster.project("bench")
        self.port = self.http_port or self.cluster.apis[0].port
        self.url = f"http://127.0.0.1:{self.port}" if self.http_port else f"https://localhost:{self.port}"
        self.disk_empty = _store.disk_bytes(self.cluster)

    def arguments(self):
        return [f"--url={self.url}", f"--key={self.project.key}", f"--ca={self.cluster.authority.ca}"]

    def client(self):
        return self.cluster.client(self.project, timeout=60.0)


class Watch:
    """What the processes use while the figures count, from the generator's marks."""

    def __init__(self, target: Target, reads: Path | None, seconds: float):
        self.target = target
        self.reads = reads
        self.seconds = seconds
        self.costs = Costs(target.servers, target.cluster)
        self.used = {}
        self.connections = 0
        self.peak = {}
        self.reader = None
        self._end = threading.Event()
        self._counter = threading.Thread(target=self._count, daemon=True)

    def mark(self, name):
        if name == "begin":
            self.costs.start()
            self._counter.start()
            if self.reads:
                self.reader = subprocess.Popen(
                    [READER, *self.target.arguments(), f"--plan={self.reads}", f"--seconds={int(self.seconds)}"],
                    stdout=subprocess.PIPE, text=True)
        if name == "end":
            self.used = self.costs.since()
            self.peak = self.target_peaks()
            self._end.set()

    def target_peaks(self):
        return {"api": peak_mib(self.target.cluster.apis[0].pid),
                "correlator": peak_mib(self.target.cluster.correlators[0].pid),
                "redis": peak_mib(self.target.servers.redis.process.pid)}

    def _count(self):
        """The most connections that the kernel had open at once."""
        while True:
            self.connections = max(self.connections, connections_to(self.target.port))
            if self._end.wait(2.0):
                return

    def read_figures(self):
        if self.reader is None:
            return {}
        out, _ = self.reader.communicate(timeout=120)
        return json.loads(out)


def generate(target: Target, options: dict, sample: Path, watch: Watch | None = None):
    """Runs the load generator to its end; its report."""
    command = [LOADGEN, *target.arguments(), f"--shape={options['shape']}", f"--sample={sample}",
               *(f"--{name}={value}" for name, value in options.items() if name != "shape")]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as child:
        for line in child.stderr:
            if line.startswith("loadgen: ") and line.strip() in MARKS:
                if watch:
                    watch.mark(line.split()[1])
            else:
                print(line, end="", file=sys.stderr)
        report = child.stdout.read()
    if not report:
        raise SystemExit(f"the load generator ended with code {child.returncode}")
    result = json.loads(report)
    result["exit_code"] = child.returncode
    return result


MARKS = ("loadgen: open", "loadgen: begin", "loadgen: end")


def prepare_reads(target: Target) -> Path:
    """Stores a whole call and some traces; a plan of reading them."""
    directory = target.cluster.directory
    call, some = directory / "sample-call", directory / "sample-some"
    generate(target, {"shape": "fleet", "connections": 1, "exports": 103, "period-ms": 0, "midway": 0,
                      "seconds": 60, "warmup": 0, "seed": 1001}, call)
    generate(target, {"shape": "bulk", "connections": 2, "exports": 8, "seconds": 60, "warmup": 0,
                      "seed": 1002}, some)
    trace = call.read_text().split()[0]
    plan = [f"tree 5 application/json /v1/traces/{trace}/tree",
            f"trace 2 {PROTOBUF} /v1/traces/{trace}"]
    jobs = _store.sampled_values(some, "lk.job_id")[:SEARCHES]
    plan += [f"search {5 / len(jobs):.4f} application/json /v1/traces?attr=lk.job_id:{job}" for job in jobs]
    path = directory / "plan"
    path.write_text("\n".join(plan) + "\n")
    return path


def send_more(target: Target, case: Case, seed: int) -> int:
    """As much again, of other traces; how many spans were acknowledged."""
    sample = target.cluster.directory / "sample-more"
    result = generate(target, {**case.options(), "ahead": 0, "seed": seed + MORE_SEEDS}, sample)
    assert result["exit_code"] == 0, result
    _store.check_sample(target.client(), sample)
    return result["acked_spans"]


def run(servers, case: Case, build=None, seed=1) -> dict:
    """One run on an empty database: what was measured, and whether everything is there."""
    target = Target(servers, build, case.transport)
    try:
        plan = prepare_reads(target) if case.has_reads else None
        before = _store.stored_spans(target.cluster)
        target.cluster.sql("CHECKPOINT")
        sample = target.cluster.directory / "sample"
        watch = Watch(target, plan, case.seconds)
        with TreePeak(servers.postgres.process.pid) as postgres:
            result = generate(target, {**case.options(), "seed": seed}, sample, watch)
        result["sampled_traces"] = _store.check_sample(target.client(), sample)
        result["stored_spans"] = _store.stored_spans(target.cluster) - before
        result["reads"] = watch.read_figures()
        result["connections"] = watch.connections
        result["cpu_s"] = {**watch.used, "loadgen": round(result.pop("cpu_s"), 2)}
        result["others_cores"] = round(
            (watch.costs.machine - sum(result["cpu_s"].values())) / max(watch.costs.seconds, 0.1), 2)
        result["peak_mib"] = {name: round(value) for name, value in
                              {**watch.peak, "postgres": postgres.mib,
                               "loadgen": result.pop("peak_kib") / 1024}.items()}
        if case.has_copy:
            result["copy"] = _store.copy_rate(target.cluster.conninfo)
            result["share_of_copy"] = round(result["spans_per_s"] / result["copy"]["spans_per_s"], 3)
        if case.has_disk:
            result["disk"] = _store.disk_figures(target, lambda: send_more(target, case, seed))
            _store.check_sample(target.client(), sample)
        result["refused"] = result["retries"] + result["unsent"]
        result["is_whole"] = result["exit_code"] == 0 and result["stored_spans"] == result["acked_spans"]
        return result
    finally:
        servers.close_clusters()


def with_rate(case: Case, spans_per_s: float) -> Case:
    """The case at its share of what was reached without a clock."""
    return replace(case, rate=max(1, round(case.share * spans_per_s)))
