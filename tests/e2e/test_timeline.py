"""The timeline: all spans of a call on one axis, in columns, with turns, links and what changed."""

import json
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from support import otlp

RECORDED = Path(__file__).resolve().parents[1] / "unit/voice/recorded"
OPEN, ERROR, ORPHAN, INTERRUPTED, PROVISIONAL = 1, 2, 4, 8, 16
BASE = 1_790_000_000_000_000_000
MS = 1_000_000


def at(ms):
    return BASE + ms * MS


def iso(ns):
    stamp = datetime.fromtimestamp(ns // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{ns % 10**9:09d}Z"


class Reader:
    def __init__(self, client):
        self.client = client

    def send(self, spans, **resource):
        response = self.client.export(otlp.request(spans, resource).SerializeToString())
        assert response.status == 200, response.body

    def call(self, **keys):
        response = self.client.post_json("/v1/call", keys)
        assert response.status == 200, response.body
        return response.data["id"]

    def timeline(self, path, since=None):
        response = self.client.get(path + (f"?since={since}" if since is not None else ""))
        assert response.status == 200, response.body
        return Timeline(response.data)


class Timeline:
    """The columns as rows."""

    def __init__(self, data):
        self.data = data
        columns = data.get("columns", {})
        assert len({len(column) for column in columns.values()}) <= 1
        self.rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
        for row in self.rows:
            row["name"] = data["names"][row["name"]] if row["name"] >= 0 else None
            row["service"] = data["services"][row["service"]] if row["service"] >= 0 else None
            row["label"] = data["labels"][row["label"]] if row["label"] >= 0 else None
            row["role"] = data["roles"][row["role"]]
            row["parent"] = self.rows[row["parent"]]["id"] if row["parent"] >= 0 else None

    def __getitem__(self, key):
        return self.data[key]

    def named(self, name):
        (row,) = [row for row in self.rows if row["name"] == name]
        return row


@pytest.fixture
def reader(client):
    return Reader(client)


def voice_turn(trace, session, room_resource=None):
    """A spoken turn of LiveKit with a tool that fails; times in ms from BASE."""
    agent = otlp.new_span_id()
    llm = otlp.new_span_id()
    rows = [("user_turn", session, None, 0, 500, {"lk.pii.user_transcript": "and my order?", "lk.end_of_turn_delay": 0.1}),
            ("user_speaking", session, None, 0, 400, {}),
            ("agent_turn", session, agent, 500, 3000, {"lk.speech_id": "s", "lk.interrupted": True}),
            ("llm_node", agent, llm, 500, 700, {"lk.response.ttft": 0.05, "gen_ai.request.model": "m-1"}),
            ("llm_request", llm, None, 510, 690, {}),
            ("function_tool", agent, None, 700, 1500, {"lk.function_tool.name": "lookup", "lk.function_tool.is_error": True}),
            ("llm_node", agent, None, 1500, 1900, {"lk.response.ttft": 0.1}),
            ("tts_node", agent, None, 1550, 2900, {"lk.response.ttfb": 0.2}),
            ("agent_speaking", agent, None, 2000, 3000, {})]
    return [otlp.span(trace, name, attrs, parent, span_id, at(start), at(end))
            for name, parent, span_id, start, end, attrs in rows]


def test_a_call_with_its_turn(reader):
    trace, session = otlp.new_trace_id(), otlp.new_span_id()
    spans = voice_turn(trace, session)
    room = f"RM_{trace.hex()[:12]}"
    reader.send(spans, **{"livekit.room.id": room, "telemetry.sdk.language": "python"})
    call = reader.call(livekitRoomId=room, startedAt=iso(at(-1000)))
    line = reader.timeline(f"/v1/call/{call}/timeline")
    assert (line["kind"], line["id"], line["zero"], line["endNs"]) == ("call", call, iso(at(-1000)), None)
    assert (line["spanCount"], line["isCut"], line["errorCount"], line["isChanges"]) == (9, False, 1, False)
    # The session never came: its row stands first, as long as what is below it.
    top = line.rows[0]
    assert (top["id"], top["name"], top["parent"], top["flags"]) == (session.hex(), None, None, PROVISIONAL)
    assert (top["startNs"], top["lengthNs"]) == (1000 * MS, 3000 * MS)
    assert line["traces"][0]["missingParents"] == 1 and line["traces"][0]["isOpen"]
    agent = line.named("agent_turn")
    assert agent["parent"] == session.hex() and agent["flags"] == ORPHAN | INTERRUPTED
    tool = line.named("function_tool")
    assert (tool["role"], tool["label"], tool["flags"]) == ("tool", "lookup", ERROR)
    assert tool["parent"] == agent["id"] and tool["startNs"] == 1700 * MS
    assert line.named("agent_speaking")["role"] == "speech"
    (turn,) = line["turns"]
    assert (turn["number"], turn["outcome"], turn["said"]) == (1, "answered", "and my order?")
    assert turn["hasError"] and turn["isInterrupted"] and turn["spanCount"] == 9
    assert {row["turn"] for row in line.rows[1:]} == {0} and top["turn"] == -1
    assert len(turn["topSpans"]) == 3
    (wait,) = turn["waits"]
    assert (wait["startNs"], wait["lengthNs"]) == (1400 * MS, 1600 * MS)
    assert wait["parts"] == {"endOfTurn": 100 * MS, "llm": 300 * MS, "tools": 800 * MS, "firstSentence": 200 * MS,
                             "tts": 200 * MS, "notMeasured": 0}
    assert sum(length for _, _, length in wait["segments"]) == wait["lengthNs"]
    owned = {stage["stage"]: stage for stage in wait["stages"]}
    assert owned["tts"]["ownNs"] == 200 * MS and owned["tts"]["attribute"] == "lk.response.ttfb"
    assert line["responses"] == {"count": 1, "medianNs": 1600 * MS, "p95Ns": None, "slowestNs": 1600 * MS,
                                 "slowestTurn": 1}
    (link,) = line["links"]
    assert (link["kind"], link["value"], link["conversationId"]) == ("livekit", room, call)
    assert link["foundOn"] == {"attribute": "livekit.room.id", "isResource": True}
    assert line["clocks"] == []


def test_values_do_not_come_along(reader):
    trace = otlp.new_trace_id()
    reader.send([otlp.span(trace, "root", {"secret": "a value nobody asked for"})])
    response = reader.client.get(f"/v1/traces/{trace.hex()}/timeline")
    assert b"nobody asked" not in response.body
    assert response.data["zero"] and response.data["links"] == []


def test_only_what_changed_comes_again(cluster, reader):
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    path = f"/v1/traces/{trace.hex()}/timeline"
    first = otlp.span(trace, "first", parent=root, start=at(0), end=at(10))
    inner = otlp.span(trace, "inner", parent=first.span_id, start=at(2), end=at(5))
    reader.send([first, inner])
    whole = reader.timeline(path)
    assert [row["name"] for row in whole.rows] == [None, "first", "inner"]
    # What came lately comes again; long ago is another matter.
    assert reader.timeline(path, whole["revision"])["isChanged"]
    cluster.sql("UPDATE segment SET seen_at = seen_at - interval '2 minutes'")
    quiet = reader.timeline(path, whole["revision"])
    assert not quiet["isChanged"] and quiet["isChanges"] and "columns" not in quiet.data
    assert quiet["revision"] >= whole["revision"]
    second = otlp.span(trace, "second", parent=root, start=at(20), end=at(30))
    reader.send([second])
    changes = reader.timeline(path, quiet["revision"])
    assert changes["isChanged"] and changes["spanCount"] == 3
    assert [row["name"] for row in changes.rows] == [None, "second"]
    assert changes.rows[0]["id"] == root.hex() and changes.rows[0]["lengthNs"] == 30 * MS
    # The root takes its row over.
    reader.send([otlp.span(trace, "session", span_id=root, start=at(0), end=at(40))])
    cluster.sql("UPDATE segment SET seen_at = seen_at - interval '2 minutes' WHERE hash NOT IN"
                " (SELECT hash FROM segment ORDER BY seen_at DESC LIMIT 1)")
    changes = reader.timeline(path, quiet["revision"])
    assert [(row["name"], row["flags"]) for row in changes.rows] == [("session", 0)]
    assert changes.rows[0]["id"] == root.hex()
    assert [row["name"] for row in reader.timeline(path).rows] == ["session", "first", "inner", "second"]


def test_several_traces_of_a_call_share_one_axis(reader):
    key = f"order-{otlp.new_trace_id().hex()}"
    call = reader.call(externalId=key, startedAt=iso(at(0)))
    late, early = otlp.new_trace_id(), otlp.new_trace_id()
    reader.send([otlp.span(late, "late", {"roark.external_id": key}, start=at(5000), end=at(6000))])
    reader.send([otlp.span(early, "early", {"roark.external_id": key}, start=at(-500), end=at(200))])
    line = reader.timeline(f"/v1/call/{call}/timeline")
    assert [one["traceId"] for one in line["traces"]] == [early.hex(), late.hex()]
    assert [(row["trace"], row["name"], row["startNs"]) for row in line.rows] == [
        (0, "early", -500 * MS), (1, "late", 5000 * MS)]
    assert [(link["trace"], link["kind"]) for link in line["links"]] == [(0, "external"), (1, "external")]
    found = line["links"][0]["foundOn"]
    assert (found["attribute"], found["spanName"]) == ("roark.external_id", "early")


def test_a_clock_that_runs_apart_is_told_and_nothing_moves(reader):
    key = f"order-{otlp.new_trace_id().hex()}"
    call = reader.call(externalId=key, startedAt=iso(at(0)))
    trace = otlp.new_trace_id()
    reader.send([otlp.span(trace, "root", {"roark.external_id": key}, start=at(-13_200), end=at(-9_000))])
    line = reader.timeline(f"/v1/call/{call}/timeline")
    assert line["clocks"] == [{"about": "trace", "trace": 0, "service": None, "aheadNs": -13_200 * MS}]
    assert line.rows[0]["startNs"] == -13_200 * MS
    # A service whose every span lies 3.2 s before its parent.
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    reader.send([otlp.span(trace, "root", span_id=root, start=at(0), end=at(900))])
    reader.send([otlp.span(trace, "far", parent=root, start=at(-3200 + 10 * n), end=at(-3100)) for n in range(5)],
                **{"service.name": "elsewhere"})
    line = reader.timeline(f"/v1/traces/{trace.hex()}/timeline")
    (note,) = line["clocks"]
    assert (note["about"], note["service"]) == ("service", "elsewhere") and note["aheadNs"] == -3200 * MS


def test_odd_times_and_circles(reader):
    trace, a, b = otlp.new_trace_id(), otlp.new_span_id(), otlp.new_span_id()
    reader.send([otlp.span(trace, "a", parent=b, span_id=a, start=5, end=1),
                 otlp.span(trace, "b", parent=a, span_id=b, start=at(0), end=at(1)),
                 otlp.span(trace, "open", start=at(2), end=0),
                 otlp.span(trace, "last", start=2**63 - 1, end=2**63 - 1)])
    line = reader.timeline(f"/v1/traces/{trace.hex()}/timeline")
    rows = {row["name"]: row for row in line.rows}
    assert rows["a"]["lengthNs"] == -4 and rows["a"]["startNs"] == 0
    assert rows["b"]["parent"] == a.hex()
    assert rows["open"]["flags"] & OPEN
    assert line["spanCount"] == 4


def test_recorded_calls(reader):
    """What the frameworks sent comes back with their turns, however their traces hang together."""
    for name in ("livekit-python", "livekit-node", "livekit-node-unregistered", "livekit-node-old"):
        body = (RECORDED / f"{name}.json").read_bytes()
        room = f"RM_{otlp.new_trace_id().hex()[:12]}"
        old = json.loads(body)["resourceSpans"][0]["resource"]["attributes"]
        (old_room,) = [one["value"]["stringValue"] for one in old if one["key"] == "livekit.room.id"]
        body = body.replace(old_room.encode(), room.encode())
        assert reader.client.export(body, "application/json").status == 200
        line = reader.timeline(f"/v1/call/{reader.call(livekitRoomId=room)}/timeline")
        assert [turn["outcome"] for turn in line["turns"]] == ["agent opened", *["not reported"] * 3, "answered"]
        assert line["turns"][4]["said"] == "Stop, please." and line["turns"][3]["isInterrupted"]
        (wait,) = line["turns"][4]["waits"]
        assert sum(wait["parts"].values()) == wait["lengthNs"]
        assert wait["reportedBy"] == "lk.e2e_latency" and wait["lengthNs"] == wait["reportedNs"]


def test_what_is_not_there(reader, cluster):
    missing = "00000000-0000-4000-8000-000000000000"
    for path in (f"/v1/call/{missing}/timeline", f"/v1/chat/{missing}/timeline", "/v1/call/nope/timeline",
                 f"/v1/traces/{otlp.new_trace_id().hex()}/timeline"):
        assert reader.client.get(path).status == 404
    trace = otlp.new_trace_id()
    reader.send([otlp.span(trace)])
    for bad in ("x", "-1", "1e3", "99999999999999999999"):
        response = reader.client.get(f"/v1/traces/{trace.hex()}/timeline?since={bad}")
        assert response.status == 400 and "since" in response.json()["message"]
    other = Reader(cluster.client(cluster.project(f"other-{trace.hex()[:8]}")))
    assert other.client.get(f"/v1/traces/{trace.hex()}/timeline").status == 404
    call = reader.call(externalId=f"empty-{trace.hex()}")
    line = reader.timeline(f"/v1/call/{call}/timeline")
    assert (line["spanCount"], line["turns"], line["traces"]) == (0, [], [])
    assert reader.client.get(f"/v1/chat/{call}/timeline").status == 404


def test_more_spans_than_are_shown_are_cut_and_it_says_so(reader):
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    for batch in range(11):
        reader.send([otlp.span(trace, "work", parent=root, start=at(batch), end=at(batch + 1)) for _ in range(10_000)])
        if batch == 9:
            line = reader.timeline(f"/v1/traces/{trace.hex()}/timeline")
            assert (line["spanCount"], line["spanTotal"], line["isCut"]) == (100_000, 100_000, False)
    line = reader.timeline(f"/v1/traces/{trace.hex()}/timeline")
    assert (line["spanCount"], line["spanTotal"], line["isCut"]) == (100_000, 110_000, True)
    assert len(line.rows) == 100_001 and max(row["startNs"] for row in line.rows) == 9 * MS


def test_a_chat_has_its_requests(reader):
    trace = otlp.new_trace_id()
    root = otlp.new_span_id()
    reader.send([otlp.span(trace, "POST /ask", span_id=root, start=at(0), end=at(900)),
                 otlp.span(trace, "chat gpt", {"gen_ai.operation.name": "chat", "gen_ai.response.time_to_first_chunk": 0.2},
                           root, start=at(100), end=at(800))])
    made = reader.client.post_json("/v1/chat", {"traceId": trace.hex()})
    assert made.status == 200, made.body
    for path in (f"/v1/chat/{made.data['id']}/timeline", f"/v1/traces/{trace.hex()}/timeline"):
        (turn,) = reader.timeline(path)["turns"]
        assert (turn["kind"], turn["waits"][0]["lengthNs"]) == ("request", 300 * MS)


def test_it_takes_no_time(reader):
    """A long call: 817 spans, 4.5 MB. The aim is 30 ms; a busy machine may take longer."""
    trace, session = otlp.new_trace_id(), otlp.new_span_id()
    room = f"RM_{trace.hex()[:12]}"
    text = "words of a context that grows and grows " * 180
    for turn in range(60):
        spans = [one for one in voice_turn(trace, session)]
        for one in spans:
            one.start_time_unix_nano += turn * 8000 * MS
            one.end_time_unix_nano += turn * 8000 * MS
            one.attributes.extend(otlp.attributes({"lk.pii.chat_ctx": text[:600 + turn * 90]}))
        reader.send(spans, **{"livekit.room.id": room, "telemetry.sdk.language": "python"})
    call = reader.call(livekitRoomId=room)
    took = []
    for _ in range(20):
        began = time.monotonic()
        line = reader.timeline(f"/v1/call/{call}/timeline")
        took.append(time.monotonic() - began)
    assert line["spanCount"] == 540 and len(line["turns"]) == 60
    assert sorted(took)[10] < 1.0
