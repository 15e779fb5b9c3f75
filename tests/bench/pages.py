"""./calltrace bench pages: how soon the pages answer a reader, and what they weigh.

Starts a private calltrace, fills it with a call of 817 spans and a trace of 20,000, times the server's
answer by itself, and lets Chromium open and scroll both as a reader would.
"""

import argparse
import gzip
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from bench._postgres import configure
from bench._processes import cpu_seconds, tree_cpu_seconds
from support import otlp, paths
from support.process import wait_until
from support.servers import Servers

HERE = Path(__file__).resolve().parent
OUT = paths.ROOT / "build" / "bench" / "pages.json"
BUILT = paths.ROOT / "build" / "pages"
BROWSER_SECONDS_MAX = 600
MS = 1_000_000
TURN_MS = 8000
# A span of a turn: name, place of its parent in the turn (-1: the session), begin and end in ms, and attributes.
TURN = [
    ("user_turn", -1, 0, 500, {"lk.user_transcript": "and where is my order?", "lk.end_of_turn_delay": 0.1}),
    ("user_speaking", 0, 0, 400, {}),
    ("agent_turn", -1, 500, 4000, {"lk.speech_id": "speech"}),
    ("llm_node", 2, 500, 900, {"lk.response.ttft": 0.2, "gen_ai.request.model": "gpt-4o"}),
    ("llm_request", 3, 510, 890, {"gen_ai.usage.input_tokens": 4000}),
    ("function_tool", 2, 900, 1500, {"lk.function_tool.name": "lookup"}),
    ("llm_node", 2, 1500, 1900, {"lk.response.ttft": 0.1, "gen_ai.request.model": "gpt-4o"}),
    ("tts_node", 2, 1550, 3900, {"lk.response.ttfb": 0.2}),
    ("agent_speaking", 2, 2000, 4000, {}),
]
# Only these carry the conversation so far, which grows turn by turn.
WITH_CONTEXT = {"llm_node", "llm_request"}
WORDS = ("the order was sent on monday and should arrive within three days unless the address is wrong which i can "
         "check for you now please tell me your customer number or the name under which you ordered last time").split()
CALLS = 50  # of the list
SERVICES = 200  # spans right below the root of the large trace


def parse():
    parser = argparse.ArgumentParser(prog="calltrace bench pages", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="times that each page is opened")
    parser.add_argument("--reads", type=int, default=200, help="of the call's timeline, one after the other")
    parser.add_argument("--call-spans", type=int, default=817, help="of the call")
    parser.add_argument("--call-bytes", type=int, default=4_500_000, help="of the call's raw spans, about")
    parser.add_argument("--call-traces", type=int, default=4, help="traces of the call")
    parser.add_argument("--trace-spans", type=int, default=20_000, help="of the large trace")
    parser.add_argument("--scroll-seconds", type=int, default=3, help="of scrolling after each opening of the large trace")
    parser.add_argument("--seed", type=int, default=1, help="of the texts")
    parser.add_argument("--profile", default="", help="a folder for CPU profiles of one more run, which does not count")
    return parser.parse_args()


class Filler:
    """Sends the spans and counts what it sent."""

    def __init__(self, client, seed):
        self.client = client
        self.random = random.Random(seed)

    def text(self, size: int) -> str:
        words = []
        while size > 0:
            words.append(self.random.choice(WORDS))
            size -= len(words[-1]) + 1
        return " ".join(words)

    def send(self, spans, **resource):
        response = self.client.export(otlp.request(spans, resource, "livekit-agents").SerializeToString())
        assert response.status == 200, response.body


def turn_spans(trace, session, begin):
    ids = [otlp.new_span_id() for _ in TURN]
    return [otlp.span(trace, name, attributes, session if parent < 0 else ids[parent], ids[at],
                      begin + from_ms * MS, begin + to_ms * MS)
            for at, (name, parent, from_ms, to_ms, attributes) in enumerate(TURN)]


def make_call(filler: Filler, arguments):
    """A call of some sessions, each a trace, whose turns came one by one; its facts."""
    turns = (arguments.call_spans - arguments.call_traces) // len(TURN)
    alone = arguments.call_spans - arguments.call_traces - turns * len(TURN)
    begin = time.time_ns() - (turns * TURN_MS + 600_000) * MS
    room = f"RM_{otlp.new_trace_id().hex()[:12]}"
    sessions = [(otlp.new_trace_id(), otlp.new_span_id()) for _ in range(arguments.call_traces)]
    exports = []
    for turn in range(turns):
        trace, session = sessions[turn * len(sessions) // turns]
        exports.append(turn_spans(trace, session, begin + turn * TURN_MS * MS))
    for number, (trace, session) in enumerate(sessions):
        mine = [turn for turn in range(turns) if turn * len(sessions) // turns == number]
        start = begin + mine[0] * TURN_MS * MS
        exports.append([otlp.span(trace, "agent_session", {"lk.room_sid": room}, b"", session, start,
                                  begin + (mine[-1] + 1) * TURN_MS * MS)])
    trace, session = sessions[0]
    exports.append([otlp.span(trace, "setup_toolsets", {}, session, None, begin, begin + MS) for _ in range(alone)])
    # The contexts grow evenly, so that all spans together have the wanted size.
    grow = [(turn, one) for turn in range(turns) for one in exports[turn] if one.name in WITH_CONTEXT]
    left = arguments.call_bytes - sum(one.ByteSize() for spans in exports for one in spans)
    step = left / sum(turn + 1 for turn, _ in grow)
    for turn, one in grow:
        one.attributes.extend(otlp.attributes({"lk.chat_ctx": filler.text(int((turn + 1) * step))}))
    for spans in exports:
        if spans:
            filler.send(spans, **{"service.name": "voice-agent", "livekit.room.id": room,
                                  "telemetry.sdk.language": "python"})
    iso = [datetime.fromtimestamp(ns / 1e9, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
           for ns in (begin, begin + turns * TURN_MS * MS)]
    response = filler.client.post_json("/v1/call", {"livekitRoomId": room, "startedAt": iso[0], "endedAt": iso[1]})
    assert response.status == 200, response.body
    spans = [one for group in exports for one in group]
    return {"id": response.data["id"], "traces": len(sessions), "turns": turns, "spans": len(spans),
            "raw_bytes": sum(one.ByteSize() for one in spans)}


def make_others(filler: Filler):
    """Calls that fill the list's page; older than the one that is opened."""
    for number in range(1, CALLS):
        response = filler.client.post_json("/v1/call", {"externalId": f"order-{number:06}", "title": filler.text(30)})
        assert response.status == 200, response.body


def make_trace(filler: Filler, arguments):
    """A trace that shows a row for every span: services below the root, their work below them."""
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    begin = time.time_ns() - 300_000 * MS
    services = [otlp.new_span_id() for _ in range(SERVICES)]
    spans = [otlp.span(trace, "nightly_batch", {}, b"", root, begin, begin + 240_000 * MS)]
    spans += [otlp.span(trace, f"service_{n}", {}, root, service, begin + n * 1000 * MS, begin + (n * 1000 + 20_000) * MS)
              for n, service in enumerate(services)]
    while len(spans) < arguments.trace_spans:
        n = len(spans)
        start = begin + (n % SERVICES * 1000 + n // SERVICES * 150) * MS
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": f"tool_{n % 7}"} if n % 2 else {}
        spans.append(otlp.span(trace, f"step_{n % 40}", {"item": n, "note": filler.text(120), **tool}, services[n % SERVICES],
                               None, start, start + (20 + n % 180) * MS))
    for at in range(0, len(spans), 8192):
        filler.send(spans[at:at + 8192], **{"service.name": "batch"})
    return {"id": trace.hex(), "spans": len(spans), "raw_bytes": sum(one.ByteSize() for one in spans)}


def settled(client, call, trace):
    """Waits until all is linked and counted, so that no announcement falls into the measuring."""
    def is_counted():
        rows = client.get("/v1/conversations").data
        return [row["turnCount"] for row in rows if row["id"] == call["id"]] == [call["turns"]]

    def is_read():
        line = client.get(f"/v1/call/{call['id']}/timeline").data
        return line["spanCount"] == call["spans"] and len(line["traces"]) == call["traces"]

    wait_until(is_read, 30, "the call to hold its spans")
    wait_until(is_counted, 60, "the call's turns to be counted")
    line = client.get(f"/v1/traces/{trace['id']}/timeline").data
    assert line["spanCount"] == trace["spans"] and not line["isCut"], line["spanCount"]


def rank(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def read_times(servers, cluster, client, path, count):
    """Times of whole answers, and the processor's time for one: that hardly depends on what else the machine does."""
    def cpu():
        return {"api": cpu_seconds(cluster.apis[0].pid), "postgres": tree_cpu_seconds(servers.postgres.process.pid)}

    times, size, before = [], 0, cpu()
    for _ in range(count):
        began = time.perf_counter()
        response = client.get(path, {"Accept-Encoding": "gzip, deflate, br"})
        times.append((time.perf_counter() - began) * 1000)
        assert response.status == 200, response.body
        size = len(response.body)
        packed = response.header("Content-Encoding") == "gzip"
    plain = len(gzip.decompress(response.body)) if packed else size
    used = {name: (value - before[name]) / count * 1000 for name, value in cpu().items()}
    return {"p50_ms": rank(times, 0.5), "p99_ms": rank(times, 0.99), "max_ms": max(times), "count": count,
            "cpu_ms": used, "answer_bytes": size, "plain_bytes": plain}


def browse(arguments, cluster, project, call, trace):
    options = {"base": f"https://localhost:{cluster.apis[0].port}", "key": project.key,
               "chromium": shutil.which("chromium"), "call": call["id"], "trace": trace["id"], "runs": arguments.runs,
               "scrollSeconds": arguments.scroll_seconds, "profile": arguments.profile}
    done = subprocess.run([shutil.which("node"), HERE / "pages.mjs"], input=json.dumps(options), capture_output=True,
                          text=True, timeout=BROWSER_SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}\n{cluster.logs(10)}")
    return json.loads(done.stdout)


def opened(runs):
    times = [run["interactiveMs"] for run in runs]
    return {"median_ms": statistics.median(times), "max_ms": max(times), "runs": len(times)}


def paneled(runs):
    times = [run["panelMs"] for run in runs]
    return {"median_ms": statistics.median(times), "max_ms": max(times)}


def scrolled(runs):
    """Frames by windows of a second that begin with each frame, of all runs together."""
    windows, frames, long = [], 0, 0
    for run in runs:
        stamps = run["scroll"]["frames"]
        gaps = [after - before for before, after in zip(stamps, stamps[1:])]
        frames += len(gaps)
        long += sum(gap > 20 for gap in gaps)
        windows += [sum(begin < stamp <= begin + 1000 for stamp in stamps) for begin in stamps if begin + 1000 <= stamps[-1]]
    return {"median_per_s": statistics.median(windows), "least_per_s": min(windows), "long_share": long / frames,
            "heap_bytes": max(run["scroll"]["heapBytes"] for run in runs),
            "longest_task_ms": max(run["scroll"]["longestTaskMs"] for run in runs),
            "pixels": statistics.median(run["scroll"]["pixels"] for run in runs), "frames": frames,
            "rows": runs[0]["rows"], "cpu_ms": {name: sum(run["scroll"]["cpu"][key] for run in runs) / frames
                                                for name, key in (("all", "allMs"), ("script", "scriptMs"))}}


def size(read):
    return f"{read['answer_bytes'] / 1000:,.1f} KB, {read['plain_bytes'] / 1000:,.1f} before gzip"


def line(name, value, aim=""):
    print(f"  {name:<34} {value:<44}{f'aim: {aim}' if aim else ''}".rstrip())


def show(result):
    call, trace, server = result["call"], result["trace"], result["server"]
    others = result["others"]
    opening, large, scroll, weight = result["call_page"], result["trace_page"], result["scroll"], result["weight"]
    print(f"\na call of {call['spans']:,} spans, {call['raw_bytes'] / 1e6:.2f} MB of them raw, {call['traces']} traces,"
          f" {call['turns']} turns")
    line("server, p50 / p99 / most", f"{server['p50_ms']:.1f} / {server['p99_ms']:.1f} / {server['max_ms']:.1f} ms"
         f" over {server['count']} reads", "p99 30 ms")
    line("CPU of a read", ", ".join(f"{name} {value:.1f}" for name, value in server["cpu_ms"].items()) + " ms")
    line("size of the answer", size(server), "60 KB")
    line("interactive after the click", f"{opening['median_ms']:.0f} ms, most {opening['max_ms']:.0f}, {opening['runs']} runs",
         "500 ms")
    panel = result["panel"]
    line("a span's panel after the click", f"{panel['median_ms']:.0f} ms, most {panel['max_ms']:.0f}", "150 ms")
    print(f"\na trace of {trace['spans']:,} spans, {trace['raw_bytes'] / 1e6:.2f} MB of them raw, {scroll['rows']:,} rows")
    line("server, p50 / most", f"{others['trace']['p50_ms']:.1f} / {others['trace']['max_ms']:.1f} ms"
         f" over {others['trace']['count']} reads")
    line("size of the answer", size(others["trace"]), "1,200 KB")
    line("interactive after the click", f"{large['median_ms']:.0f} ms, most {large['max_ms']:.0f}, {large['runs']} runs",
         "2,000 ms")
    line("frames/s of scrolling", f"{scroll['median_per_s']:.0f}, least {scroll['least_per_s']:.0f} in a second", "not below 50")
    line("frames longer than 20 ms", f"{scroll['long_share']:.1%} of {scroll['frames']:,}")
    line("CPU of a frame, main thread", f"{scroll['cpu_ms']['all']:.1f} ms, script {scroll['cpu_ms']['script']:.1f} of it")
    longest = scroll["longest_task_ms"]
    line("longest task while scrolling", f"{longest:.0f} ms" if longest > 0 else "none over 50 ms", "100 ms")
    line("heap afterwards", f"{scroll['heap_bytes'] / 1e6:.1f} MB", "80 MB")
    line("scrolled in a run", f"{scroll['pixels']:,.0f} px")
    keys = result["keys"]
    print("\nthe explorer's filter")
    line("a key is shown after, p95 / most", f"{rank(keys, 0.95):.0f} / {max(keys):.0f} ms of {len(keys)} keys", "50 ms")
    print(f"\na list of {CALLS} calls")
    line("size of the answer", size(others["calls"]), "12 KB")
    print("\nweight over the wire, cold cache, without the API's answers")
    line("the call's page", f"{weight['call']['bytes'] / 1000:.1f} KB in {len(weight['call']['files'])} files")
    line("and the explorer", f"{weight['both']['bytes'] / 1000:.1f} KB in {len(weight['both']['files'])} files", "150 KB")
    loads = ", ".join(f"{name} {value:.2f}" for name, value in result["load"].items())
    print(f"\nload average of a minute, on {os.cpu_count()} cores: {loads}")
    print("headless Chromium draws 60 frames/s at most")


def main():
    arguments = parse()
    for needed in (paths.api_binary(), paths.correlator_binary(), BUILT / "index.html"):
        if not needed.exists():
            raise SystemExit(f"{needed} is not built")
    load = {"at the start": os.getloadavg()[0]}
    servers = Servers().start()
    try:
        configure(servers.postgres)
        # What counts turns rests half a minute by default; here it shall be done before anything is timed.
        cluster = servers.cluster(api_rows={"pages_dir": BUILT}, correlator_rows={"tally_quiet_s": 2},
                                  env={"CALLTRACE_LOG_LEVEL": "warn"})
        project = cluster.project("bench")
        client = cluster.client(project, timeout=60)
        filler = Filler(client, arguments.seed)
        make_others(filler)
        call, trace = make_call(filler, arguments), make_trace(filler, arguments)
        settled(client, call, trace)
        load["before the reads"] = os.getloadavg()[0]
        server = read_times(servers, cluster, client, f"/v1/call/{call['id']}/timeline", arguments.reads)
        others = {"calls": read_times(servers, cluster, client, f"/v1/conversations?limit={CALLS}", 20),
                  "trace": read_times(servers, cluster, client, f"/v1/traces/{trace['id']}/timeline", 20)}
        load["before Chromium"] = os.getloadavg()[0]
        seen = browse(arguments, cluster, project, call, trace)
        load["at the end"] = os.getloadavg()[0]
    finally:
        servers.close()
    result = {"machine": {"cores": os.cpu_count(), "kernel": platform.release(), "browser": seen["browser"]},
              "options": vars(arguments), "call": call, "trace": trace, "server": server, "others": others,
              "call_page": opened(seen["call"]), "panel": paneled(seen["call"]), "trace_page": opened(seen["trace"]), "scroll": scrolled(seen["trace"]),
              "weight": seen["weight"], "keys": seen["keys"], "load": load, "runs": {"call": seen["call"], "trace": seen["trace"]}}
    show(result)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\neverything is in {OUT.relative_to(paths.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
