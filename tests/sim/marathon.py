"""./calltrace chaos: faults from a seeded schedule under load, and what was acknowledged compared with what is there.

A round is a new calltrace on servers of its own, hurt by a number of faults while stories are sent. At its end every
acknowledged span must be readable once and as it was sent, every acknowledged call must be there, table `link` must
equal the equation (support/equation.py), and no process may have grown beyond its bound. The faults stand in
faults.py, the stories in stories.py.
"""

import argparse
import json
import os
import statistics
import sys
import threading
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from bench._processes import peak_mib
from chaos import Chaos, Watcher
from faults import TABLE, Fault, select
from simulation import Simulation
from stage import BOUND_MIB, Stage

from support import otlp, paths
from support.client import JSON, PROTOBUF, NoAnswer

LATE = 3
RECOVERY_S_MAX = 60  # then the round fails, whatever the aim is
QUICK = ("kill_api", "kill_correlator", "freeze_correlator", "flush_redis", "redis_down", "kill_postgres", "failover",
         "disk_full", "cut_links", "stall_links", "clock_step", "vanishing_clients")


@dataclass
class Options:
    faults: int = 40  # of one round
    rounds: int = 1
    minutes: float = 0.0  # goes on with new rounds so long
    seed: int = 1
    only: list[str] = field(default_factory=list)
    outage: tuple[float, float] = (3.0, 8.0)
    freeze: tuple[float, float] = (0.5, 5.0)
    events_per_s: float = 120.0


class Recovery(Watcher):
    """How long after each fault every api again acknowledges a create and an export, and shows them linked."""

    def __init__(self, cluster, project, chaos_scene):
        self.cluster = cluster
        self.project = project
        self.scene = chaos_scene
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.inert: dict[str, int] = defaultdict(int)
        self.peaks: dict[str, float] = defaultdict(float)
        self.threads: list[threading.Thread] = []
        self.found: list[float] = []

    def over(self, fault: Fault):
        began = time.monotonic()
        self.found = []
        self.threads = [threading.Thread(target=self._probe, args=(api, began))
                        for api in range(len(self.cluster.apis))]
        for thread in self.threads:
            thread.start()

    def done(self, fault: Fault):
        for thread in self.threads:
            thread.join()
        assert len(self.found) == len(self.threads), \
            f"after {fault.name} not everything was acknowledged and linked within {RECOVERY_S_MAX} s"
        self.seconds[fault.name].append(max(self.found))
        if not self.scene.acted:
            self.inert[fault.name] += 1
        self.look_at_memory()
        print(f"  {fault.name}: {max(self.found):.2f} s", flush=True)

    def look_at_memory(self):
        for daemon in self.cluster.daemons():
            kind = daemon.name.rstrip("0123456789")
            self.peaks[kind] = max(self.peaks[kind], peak_mib(daemon.pid))

    def _probe(self, api: int, began: float):
        client = self.cluster.client(self.project, api, timeout=5.0)
        while time.monotonic() - began < RECOVERY_S_MAX:
            try:
                if self._is_linked(client):
                    self.found.append(time.monotonic() - began)
                    break
            except NoAnswer:
                pass
            time.sleep(0.01)
        client.close()

    @staticmethod
    def _is_linked(client) -> bool:
        value = str(uuid.uuid4())
        trace = otlp.new_trace_id()
        body = otlp.request([otlp.span(trace)], {"roark.external_id": value}).SerializeToString()
        if client.export(body, PROTOBUF).status != 200:
            return False
        made = client.request("POST", "/v1/call", json.dumps({"externalId": value}).encode(), {"Content-Type": JSON})
        if made.status != 200:
            return False
        linked = client.get(f"/v1/call/{made.data['id']}/traces")
        return linked.status == 200 and [one["traceId"] for one in linked.data] == [trace.hex()]


@dataclass
class Round:
    seed: int
    counts: dict[str, int]
    seconds: dict[str, list[float]]
    inert: dict[str, int]
    peaks: dict[str, float]
    left_out: dict[str, str]
    spans: int
    calls: int
    wall_s: float
    problems: list[str]


def run_round(options: Options, seed: int, build: Path | None = None, env: dict | None = None) -> Round:
    began = time.monotonic()
    rows = select(*(options.only or [row.name for row in TABLE]))
    stage = Stage({row.needs for row in rows} & {"pair", "volumes", "clocks"} | {"links"}).start()
    try:
        return _run_on(stage, options, seed, [row.name for row in rows], began, build, env)
    finally:
        stage.close()


def _run_on(stage, options, seed, names, began, build, env) -> Round:
    cluster = stage.calltrace(build, env)
    chaos = Chaos(cluster, seed, *names, pause=(0.05, 0.3), count=options.faults,
                  freeze=options.freeze, outage=options.outage, links=stage.links, volumes=stage.volumes,
                  pair=stage.pair, clocks=stage.clocks, project=cluster.project("vanishing"))
    chaos.watcher = recovery = Recovery(cluster, cluster.project("recovery"), chaos.scene)
    simulation = Simulation(cluster, seed, 500, workers=12, probe=0.01, pause=0.1, until=chaos.finished,
                            events_per_s=options.events_per_s)
    problems = []
    try:
        problems += simulation.run(chaos)
        problems += simulation.check_everything()
    except Exception as error:  # the summary tells it, with the seed
        problems.append(f"{type(error).__name__}: {error}")
    recovery.look_at_memory()
    for kind, bound in BOUND_MIB.items():
        if recovery.peaks[kind] > bound:
            problems.append(f"{kind} took {recovery.peaks[kind]:.0f} MiB, its bound is {bound}")
    if problems:
        problems.append(cluster.logs(15))
    return Round(seed, chaos.counts, recovery.seconds, recovery.inert, recovery.peaks, stage.left_out,
                 *simulation.acknowledged(), time.monotonic() - began, problems)


# --- the report --------------------------------------------------------------------------------------


def summary(options: Options, rounds: list[Round], wall_s: float) -> dict:
    seconds = defaultdict(list)
    for one in rounds:
        for name, values in one.seconds.items():
            seconds[name] += values
    aims = {row.name: row.aim_s for row in TABLE}
    kinds = {name: {"faults": sum(one.counts.get(name, 0) for one in rounds), "aim_s": aims[name],
                    "found_nothing_to_hurt": sum(one.inert.get(name, 0) for one in rounds),
                    "recovery_median_s": round(statistics.median(values), 3),
                    "recovery_worst_s": round(max(values), 3),
                    "over_aim": sum(value > aims[name] for value in values)}
             for name, values in sorted(seconds.items())}
    return {"seeds": [one.seed for one in rounds], "faults": sum(sum(one.counts.values()) for one in rounds),
            "wall_s": round(wall_s, 1), "acknowledged_spans": sum(one.spans for one in rounds),
            "acknowledged_calls": sum(one.calls for one in rounds),
            "problems": sum(len(one.problems) > 0 for one in rounds), "kinds": kinds,
            "peak_mib": {kind: round(max(one.peaks.get(kind, 0) for one in rounds), 1) for kind in BOUND_MIB},
            "bound_mib": BOUND_MIB, "left_out": {why: text for one in rounds for why, text in one.left_out.items()},
            "outage_s": options.outage, "freeze_s": options.freeze}


def failures(told: dict) -> list[str]:
    """What of the summary is not as it must be. The aims of recovery are a quiet machine's: one that is busy with other
    work has time until LATE times as much."""
    found = [f"{told['problems']} rounds with problems, see above"] if told["problems"] else []
    for name, kind in told["kinds"].items():
        if kind["recovery_worst_s"] > LATE * kind["aim_s"]:
            found.append(f"recovery from {name} took {kind['recovery_worst_s']} s, the aim is {kind['aim_s']} s")
        if 3 <= kind["faults"] == kind["found_nothing_to_hurt"]:
            found.append(f"{name} never found anything to hurt")
    if told["left_out"] and os.environ.get("CALLTRACE_NO_SKIP") == "1":
        found.append("nothing may be left out")
    return found


def show(told: dict):
    print(f"\n{'fault':<20}{'faults':>7}{'median s':>10}{'worst s':>9}{'aim s':>7}{'over aim':>10}{'no effect':>11}")
    for name, kind in told["kinds"].items():
        print(f"{name:<20}{kind['faults']:>7}{kind['recovery_median_s']:>10.2f}{kind['recovery_worst_s']:>9.2f}"
              f"{kind['aim_s']:>7.0f}{kind['over_aim']:>10}{kind['found_nothing_to_hurt']:>11}")
    print(f"\n{told['faults']} faults in {told['wall_s']:.0f} s; {told['acknowledged_spans']:,} spans and "
          f"{told['acknowledged_calls']:,} calls acknowledged")
    print("most memory: " + ", ".join(f"{kind} {peak:.0f} of {told['bound_mib'][kind]} MiB"
                                      for kind, peak in told["peak_mib"].items()))
    for need, why in told["left_out"].items():
        print(f"left out: faults that need {need}: {why}")


def parse(words) -> tuple[Options, Path]:
    parser = argparse.ArgumentParser(prog="calltrace chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short schedule, under a minute")
    parser.add_argument("--faults", type=int, default=100, help="in all (100)")
    parser.add_argument("--minutes", type=float, default=0, help="go on so long, whatever --faults says")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; drawn and printed without it")
    parser.add_argument("--only", default="", help="names of faults or of who is hurt, separated by commas: "
                        + ", ".join(row.name for row in TABLE))
    parser.add_argument("--outage", type=float, default=8.0, help="seconds that servers are away at most (8)")
    parser.add_argument("--round", type=int, default=40, help="faults before everything is compared (40)")
    parser.add_argument("--json", type=Path, default=paths.ROOT / "build" / "chaos.json", help="where the summary goes")
    given = parser.parse_args(words)
    only = [word for word in given.only.split(",") if word]
    try:
        select(*only)
    except AssertionError as error:
        parser.error(str(error))
    options = Options(faults=min(given.round, given.faults), rounds=-(-given.faults // given.round),
                      minutes=given.minutes, only=only, outage=(given.outage / 2, given.outage),
                      seed=given.seed if given.seed is not None else int.from_bytes(os.urandom(3), "big"))
    if given.quick:
        options.only = only or list(QUICK)
        options.faults, options.rounds = len(select(*options.only)), 1
        options.outage, options.freeze = (1.0, 2.0), (0.5, 2.0)
    return options, given.json


def main(words=None) -> int:
    options, out = parse(words)
    print(f"chaos: seed {options.seed}", flush=True)
    rounds, began = [], time.monotonic()
    for number in range(10**9):
        is_over = time.monotonic() - began > options.minutes * 60 if options.minutes else number >= options.rounds
        if is_over:
            break
        seed = options.seed + number
        last = run_round(options, seed)
        rounds.append(last)
        print(f"round {number + 1}, seed {seed}: {sum(last.counts.values())} faults in {last.wall_s:.0f} s, "
              f"{len(last.problems)} problems", flush=True)
        print(*last.problems, sep="\n", flush=True)
        if last.problems:
            only = f" --only {','.join(options.only)}" if options.only else ""
            print(f"repeat with: ./calltrace chaos --seed {seed} --faults {options.faults} --round {options.faults}"
                  f" --outage {options.outage[1]:g}{only}")
    told = summary(options, rounds, time.monotonic() - began)
    show(told)
    told["failures"] = failures(told)
    print(*told["failures"], sep="\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")
    print(f"summary: {out}")
    return 1 if told["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
