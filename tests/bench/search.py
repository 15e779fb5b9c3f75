"""./calltrace bench search: how soon the explorer answers over many traces.

Starts a private calltrace, fills a project with traces as voice agents send them, hides some known ones among them,
and times each kind of filter: what few traces have, what none has, the first page of what nearly all have, groups,
counts over time and suggestions. Every answer about the known traces is checked.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from urllib.parse import urlencode

import psycopg

from bench._postgres import configure
from bench._processes import cpu_seconds, tree_cpu_seconds
from bench._stock import Stock
from support import otlp, paths
from support.process import free_port, wait_until
from support.servers import Servers

OUT = paths.ROOT / "build" / "bench" / "search.json"
PLANS = paths.ROOT / "build" / "bench" / "search.plans"
DAY_NS = 24 * 3600 * 10**9
HOUR_MS = 3_600_000
KNOWN = 200
PAGE = 50
AIM_SELECTIVE_MS, AIM_PAGE_MS = 50, 200


def parse():
    parser = argparse.ArgumentParser(prog="calltrace bench search", description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=200_000, help="in the project")
    parser.add_argument("--spans", type=int, default=50, help="of a trace")
    parser.add_argument("--runs", type=int, default=40, help="of each question")
    parser.add_argument("--connections", type=int, default=6, help="that fill the project")
    parser.add_argument("--seed", type=int, default=1, help="of ids, texts and questions")
    parser.add_argument("--quick", action="store_true", help="4,000 traces and 10 runs")
    parser.add_argument("--only", default="", help="questions whose name contains this")
    parser.add_argument("--explain", action="store_true", help="keep what Postgres did for statements over 20 ms, in build/bench/search.plans; times are longer then")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.traces, arguments.runs = 4000, 10
    return arguments


class Known:
    """One of the traces that questions are asked about."""

    def __init__(self, number, start):
        self.number = number
        self.id = otlp.new_trace_id()
        self.value = f"known-{number}-{self.id.hex()[:8]}"
        long = number % 10 == 0
        span = otlp.span(self.id, "known_root", {"known.id": self.value, "known.weight": number,
                                                 **({"known.even": True} if number % 2 == 0 else {})},
                         start=start, end=start + (2 * HOUR_MS if long else 900) * 10**6)
        child = otlp.span(self.id, "known_step", {"gen_ai.request.model": "gpt-4o"}, span.span_id, start=start, end=start + 10**6)
        child.status.code = 2 if number % 5 == 0 else 0
        resource = {"service.name": "known-service", "roark.project.tag.lane": f"lane-{number % 10}",
                    **({"roark.external_id": self.value} if number % 8 == 0 else {})}
        self.body = otlp.request([child, span], resource).SerializeToString()


def make_known(client, begin, rng):
    known = [Known(number, begin + rng.randrange(DAY_NS)) for number in range(KNOWN)]
    for one in known:
        assert client.export(one.body).status == 200
        if one.number % 8 == 0:
            assert client.post_json("/v1/call", {"externalId": one.value}).status == 200
    return known


class Question:
    """`ask(rng)` gives the path and, where it is known, the ids of all traces that fit."""

    def __init__(self, group, name, ask, aim=None, path="/v1/traces"):
        self.group, self.name, self.ask, self.aim, self.path = group, name, ask, aim, path


def fixed(parameters, wanted=None):
    return lambda rng: (parameters, wanted)


def questions(known, bulk):
    """All of them; `bulk` are the rooms of some of the many traces."""
    def ids(holds):
        return {one.id.hex() for one in known if holds(one)}

    def one_value(rng):
        one = rng.choice(known)
        return [("attr", f"known.id:{one.value}")], {one.id.hex()}

    def one_room(rng):
        room, trace = rng.choice(bulk)
        return [("attr", f"livekit.room.id:{room}")], {trace}

    def heavier(rng):
        least = rng.randrange(100, KNOWN - 1)
        return [("attr", f"known.weight>{least}")], ids(lambda one: one.number > least)

    def one_lane(rng):
        lane = rng.randrange(10)
        return [("tag", f"lane:lane-{lane}")], ids(lambda one: one.number % 10 == lane)

    def two(rng):
        lane = rng.randrange(10)
        return [("tag", f"lane:lane-{lane}"), ("attr", "gen_ai.request.model:gpt-4o"), ("name", "step")], \
            ids(lambda one: one.number % 10 == lane)

    everyone = ids(lambda one: True)
    few = [("service", fixed([("service", "known-service")], everyone)), ("name contains", fixed([("name", "nown_ST")], everyone)),
           ("name is", fixed([("nameIs", "known_step")], everyone)), ("root name", fixed([("rootName", "known_root")], everyone)),
           ("attribute value", one_value), ("room of a call", one_room), ("attribute exists", fixed([("attr", "known.even")], ids(lambda one: one.number % 2 == 0))),
           ("number above", heavier), ("tag", one_lane), ("tag, value and name", two),
           ("linked", fixed([("linked", "true")], ids(lambda one: one.number % 8 == 0))),
           ("at least an hour", fixed([("minDurationMs", HOUR_MS)], ids(lambda one: one.number % 10 == 0))),
           ("errors", fixed([("status", "error")], ids(lambda one: one.number % 5 == 0)))]
    none = [("value", [("attr", "known.id:nobody")]), ("attribute", [("attr", "nobody.has")]), ("name", [("name", "nobody")]),
            ("whole name", [("nameIs", "known_ste")]), ("root name", [("rootName", "nobody")]), ("tag", [("tag", "lane:none")]),
            ("service", [("service", "nobody")]), ("duration", [("minDurationMs", 24 * HOUR_MS)]), ("number", [("attr", "known.weight>1000")])]
    most = [("all", []), ("name contains", [("name", "llm")]), ("name is", [("nameIs", "llm_node")]), ("root name", [("rootName", "agent_session")]),
            ("attribute value", [("attr", "gen_ai.request.model:gpt-4o")]), ("attribute exists", [("attr", "lk.speech_id")]),
            ("number above", [("attr", "gen_ai.usage.input_tokens>100")]), ("service", [("service", "reception-agent")]),
            ("status ok", [("status", "ok")]), ("not linked", [("linked", "false")]), ("without a tag", [("without", "tag:lane")]),
            ("at most a minute", [("maxDurationMs", 60_000)])]
    counts = [("by service", [("by", "service")]), ("by name", [("by", "name")]), ("by status", [("by", "status")]),
              ("by tag", [("by", "tag:lane")]), ("by service, of few", [("by", "service"), ("attr", "known.even")])]
    over_time = [("all", []), ("of few", [("attr", "known.even")]), ("of a service", [("service", "reception-agent")])]
    words = [("names", [("field", "name"), ("q", "n")]), ("attributes", [("field", "attr"), ("q", "gen")]),
             ("values", [("field", "attrValue"), ("key", "gen_ai.request.model"), ("q", "4")]), ("tags", [("field", "tag")])]
    return ([Question("few", name, ask, AIM_SELECTIVE_MS) for name, ask in few]
            + [Question("none", name, fixed(parameters, set()), AIM_SELECTIVE_MS) for name, parameters in none]
            + [Question("most", name, fixed(parameters), AIM_PAGE_MS) for name, parameters in most]
            + [Question("groups", name, fixed(parameters), path="/v1/traces/groups") for name, parameters in counts]
            + [Question("histogram", name, fixed(parameters), path="/v1/traces/histogram") for name, parameters in over_time]
            + [Question("suggest", name, fixed(parameters), path="/v1/traces/suggest") for name, parameters in words])


def rank(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def check(client, question, parameters, wanted, answer):
    """The whole list holds exactly the traces that fit; the first page of it is what was timed."""
    if question.path != "/v1/traces":
        assert answer["data"], answer
        return
    assert not answer["pagination"]["isPartial"], (question.name, answer["pagination"])
    if wanted is None:
        assert len(answer["data"]) == PAGE, (question.name, len(answer["data"]))
        return
    found = [row["traceId"] for row in answer["data"]]
    while after := answer["pagination"]["nextCursor"]:
        response = client.get(f"/v1/traces?{urlencode([*parameters, ('limit', PAGE), ('after', after)])}")
        assert response.status == 200, response.body
        answer = response.json()
        found += [row["traceId"] for row in answer["data"]]
    assert len(found) == len(set(found)) and set(found) == wanted, (question.name, len(found), len(wanted))


def measure(servers, cluster, client, question, runs, seed):
    def cpu():
        return {"api": cpu_seconds(cluster.apis[0].pid), "postgres": tree_cpu_seconds(servers.postgres.process.pid)}

    rng = random.Random(f"{seed} {question.group} {question.name}")
    times, last, before = [], None, cpu()
    for _ in range(runs):
        parameters, wanted = question.ask(rng)
        limit = [("limit", PAGE)] if question.path == "/v1/traces" else []
        began = time.perf_counter()
        response = client.get(f"{question.path}?{urlencode(parameters + limit)}")
        times.append((time.perf_counter() - began) * 1000)
        assert response.status == 200, (question.name, response.body)
        last = (parameters, wanted, response.json())
    used = {name: (value - before[name]) / runs * 1000 for name, value in cpu().items()}
    check(client, question, *last)
    return {"group": question.group, "name": question.name, "aim_ms": question.aim, "cpu_ms": used,
            "p50_ms": rank(times, 0.5), "p95_ms": rank(times, 0.95), "p99_ms": rank(times, 0.99), "count": runs}


def fill(arguments, cluster, project, port):
    begin = time.time_ns() - DAY_NS - 3600 * 10**9
    client = cluster.client(project, timeout=60)
    stock = Stock(port, project.key, arguments.traces, arguments.spans, arguments.seed)
    started = time.monotonic()

    def progress(done):
        print(f"  {done:>9,} traces sent after {time.monotonic() - started:.0f} s", flush=True)

    stock.send(begin, DAY_NS, arguments.connections, progress)
    known = make_known(client, begin, random.Random(arguments.seed))
    wait_until(lambda: client.get(f"/v1/traces/{known[-1].id.hex()}/timeline").status == 200, 30, "the last trace")
    seconds = time.monotonic() - started
    return client, known, seconds


def some_rooms(client, count=20):
    """Rooms of some traces of the many, and their ids."""
    rooms = []
    page = client.get("/v1/traces?service=reception-agent&limit=100").json()
    while len(rooms) < count:
        for row in page["data"][::max(1, 100 // count)]:
            export = client.get(f"/v1/traces/{row['traceId']}", {"Accept": "application/json"}).json()
            attributes = export["resourceSpans"][0]["resource"]["attributes"]
            rooms.append((next(one["value"]["stringValue"] for one in attributes if one["key"] == "livekit.room.id"), row["traceId"]))
    return rooms


def explain(postgres, is_wanted):
    """Lets Postgres log what it did for each slow statement; that costs time of its own."""
    if not is_wanted:
        return
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("LOAD 'auto_explain'")  # so that its settings are known
        for name, value in {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "20ms",
                            "auto_explain.log_analyze": "on", "auto_explain.log_buffers": "on"}.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")


def settle(cluster, arguments):
    """Reads are asked of a database at rest: the writing of the filling shall not count."""
    cluster.sql("VACUUM (ANALYZE) trace")
    cluster.sql("VACUUM (ANALYZE) segment")
    cluster.sql("VACUUM (ANALYZE) trace_tag")
    cluster.sql("CHECKPOINT")
    facts = cluster.sql("SELECT (SELECT count(*) FROM trace), (SELECT count(*) FROM segment), (SELECT sum(spans) FROM segment), "
                        "pg_database_size(current_database())")[0]
    assert facts[0] == arguments.traces + KNOWN, facts
    return {"traces": facts[0], "segments": facts[1], "spans": int(facts[2]), "database_bytes": facts[3]}


def show(result):
    facts = result["facts"]
    print(f"\n{facts['traces']:,} traces, {facts['spans']:,} spans, {facts['segments']:,} segments,"
          f" {facts['database_bytes'] / 1e9:.1f} GB; filled in {result['fill_seconds']:.0f} s")
    print(f"  {'':<12}{'':<24}{'p50':>8}{'p95':>8}{'p99':>8} ms   {'CPU api':>8}{'Postgres':>9}")
    for one in result["questions"]:
        missed = one["aim_ms"] is not None and one["p95_ms"] > one["aim_ms"]
        print(f"  {one['group']:<12}{one['name']:<24}{one['p50_ms']:>8.1f}{one['p95_ms']:>8.1f}{one['p99_ms']:>8.1f}      "
              f"{one['cpu_ms']['api']:>8.1f}{one['cpu_ms']['postgres']:>9.1f}"
              f"{f'   aim {one_aim(one)}' if one['aim_ms'] else ''}{' MISSED' if missed else ''}")
    for group, aim in (("few", AIM_SELECTIVE_MS), ("none", AIM_SELECTIVE_MS), ("most", AIM_PAGE_MS)):
        all_p95 = [one["p95_ms"] for one in result["questions"] if one["group"] == group]
        if all_p95:
            print(f"  {group}: p95 of the median question {statistics.median(all_p95):.1f} ms, of the slowest {max(all_p95):.1f} ms, aim {aim} ms")
    loads = ", ".join(f"{name} {value:.2f}" for name, value in result["load"].items())
    print(f"\nload average of a minute, on {os.cpu_count()} cores: {loads}")


def one_aim(one):
    return f"{one['aim_ms']} ms"


def main():
    arguments = parse()
    for binary in (paths.api_binary(), paths.correlator_binary()):
        if not binary.exists():
            raise SystemExit(f"{binary} is not built")
    load = {"at the start": os.getloadavg()[0]}
    servers = Servers().start()
    try:
        explain(servers.postgres, arguments.explain)
        configure(servers.postgres)
        port = free_port()
        cluster = servers.cluster(api_rows={"listen_http": f"127.0.0.1:{port}"}, env={"CALLTRACE_LOG_LEVEL": "warn"})
        project = cluster.project("bench")
        client, known, seconds = fill(arguments, cluster, project, port)
        facts = settle(cluster, arguments)
        asked = [one for one in questions(known, some_rooms(client)) if arguments.only in f"{one.group} {one.name}"]
        load["before the questions"] = os.getloadavg()[0]
        answers = [measure(servers, cluster, client, one, arguments.runs, arguments.seed) for one in asked]
        load["at the end"] = os.getloadavg()[0]
        if arguments.explain:
            PLANS.write_text(servers.postgres.process.log_tail(200_000))
    finally:
        servers.close()
    result = {"machine": {"cores": os.cpu_count(), "kernel": platform.release()}, "options": vars(arguments), "facts": facts,
              "fill_seconds": seconds, "questions": answers, "load": load}
    show(result)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\neverything is in {OUT.relative_to(paths.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
