"""Figures of several rounds: medians with their spread, beside the aims."""

import json
import os
import platform
import statistics
from pathlib import Path

import psycopg

from bench import _builds
from bench._postgres import SETTINGS
from support import paths

OUT = paths.ROOT / "build" / "bench"
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


def machine(servers) -> dict:
    """What the figures belong to. Refuses a Postgres that may forget."""
    with psycopg.connect(servers.postgres.conninfo("postgres")) as connection:
        settings = {name: connection.execute(f"SHOW {name}").fetchone()[0]
                    for name in ("server_version", *DURABLE, *SETTINGS)}
    assert all(settings[name] == "on" for name in DURABLE), settings
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown")
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {"calltrace": _builds.revision(), "cores": os.cpu_count(), "cpu": cpu, "kernel": platform.release(),
            "memory_gib": round(memory_kib / (1 << 20), 1), "postgres": settings}


def spread(values) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def per_million(run: dict, name: str) -> float:
    return run["cpu_s"][name] / max(run["spans"], 1) * 1e6


# Of each run: how a figure is called, and where it stands. Those without a value are left out.
FIGURES = [
    ("durable spans/s", lambda run: run["spans_per_s"]),
    ("calls created a thousand spans", lambda run: run["calls_counted"] / max(run["spans"], 1) * 1000),
    ("bare COPY spans/s", lambda run: run["copy"]["spans_per_s"]),
    ("share of bare COPY", lambda run: run["share_of_copy"]),
    ("export p50, ms", lambda run: run["export_ms"]["p50"]),
    ("export p99, ms", lambda run: run["export_ms"]["p99"]),
    ("time to link p50, ms", lambda run: run["link_ms"]["p50"]),
    ("time to link p99, ms", lambda run: run["link_ms"]["p99"]),
    ("time to show p99, ms", lambda run: run["show_ms"]["p99"]),
    ("refused: sent again, or never", lambda run: run["refused"]),
    ("sent late", lambda run: run["late"]),
    ("generator behind its clock p99, ms", lambda run: run["oversleep_ms"]["p99"]),
    ("connections open", lambda run: run["connections"]),
    ("idle: connections open", lambda run: run["idle_connections"]),
    ("idle: api resident, MiB", lambda run: run["idle_api_mib"]),
    ("crowd: connections open", lambda run: run["crowd_connections"]),
    *((f"crowd: {text} p99 {when}, ms", lambda run, when=when, key=key: run[when][key]["p99"])
      for text, key in (("export", "export_ms"), ("time to link", "link_ms")) for when in ("alone", "amid")),
    ("crowd: export p99 amid it against alone", lambda run: run["export_p99_ratio"]),
    ("tree p50, ms", lambda run: run["reads"]["tree"]["p50"]),
    ("tree p99, ms", lambda run: run["reads"]["tree"]["p99"]),
    ("trace p99, ms", lambda run: run["reads"]["trace"]["p99"]),
    ("search p50, ms", lambda run: run["reads"]["search"]["p50"]),
    ("search p95, ms", lambda run: run["reads"]["search"]["p95"]),
    ("disk as ingested, bytes/span", lambda run: run["disk"]["ingested_bytes_per_span"]),
    ("disk sealed, bytes/span", lambda run: run["disk"]["sealed_bytes_per_span"]),
    ("disk sealed, of what came next, bytes/span", lambda run: run["disk"]["sealed_next_bytes_per_span"]),
    ("disk sealed compact, bytes/span", lambda run: run["disk"]["sealed_compact_bytes_per_span"]),
    ("disk as ingested, bytes/trace", lambda run: run["disk"]["ingested_bytes_per_trace"]),
    ("disk sealed, bytes/trace", lambda run: run["disk"]["sealed_bytes_per_trace"]),
    ("disk sealed, of what came next, bytes/trace", lambda run: run["disk"]["sealed_next_bytes_per_trace"]),
    ("disk sealed compact, bytes/trace", lambda run: run["disk"]["sealed_compact_bytes_per_trace"]),
    *((f"CPU s a million spans: {name}", lambda run, name=name: per_million(run, name))
      for name in ("api", "correlator", "postgres", "redis", "loadgen")),
    *((f"peak memory, MiB: {name}", lambda run, name=name: run["peak_mib"][name])
      for name in ("api", "correlator", "postgres", "redis", "loadgen")),
    ("others' CPU, cores", lambda run: run["others_cores"]),
]
# Figures of times without samples say nothing.
NEEDS = {"export": "export_ms", "time to link": "link_ms", "time to show": "show_ms", "generator": "oversleep_ms"}


def figure(run: dict, name: str, of):
    for prefix, samples in NEEDS.items():
        if name.startswith(prefix) and run.get(samples, {}).get("count", 0) == 0:
            return None
    try:
        return of(run)
    except KeyError:
        return None


def summary(runs: list[dict]) -> dict:
    """Medians and spread of the runs of one case."""
    result = {}
    for name, of in FIGURES:
        values = [value for run in runs if (value := figure(run, name, of)) is not None]
        if values:
            result[name] = spread(values)
    return result


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def show_case(name: str, runs: list[dict], figures: dict):
    rounds = f"{len(runs)} round{'s' if len(runs) > 1 else ''}"
    print(f"\n{name} ({rounds}): median (least to most)")
    for label, value in figures.items():
        print(f"  {label:<44} {number(value['median']):>12}  ({number(value['min'])} to {number(value['max'])})")
    broken = [run for run in runs if not run["is_whole"]]
    if any("read" in run for run in runs):
        read, missing, wrong = (sum(run["read"][key] for run in runs) for key in ("spans", "missing", "wrong"))
        stored, acked = (sum(run[key] for run in runs) for key in ("stored_spans", "acked_spans"))
        print(f"  every acknowledged span is there             {acked:,} acknowledged, {stored:,} stored, {read:,} read back,"
              f" {missing} missing, {wrong} traces wrong{'' if not broken else '   BROKEN'}")


# bulk may be sent over any number of connections.
BULK = ("bulk-1", "bulk", "bulk-64", "bulk-256")
# What is wanted on 2 cores: text, case or the cases of which the best counts, figure, whether more is better, and
# the aim, a number or (case, figure, factor).
AIMS = [
    ("bulk, durable spans/s", BULK, "durable spans/s", True, 200_000),
    ("bulk, share of bare COPY", BULK, "share of bare COPY", True, 0.80),
    ("small, durable spans/s", "small", "durable spans/s", True, 300_000),
    ("JSON against protobuf", "bulk-json", "durable spans/s", True, ("bulk", "durable spans/s", 0.35)),
    ("gzip against protobuf", "bulk-gzip", "durable spans/s", True, ("bulk", "durable spans/s", 0.7)),
    ("time to link p99 at half the rate, ms", "bulk-50", "time to link p99, ms", False, 25),
    ("api at 256 connections, MiB", "bulk-256", "peak memory, MiB: api", False, 160),
    ("correlator at 256 connections, MiB", "bulk-256", "peak memory, MiB: correlator", False, 64),
    ("api with 10,000 idle connections, MiB", "idle", "idle: api resident, MiB", False, 640),
    ("others' export p99 amid a crowd, times", "crowd", "crowd: export p99 amid it against alone", False, 1.5),
    ("fleet, connections open", "fleet", "connections open", True, 10_000),
    ("fleet, exports refused", "fleet", "refused: sent again, or never", False, 0),
    ("fleet, time to link p99, ms", "fleet", "time to link p99, ms", False, 100),
    ("sealed bulk span on disk, bytes", "bulk", "disk sealed, of what came next, bytes/span", False, 100),
    ("sealed 60-turn call on disk, bytes", "fleet-calls", "disk sealed, of what came next, bytes/trace", False, 150_000),
    ("tree of 817 spans during ingest p99, ms", "bulk-50", "tree p99, ms", False, 30),
    ("rate at the most stored spans against empty", "growth", "rate against empty", True, 0.9),
    ("search at 10 million spans p95, ms", "growth", "search p95 at 10 million, ms", False, 50),
]


def aims(summaries: dict, scale: dict) -> list[dict]:
    """Each aim with what was measured; `scale` says which cases ran smaller than the aim means."""
    rows = []
    for text, cases, name, is_more, aim in AIMS:
        cases = cases if isinstance(cases, tuple) else (cases,)
        found = [(summaries[case][name]["median"], case) for case in cases if name in summaries.get(case, {})]
        value, case = (max(found) if is_more else min(found)) if found else (None, cases[0])
        if isinstance(aim, tuple):
            other = summaries.get(aim[0], {}).get(aim[1])
            aim = None if other is None else aim[2] * other["median"]
        if value is None or aim is None:
            state = "not measured"
        elif case in scale:
            state = f"not at this size ({scale[case]})"
        else:
            state = "reached" if (value >= aim if is_more else value <= aim) else "MISSED"
        rows.append({"aim": text, "case": case, "wanted": aim, "is_more": is_more, "measured": value, "state": state})
    return rows


def show_aims(rows: list[dict]):
    print(f"\n{'aim':<44} {'wanted':>10} {'measured':>10}")
    for row in rows:
        wanted, measured = ("-" if row[key] is None else number(row[key]) for key in ("wanted", "measured"))
        print(f"{row['aim']:<44} {('>= ' if row['is_more'] else '<= ') + wanted:>10} {measured:>10}  {row['state']}"
              f"  ({row['case']})")


def write(folder: Path, name: str, content: dict):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, default=str) + "\n")
    print(f"\neverything is in {path}")
