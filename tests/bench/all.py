"""./calltrace bench: every figure that calltrace is measured by, beside its aim; or two builds compared.

Each run starts api and correlator on an empty database, lets the generator warm up and then counts for some
seconds, and ends with reading back what was acknowledged. Rounds go over all cases in turn, so that a slow
minute of the machine falls on all of them.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from bench import _builds, _case, _crowd, _growth, _report
from bench._case import Case, Target
from bench._postgres import configure
from bench._processes import connections_to, resident_mib
from support import paths
from support.servers import Servers

FLEET_CALLS = 10_000
IDLE_CONNECTIONS = 10_000
GROWTH_SPANS = 100_000_000
# More than is expected: what was not made ahead is made while the clock runs, and then costs.
AHEAD = {"protobuf": 250_000, "gzip": 200_000, "json": 100_000}


def bulk(name, **more):
    return Case(name, ahead_rate=AHEAD[more.get("encoding", "protobuf")], **more)


CASES = [
    bulk("bulk", has_copy=True, has_disk=True, connections=8),
    bulk("bulk-http", transport="http"),
    bulk("bulk-json", encoding="json"),
    bulk("bulk-gzip", encoding="gzip"),
    bulk("bulk-1", connections=1),
    bulk("bulk-64", connections=64, has_copy=True),
    bulk("bulk-256", connections=256, has_copy=True),
    bulk("bulk-spans-64", spans=64),
    bulk("bulk-spans-8192", spans=8192),
    Case("small", shape="small", ahead_rate=400_000),
    Case("collector", shape="collector", ahead_rate=150_000),
    Case("bulk-10", share=0.1),
    Case("bulk-50", share=0.5, has_reads=True, seconds=20),
    Case("bulk-90", share=0.9),
    Case("fleet", shape="fleet", connections=FLEET_CALLS, seconds=30, warmup=10, read_traces=1000),
    Case("fleet-calls", shape="fleet", connections=4, exports=103 * 5, seconds=120, warmup=0, whole_calls=True,
         has_disk=True),
]
QUICK = ("bulk", "bulk-http", "bulk-json", "bulk-gzip", "bulk-256", "small", "collector", "bulk-50", "fleet",
         "fleet-calls", "idle")
COMPARED = ("bulk", "bulk-http", "bulk-json", "bulk-gzip", "small", "collector", "bulk-50", "fleet")


def parse():
    names = [case.name for case in CASES] + ["idle", "crowd", "growth"]
    parser = argparse.ArgumentParser(prog="calltrace bench", description=__doc__.splitlines()[0],
                                     epilog=f"cases: {' '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="every shape once, shorter and smaller: under 3 minutes")
    parser.add_argument("--rounds", type=int, default=0, help="of every case (default 3; quick 1; compare 5)")
    parser.add_argument("--seconds", type=int, default=0, help="that count in a run")
    parser.add_argument("--only", default="", metavar="CASES", help="these cases, separated by commas")
    parser.add_argument("--calls", type=int, default=0, help=f"live calls of fleet (default {FLEET_CALLS})")
    parser.add_argument("--growth", type=int, default=GROWTH_SPANS, metavar="SPANS", help="stored at the end of growth")
    parser.add_argument("--out", type=Path, default=_report.OUT, metavar="FOLDER", help="for everything as JSON")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"),
                        help="two build folders or git revisions, run in turn; prints B against A")
    arguments = parser.parse_args()
    arguments.names = arguments.only.split(",") if arguments.only else \
        list(COMPARED) if arguments.compare else list(QUICK) if arguments.quick else names
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    arguments.rounds = arguments.rounds or (5 if arguments.compare else 1 if arguments.quick else 3)
    return arguments


def sized(case: Case, arguments) -> Case:
    """The case as long and as large as was asked for."""
    if arguments.quick:
        case = replace(case, seconds=3, warmup=1, read_traces=1000)
        if case.shape == "fleet":
            case = replace(case, connections=min(case.connections, 500), warmup=0 if case.exports else 5,
                           exports=103 if case.exports else 0, seconds=60 if case.exports else 6)
    if arguments.seconds and not case.exports:
        case = replace(case, seconds=arguments.seconds)
    if arguments.calls and case.name == "fleet":
        case = replace(case, connections=arguments.calls)
    return case


def idle(servers, connections: int, build=None) -> dict:
    """What the api keeps in memory for connections that do nothing."""
    target = Target(servers, build)
    try:
        before = resident_mib(target.cluster.apis[0].pid)
        with subprocess.Popen([_case.READER, *target.arguments(), f"--hold={connections}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as holder:
            held = holder.stdout.readline().split()
            time.sleep(2)
            figures = {"idle_connections": connections_to(target.port),
                       "idle_api_mib": round(resident_mib(target.cluster.apis[0].pid), 1),
                       "idle_api_mib_before": round(before, 1)}
            holder.stdin.close()
        figures["is_whole"] = held == ["held", str(connections)]
        return figures
    finally:
        servers.close_clusters()


class Bench:
    """Runs cases and remembers their results."""

    def __init__(self, servers, arguments):
        self.servers = servers
        self.arguments = arguments
        self.cases = {case.name: sized(case, arguments) for case in CASES}
        self.runs = {}  # (name, build) -> its runs
        self.seeds = 0
        self.reference = None  # the build whose best rate the others' loads are a share of

    def scale(self) -> dict:
        """Cases that are smaller than the aims mean."""
        fleet = self.cases["fleet"].connections
        scale = {"fleet": f"{fleet:,} calls"} if fleet < FLEET_CALLS else {}
        if self.arguments.quick:
            scale |= {"idle": "1,000 connections", "crowd": "1,100 connections", "fleet-calls": "few calls"}
        if self.arguments.growth < GROWTH_SPANS:
            scale["growth"] = f"{self.arguments.growth:,} spans"
        return scale

    def best_rate(self) -> float:
        """What bulk reached, for the cases that run at a share of it."""
        if ("bulk", self.reference) not in self.runs:
            self.run("bulk", self.reference)
        return _report.spread([run["spans_per_s"] for run in self.runs["bulk", self.reference]])["median"]

    def run(self, name: str, build=None, label=""):
        load = os.getloadavg()[0]
        self.seeds += 1
        if name == "idle":
            result = idle(self.servers, 1000 if self.arguments.quick else IDLE_CONNECTIONS, build)
        elif name == "crowd":
            size = (1000, 100, 5) if self.arguments.quick else (_crowd.IDLE, _crowd.SLOW, self.arguments.seconds)
            result = _crowd.run(self.servers, *size, build)
        elif name == "growth":
            result = _growth.run(self.servers, self.arguments.growth, build)
        else:
            case = self.cases[name]
            if case.share:
                case = _case.with_rate(case, self.best_rate())
            result = _case.run(self.servers, case, build, self.seeds)
        result["load_average"] = round(load, 2)
        self.runs.setdefault((name, build), []).append(result)
        facts = {"idle": "{idle_connections:,} connections, {idle_api_mib} MiB",
                 "crowd": "{crowd_connections:,} connections, export p99 of others {export_p99_ratio} times as long"}.get(
            name, "{spans_per_s:,.0f} durable spans/s")
        print(f"{name}{label}: {facts.format(**result)}{'' if result['is_whole'] else '   BROKEN'}"
              f"   (load average {load:.1f})", flush=True)

    def is_whole(self) -> bool:
        return all(run["is_whole"] for runs in self.runs.values() for run in runs)


def measure(bench: Bench, facts: dict):
    arguments = bench.arguments
    for number in range(arguments.rounds):
        for name in arguments.names:
            if name != "growth" or number == 0:
                bench.run(name, label=f" {number + 1}/{arguments.rounds}")
    summaries = {name: _report.summary(runs) for (name, _), runs in bench.runs.items()}
    for (name, _), runs in bench.runs.items():
        if name == "growth":
            summaries[name] |= _growth.figures(runs[0])
        _report.show_case(name, runs, summaries[name])
    rows = _report.aims(summaries, bench.scale())
    _report.show_aims(rows)
    _report.write(arguments.out, "quick" if arguments.quick else "all", {
        "machine": facts, "options": vars(arguments), "aims": rows, "summary": summaries,
        "runs": {name: runs for (name, _), runs in bench.runs.items()}})


def compare(bench: Bench, facts: dict):
    """B against A: each round runs both, so that a ratio is of neighbours in time."""
    arguments = bench.arguments
    builds = [_builds.build_of(name) for name in arguments.compare]
    bench.reference = builds[0]
    names = [name for name in arguments.names if name != "growth"]
    for number in range(arguments.rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for name in names:
            for at in order:
                bench.run(name, builds[at], f" {number + 1}/{arguments.rounds} {'AB'[at]}")
    print(f"\nB ({arguments.compare[1]}) against A ({arguments.compare[0]}): median of the ratios (least to most)")
    ratios = {}
    for name in names:
        a_runs, b_runs = (bench.runs[name, build] for build in builds)
        print(name)
        for label, of in _report.FIGURES:
            pairs = [(_report.figure(a, label, of), _report.figure(b, label, of)) for a, b in zip(a_runs, b_runs)]
            values = [b / a for a, b in pairs if a and b is not None]
            if len(values) == len(pairs):
                value = ratios.setdefault(name, {})[label] = _report.spread(values)
                medians = [_report.spread([pair[at] for pair in pairs])["median"] for at in (0, 1)]
                print(f"  {label:<44} {value['median']:>6.3f}  ({value['min']:.3f} to {value['max']:.3f})"
                      f"   A {_report.number(medians[0])}, B {_report.number(medians[1])}")
    _report.write(arguments.out, "compare", {"machine": facts, "options": vars(arguments), "ratios": ratios,
                              "runs": {f"{name} {'AB'[builds.index(build)]}": runs
                                       for (name, build), runs in bench.runs.items()}})


def main():
    arguments = parse()
    for binary in (_case.LOADGEN, _case.READER, paths.api_binary(), paths.correlator_binary()):
        if not binary.exists():
            raise SystemExit(f"{binary} is not built")
    started = time.monotonic()
    servers = Servers().start()
    try:
        if "growth" in arguments.names and not arguments.compare:
            _growth.check_room(servers, arguments.growth)
        configure(servers.postgres)
        facts = {**_report.machine(servers), "load_average_before": os.getloadavg()}
        bench = Bench(servers, arguments)
        (compare if arguments.compare else measure)(bench, facts)
    finally:
        servers.close()
    print(f"calltrace {facts['calltrace']}, Postgres {facts['postgres']['server_version']}, {facts['cores']} cores of"
          f" {facts['cpu']}, load average {os.getloadavg()[0]:.1f}, {time.monotonic() - started:.0f} s")
    return 0 if bench.is_whole() else 1


if __name__ == "__main__":
    sys.exit(main())
