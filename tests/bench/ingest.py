"""./calltrace bench ingest: one case of the bench as the options say, round after round."""

import argparse
import sys

from bench import _case, _report
from bench._case import Case
from bench._postgres import configure
from support import paths
from support.servers import Servers


def parse():
    parser = argparse.ArgumentParser(prog="calltrace bench ingest", description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="bulk", choices=("fleet", "bulk", "small", "collector"))
    parser.add_argument("--transports", default="https,http", help="https, http or both")
    parser.add_argument("--encoding", default="protobuf", choices=("protobuf", "json", "gzip"))
    parser.add_argument("--connections", type=int, default=8, help="of exporters")
    parser.add_argument("--spans", type=int, default=0, help="in one export (0: as the shape has it)")
    parser.add_argument("--rate", type=int, default=0, help="spans a second by the clock (0: as fast as answered)")
    parser.add_argument("--seconds", type=int, default=10, help="that count in one round")
    parser.add_argument("--warmup", type=int, default=2, help="seconds before them")
    parser.add_argument("--rounds", type=int, default=3, help="rounds for each transport")
    parser.add_argument("--reads", action="store_true", help="read a tree, a trace and searches meanwhile")
    parser.add_argument("--disk", action="store_true", help="measure the size on disk, sealed too")
    return parser.parse_args()


def case_of(arguments, transport: str) -> Case:
    is_by_clock = arguments.rate > 0 or arguments.shape == "fleet"
    return Case(transport, shape=arguments.shape, transport=transport, encoding=arguments.encoding,
                connections=arguments.connections, spans=arguments.spans, rate=arguments.rate,
                seconds=arguments.seconds, warmup=arguments.warmup, ahead_rate=0 if is_by_clock else 100_000,
                has_reads=arguments.reads, has_disk=arguments.disk, has_copy=arguments.shape != "fleet")


def main():
    arguments = parse()
    transports = arguments.transports.split(",")
    for binary in (_case.LOADGEN, paths.api_binary(), paths.correlator_binary()):
        if not binary.exists():
            raise SystemExit(f"{binary} is not built")
    runs = {transport: [] for transport in transports}
    servers = Servers().start()
    try:
        configure(servers.postgres)
        facts = _report.machine(servers)
        for number in range(arguments.rounds):
            for transport in transports:
                seed = number * len(transports) + transports.index(transport) + 1
                last = _case.run(servers, case_of(arguments, transport), seed=seed)
                runs[transport].append(last)
                print(f"round {number + 1}, {transport}: {last['spans_per_s']:,.0f} durable spans/s", flush=True)
    finally:
        servers.close()
    summaries = {transport: _report.summary(runs[transport]) for transport in transports}
    for transport in transports:
        _report.show_case(transport, runs[transport], summaries[transport])
    _report.write(_report.OUT, "ingest", {"machine": facts, "options": vars(arguments), "summary": summaries, "runs": runs})
    return 0 if all(run["is_whole"] for transport in transports for run in runs[transport]) else 1


if __name__ == "__main__":
    sys.exit(main())
