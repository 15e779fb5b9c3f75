"""How the rate holds while the store fills: one database, measured where it has 0, 1, 10, ... million spans."""

import shutil
import time

from bench import _case, _store
from bench._case import Case, Target

MEASURED_AT = (0, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
FILL_SECONDS = 30
BYTES_PER_SPAN = 300  # on disk, log included, generously
MEASURE = Case("growth", connections=64, seconds=12, ahead_rate=250_000, read_traces=1000)
READS = Case("growth-reads", seconds=20, share=0.5, has_reads=True, read_traces=200)
FILL = Case("fill", connections=64, seconds=FILL_SECONDS, warmup=0, read_traces=100)


class Filled:
    """A store and what was acknowledged into it; each run has a seed, and so traces, of its own."""

    def __init__(self, servers, build):
        self.target = Target(servers, build)
        self.sample = self.target.cluster.directory / "sample"
        self.plan = _case.prepare_reads(self.target)
        self.acked = _store.stored_spans(self.target.cluster)
        self.seed = 5000
        self.is_whole = True

    def send(self, case: Case, has_reads=False) -> dict:
        self.seed += 1
        watch = _case.Watch(self.target, self.plan if has_reads else None, case.seconds)
        result = _case.generate(self.target, {**case.options(), "seed": self.seed}, self.sample, watch)
        _store.check_sample(self.target.client(), self.sample)
        result["reads"] = watch.read_figures()
        result["cpu_s"] = watch.used
        self.acked += result["acked_spans"]
        self.is_whole &= result["exit_code"] == 0
        return result

    def measure(self) -> dict:
        before = self.acked
        rate = self.send(MEASURE)
        reads = self.send(_case.with_rate(READS, rate["spans_per_s"]), has_reads=True)
        per_million = {name: round(used / rate["spans"] * 1e6, 2) for name, used in rate["cpu_s"].items()}
        return {"stored": before, "spans_per_s": rate["spans_per_s"], "export_ms": rate["export_ms"],
                "cpu_s_per_million": per_million,
                "link_ms": reads["link_ms"], "reads": reads["reads"]}


def check_room(servers, spans: int):
    """Says at the beginning what would go wrong after hours."""
    room = shutil.disk_usage(servers.directory).free // BYTES_PER_SPAN
    if room < spans:
        raise SystemExit(f"growth: the disk has room for {room:,} of {spans:,} spans; ask for fewer with --growth")


def run(servers, spans: int, build=None) -> dict:
    """Fills the store by the way of any export. Every span is counted at the end, samples are read all along."""
    started = time.monotonic()
    try:
        filled = Filled(servers, build)
        points = []
        for stored in [at for at in MEASURED_AT if at < spans] + [spans]:
            while filled.acked < stored:
                filled.send(FILL)
            points.append(filled.measure())
            print(f"growth: {points[-1]['stored']:,} stored, {points[-1]['spans_per_s']:,.0f} spans/s,"
                  f" search p95 {points[-1]['reads']['search']['p95']} ms", flush=True)
        counted = _store.stored_spans(filled.target.cluster)
        return {"points": points, "spans_per_s": points[-1]["spans_per_s"], "acked_spans": filled.acked,
                "stored_spans": counted, "seconds": round(time.monotonic() - started),
                "disk_bytes_per_span": round(_store.disk_bytes(filled.target.cluster) / counted, 1),
                "is_whole": filled.is_whole and counted == filled.acked}
    finally:
        servers.close_clusters()


def figures(result: dict) -> dict:
    """What the aims ask for, in the form of a summary."""
    points = result["points"]

    def one(value):
        return {"median": value, "min": value, "max": value}

    named = {"rate against empty": one(round(points[-1]["spans_per_s"] / points[0]["spans_per_s"], 3))}
    for point in points:
        name = f"{point['stored'] / 1e6:,.1f} million stored"
        named[f"{name}: spans/s"] = one(point["spans_per_s"])
        named[f"{name}: Postgres, CPU s a million spans"] = one(point["cpu_s_per_million"]["postgres"])
        named[f"{name}: search p95, ms"] = one(point["reads"]["search"]["p95"])
        if 9_000_000 < point["stored"] < 20_000_000:
            named["search p95 at 10 million, ms"] = one(point["reads"]["search"]["p95"])
    return named
