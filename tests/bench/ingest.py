"""./calltrace bench ingest: how many spans per second become durable, and what that costs.

Each round starts api and correlator on an empty database, lets calltrace-loadgen send for some
seconds, and then loads the same segments into a copy of the table by bare COPY. Everything that was
acknowledged is read back and compared with what was sent.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from bench._postgres import SETTINGS, configure
from bench._processes import TreePeak, cpu_seconds, peak_mib, tree_cpu_seconds
from support import paths
from support.process import free_port
from support.servers import Servers

OUT = paths.ROOT / "build" / "bench" / "ingest.json"
COPY_TIMES = 3
COPY_CHUNK_BYTES = 1 << 20


def parse():
    parser = argparse.ArgumentParser(prog="calltrace bench ingest", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds for each transport")
    parser.add_argument("--seconds", type=int, default=10, help="of sending in one round")
    parser.add_argument("--connections", type=int, default=8, help="of exporters")
    parser.add_argument("--transports", default="https,http", help="https, http or both")
    parser.add_argument("--spans", type=int, default=512, help="in one export")
    parser.add_argument("--words", type=int, default=30, help="in each spoken text")
    parser.add_argument("--call-every", type=int, default=10, help="one call for so many traces; 0: none")
    return parser.parse_args()


def loadgen() -> Path:
    return paths.build_dir() / "tests" / "bench" / "calltrace-loadgen"


class Costs:
    """CPU seconds of every process between two moments."""

    def __init__(self, servers, cluster):
        self.readers = {
            "api": lambda: cpu_seconds(cluster.apis[0].pid),
            "correlator": lambda: cpu_seconds(cluster.correlators[0].pid),
            "postgres": lambda: tree_cpu_seconds(servers.postgres.process.pid),
            "redis": lambda: cpu_seconds(servers.redis.process.pid),
        }
        self.before = self.now()

    def now(self):
        return {name: read() for name, read in self.readers.items()}

    def since(self):
        return {name: round(value - self.before[name], 2) for name, value in self.now().items()}


def send(arguments, url, key, ca, sample: Path, seed: int, costs: Costs):
    """Runs the load generator; its report, and what the processes used until all was sent."""
    command = [loadgen(), f"--url={url}", f"--key={key}", f"--ca={ca}", f"--seconds={arguments.seconds}",
               f"--connections={arguments.connections}", f"--spans={arguments.spans}",
               f"--words={arguments.words}", f"--call-every={arguments.call_every}",
               f"--seed={seed}", f"--sample={sample}"]
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as child:
        used = {}
        for line in child.stderr:
            if line == "loadgen: sent\n":
                used = costs.since()
            else:
                print(line, end="", file=sys.stderr)
        report = child.stdout.read()
    if not report:
        raise SystemExit(f"the load generator ended with code {child.returncode}")
    result = json.loads(report)
    result["exit_code"] = child.returncode
    used["loadgen"] = round(result.pop("cpu_s"), 2)
    return result, used


def check_sample(client, sample: Path):
    """A second judge, with protobuf's own decoder: the sampled traces hold exactly the spans sent."""
    traces = 0
    for line in sample.read_text().splitlines():
        trace_id, *spans = line.split()
        if not spans:
            continue
        answer = client.get(f"/v1/traces/{trace_id}", {"Accept": "application/x-protobuf"})
        assert answer.status == 200, f"{trace_id}: {answer.status} {answer.body[:200]!r}"
        stored = sorted(
            (span.span_id, span.SerializeToString(deterministic=True))
            for resource in TracesData.FromString(answer.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )
        sent = sorted(
            (span.span_id, span.SerializeToString(deterministic=True))
            for span in (Span.FromString(bytes.fromhex(text)) for text in spans)
        )
        assert stored == sent, f"{trace_id}: {len(stored)} spans stored, {len(sent)} sent"
        traces += 1
    return traces


def copy_rate(conninfo):
    """Spans per second that bare binary COPY of the stored segments reaches, and the table's facts."""
    with psycopg.connect(conninfo, autocommit=True) as connection, tempfile.TemporaryFile() as file:
        partitions = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'segment'::regclass"
        ).fetchall()
        rows = {}
        for (name,) in partitions:
            rows[name] = connection.execute(f"SELECT count(*), coalesce(sum(spans), 0), "
                                            f"coalesce(sum(length(body)), 0) FROM {name}").fetchone()
        name = max(rows, key=lambda key: rows[key][0])
        segments, spans, body_bytes = (int(value) for value in rows[name])
        with connection.cursor().copy(f"COPY {name} TO STDOUT (FORMAT BINARY)") as copy:
            for block in copy:
                file.write(block)
        connection.execute(f"CREATE TABLE bench_copy (LIKE {name} INCLUDING ALL)")
        seconds = []
        for _ in range(COPY_TIMES):
            connection.execute("TRUNCATE bench_copy")
            connection.execute("CHECKPOINT")
            file.seek(0)
            started = time.monotonic()
            with connection.cursor().copy("COPY bench_copy FROM STDIN (FORMAT BINARY)") as copy:
                while block := file.read(COPY_CHUNK_BYTES):
                    copy.write(block)
            seconds.append(time.monotonic() - started)
        connection.execute("DROP TABLE bench_copy")
    return {
        "segments": segments,
        "spans": spans,
        "spans_per_segment": round(spans / max(segments, 1), 1),
        "body_bytes_per_span": round(body_bytes / max(spans, 1), 1),
        "seconds": round(statistics.median(seconds), 3),
        "spans_per_s": round(spans / statistics.median(seconds)),
    }


def one_round(servers, arguments, transport, seed):
    port = free_port()
    rows = {"listen_http": f"127.0.0.1:{port}"} if transport == "http" else {}
    cluster = servers.cluster(api_rows=rows, env={"CALLTRACE_LOG_LEVEL": "warn"})
    try:
        project = cluster.project("bench")
        cluster.sql("CHECKPOINT")
        url = f"http://127.0.0.1:{port}" if transport == "http" else \
            f"https://localhost:{cluster.apis[0].port}"
        sample = cluster.directory / "sample"
        costs = Costs(servers, cluster)
        with TreePeak(servers.postgres.process.pid) as postgres_memory:
            result, used = send(arguments, url, project.key, cluster.authority.ca, sample, seed, costs)
        memory = {
            "api": peak_mib(cluster.apis[0].pid),
            "correlator": peak_mib(cluster.correlators[0].pid),
            "postgres": postgres_memory.mib,
            "redis": peak_mib(servers.redis.process.pid),
            "loadgen": result.pop("peak_kib") / 1024,
        }
        result["sampled_traces"] = check_sample(cluster.client(project), sample)
        result["transport"] = transport
        result["cpu_s"] = used
        result["peak_mib"] = {name: round(value) for name, value in memory.items()}
        result["copy"] = copy_rate(cluster.conninfo)
        result["share_of_copy"] = round(result["spans_per_s"] / result["copy"]["spans_per_s"], 3)
        return result
    finally:
        servers.close_clusters()


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def per_million(result, name):
    return result["cpu_s"][name] / result["spans"] * 1e6


def summary(rounds):
    """Medians and spread of one transport's rounds."""
    first = rounds[0]
    return {
        "spans_per_s": spread([r["spans_per_s"] for r in rounds]),
        "copy_spans_per_s": spread([r["copy"]["spans_per_s"] for r in rounds]),
        "share_of_copy": spread([r["share_of_copy"] for r in rounds]),
        "export_ms_p50": spread([r["export_ms"]["p50"] for r in rounds]),
        "export_ms_p99": spread([r["export_ms"]["p99"] for r in rounds]),
        "link_ms_p50": spread([r["link_ms"]["p50"] for r in rounds]),
        "link_ms_p99": spread([r["link_ms"]["p99"] for r in rounds]),
        "cpu_s_per_million_spans": {
            name: round(statistics.median(per_million(r, name) for r in rounds), 2) for name in first["cpu_s"]
        },
        "peak_mib": {name: max(r["peak_mib"][name] for r in rounds) for name in first["peak_mib"]},
        "missing": sum(r["read"]["missing"] for r in rounds),
        "wrong": sum(r["read"]["wrong"] for r in rounds),
        "read_spans": sum(r["read"]["spans"] for r in rounds),
    }


def line(name, value, unit=""):
    print(f"  {name:<28} {value['median']:>12,.6g}{unit}  ({value['min']:,.6g} to {value['max']:,.6g})")


def show(transport, result):
    print(f"\n{transport}: median (least to most)")
    line("durable spans/s", result["spans_per_s"])
    line("bare COPY spans/s", result["copy_spans_per_s"])
    line("share of bare COPY", result["share_of_copy"])
    line("export answered, p50", result["export_ms_p50"], " ms")
    line("export answered, p99", result["export_ms_p99"], " ms")
    line("time to link, p50", result["link_ms_p50"], " ms")
    line("time to link, p99", result["link_ms_p99"], " ms")
    costs = ", ".join(f"{name} {value:.2f}" for name, value in result["cpu_s_per_million_spans"].items())
    print(f"  CPU seconds a million spans  {costs}")
    print(f"  peak memory, MiB             {', '.join(f'{n} {v}' for n, v in result['peak_mib'].items())}")
    print(f"  read back                    {result['read_spans']:,} spans,"
          f" {result['missing']} missing, {result['wrong']} traces wrong")


def machine(servers):
    with psycopg.connect(servers.postgres.conninfo("postgres")) as connection:
        show_all = {name: connection.execute(f"SHOW {name}").fetchone()[0]
                    for name in ("server_version", "fsync", "synchronous_commit", "full_page_writes", *SETTINGS)}
    assert show_all["fsync"] == show_all["synchronous_commit"] == "on"
    return {"cores": os.cpu_count(), "kernel": platform.release(), "postgres": show_all}


def main():
    arguments = parse()
    for binary in (loadgen(), paths.api_binary(), paths.correlator_binary()):
        if not binary.exists():
            raise SystemExit(f"{binary} is not built")
    servers = Servers().start()
    rounds = []
    try:
        configure(servers.postgres)
        facts = machine(servers)
        for number in range(arguments.rounds):
            for transport in arguments.transports.split(","):
                rounds.append(one_round(servers, arguments, transport, len(rounds) + 1))
                last = rounds[-1]
                print(f"round {number + 1}, {transport}: {last['spans_per_s']:,.0f} durable spans/s,"
                      f" {last['share_of_copy']:.0%} of COPY, exit {last['exit_code']}", flush=True)
    finally:
        servers.close()
    transports = {name: summary([r for r in rounds if r["transport"] == name])
                  for name in arguments.transports.split(",")}
    for name, result in transports.items():
        show(name, result)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": facts, "options": vars(arguments), "summary": transports,
                               "rounds": rounds}, indent=2) + "\n")
    print(f"\neverything is in {OUT.relative_to(paths.ROOT)}")
    return max(r["exit_code"] for r in rounds)


if __name__ == "__main__":
    sys.exit(main())
