"""Lists show turns, the slowest of them and errors without decoding a span: a correlator counts them."""

import json
from pathlib import Path

import pytest

from support import otlp
from support.process import wait_until

RECORDED = Path(__file__).resolve().parents[1] / "unit/voice/recorded"


@pytest.fixture(scope="module")
def counting(servers):
    running = servers.cluster(correlators=2, correlator_rows={"tally_quiet_s": 1, "tally_again_s": 3})
    yield running
    running.close()


@pytest.fixture
def project(counting):
    return counting.project(f"tally-{otlp.new_trace_id().hex()[:10]}")


@pytest.fixture
def client(counting, project):
    made = counting.client(project)
    yield made
    made.close()


def row_of(client, call):
    rows = client.get("/v1/conversations?limit=100").data
    (row,) = [row for row in rows if row["id"] == call]
    return row


def counted(client, call, **wanted):
    wait_until(lambda: all(row_of(client, call)[key] == value for key, value in wanted.items()), 20,
               f"{wanted}, not {row_of(client, call)}")
    return row_of(client, call)


def export(client, body, content_type="application/json"):
    response = client.export(body, content_type)
    assert response.status == 200, response.body


def recorded(name, room):
    body = (RECORDED / f"{name}.json").read_bytes()
    attributes = json.loads(body)["resourceSpans"][0]["resource"]["attributes"]
    (old,) = [one["value"]["stringValue"] for one in attributes if one["key"] == "livekit.room.id"]
    return body.replace(old.encode(), room.encode())


def test_a_call_is_counted_once_it_is_quiet(client):
    room = f"RM_{otlp.new_trace_id().hex()[:12]}"
    call = client.post_json("/v1/call", {"livekitRoomId": room}).data["id"]
    row = row_of(client, call)
    assert (row["traceCount"], row["turnCount"], row["errorCount"], row["talliedAt"]) == (0, None, None, None)
    assert row["matchedKinds"] == [] and row["openTraceCount"] == 0 and row["tracesEndedAt"] is None
    export(client, recorded("livekit-python", room))
    row = counted(client, call, turnCount=4)
    assert (row["traceCount"], row["errorCount"], row["answeredTurnCount"], row["slowestTurn"]) == (1, 0, 1, 4)
    assert row["matchedKinds"] == ["livekit"]
    (trace,) = client.get(f"/v1/call/{call}/traces").data
    assert row["openTraceCount"] == 1  # a span came just now
    assert row["tracesEndedAt"] == trace["endedAt"][:23] + "Z"
    line = client.get(f"/v1/call/{call}/timeline").data
    assert row["slowestTurnMs"] * 1e6 == pytest.approx(line["responses"]["slowestNs"])


def test_late_spans_count_again(client):
    key = f"order-{otlp.new_trace_id().hex()}"
    trace, session = otlp.new_trace_id(), otlp.new_span_id()
    call = client.post_json("/v1/call", {"externalId": key}).data["id"]

    def spans(number, error=False):
        turn = otlp.new_span_id()
        made = [otlp.span(trace, "turn", {"roark.external_id": key}, session, turn),
                otlp.span(trace, "llm", {"metrics.ttfb": 0.1}, turn)]
        made[1].status.code = 2 if error else 0
        export(client, otlp.request(made).SerializeToString(), "application/x-protobuf")

    spans(1)
    counted(client, call, turnCount=1, errorCount=0)
    spans(2, error=True)
    row = counted(client, call, turnCount=2, errorCount=1)
    assert row["slowestTurnMs"] is None and row["slowestTurn"] is None


def test_a_trace_linked_afterwards_is_counted(client):
    key = f"order-{otlp.new_trace_id().hex()}"
    trace = otlp.new_trace_id()
    export(client, otlp.request([otlp.span(trace, "turn", {"roark.external_id": key})]).SerializeToString(),
           "application/x-protobuf")
    call = client.post_json("/v1/call", {"externalId": key}).data["id"]
    row = counted(client, call, turnCount=1)
    assert row["matchedKinds"] == ["external"]


def test_one_correlator_counts_and_another_takes_over(counting, client):
    def turn_of(key):
        call = client.post_json("/v1/call", {"externalId": key}).data["id"]
        export(client, otlp.request([otlp.span(otlp.new_trace_id(), "turn", {"roark.external_id": key})]
                                    ).SerializeToString(), "application/x-protobuf")
        counted(client, call, turnCount=1)

    def tallies():
        return [one.metrics()["calltrace_tallies_total"] for one in counting.correlators]

    turn_of(f"a-{otlp.new_trace_id().hex()}")
    before = tallies()
    assert min(before) == 0 < max(before)
    busy = counting.correlators[before.index(max(before))]
    busy.close()
    other = counting.correlators[1 - before.index(max(before))]
    turn_of(f"b-{otlp.new_trace_id().hex()}")
    assert other.metrics()["calltrace_tallies_total"] > 0
    busy.start()
    busy.wait_ready()


def test_who_still_talks_is_counted_again_and_again(counting, client):
    """Spans keep coming faster than the quiet time; every again_s they are counted all the same."""
    key = f"order-{otlp.new_trace_id().hex()}"
    trace, session = otlp.new_trace_id(), otlp.new_span_id()
    call = client.post_json("/v1/call", {"externalId": key}).data["id"]
    seen = set()

    def talk():
        span = otlp.span(trace, "turn", {"roark.external_id": key}, session, otlp.new_span_id())
        export(client, otlp.request([span]).SerializeToString(), "application/x-protobuf")
        seen.add(row_of(client, call)["turnCount"])
        return len(seen - {None}) >= 3

    wait_until(talk, 30, "three different counts", interval=0.3)


def test_what_came_while_nobody_counted_is_found(counting, client):
    key = f"order-{otlp.new_trace_id().hex()}"
    call = client.post_json("/v1/call", {"externalId": key}).data["id"]
    export(client, otlp.request([otlp.span(otlp.new_trace_id(), "turn", {"roark.external_id": key})]
                                ).SerializeToString(), "application/x-protobuf")
    counted(client, call, turnCount=1)
    # As after a long pause: the spans came an hour ago and are sealed, and nobody has looked since.
    counting.sql("delete from conversation_due where conversation_id = %s", (call,))
    counting.sql("delete from conversation_tally where conversation_id = %s", (call,))
    counting.sql("update link set linked_at = now() - interval '1 hour' where conversation_id = %s", (call,))
    counting.sql("update segment set seen_at = now() - interval '1 hour'")
    counting.sql("update tally_state set watermark = now() - interval '2 hours'")
    counted(client, call, turnCount=1)


def test_what_is_sealed_before_it_is_found_is_counted(servers):
    running = servers.cluster(correlator_rows={"tally_quiet_s": 6, "seal_quiet_s": 1, "seal_share_percent": 100})
    try:
        client = running.client(running.project("sealed-early"))

        def watermark():
            return running.sql("select watermark from tally_state where watermark > now() - interval '1 minute'")

        wait_until(watermark, 20, "the first look")
        before = watermark()
        wait_until(lambda: watermark() != before, 20, "another one")
        key = f"order-{otlp.new_trace_id().hex()}"
        call = client.post_json("/v1/call", {"externalId": key}).data["id"]
        running.sql("update link set linked_at = now() - interval '1 day'")
        export(client, otlp.request([otlp.span(otlp.new_trace_id(), "turn", {"roark.external_id": key})]
                                    ).SerializeToString(), "application/x-protobuf")
        running.sql("update link set linked_at = now() - interval '1 day'")  # so that only the span leads to it
        counted(client, call, turnCount=1)
    finally:
        running.close()


def test_nothing_stays_due_for_ever(counting, client, project):
    """Neither a call that is gone nor one that has no traces, nor one whose traces are skipped."""
    key = f"order-{otlp.new_trace_id().hex()}"
    client.post_json("/v1/call", {"externalId": key})
    skipped = otlp.request([otlp.span(otlp.new_trace_id(), "turn", {"roark.external_id": key})], {"roark.skip": True})
    export(client, skipped.SerializeToString(), "application/x-protobuf")
    counting.sql("insert into conversation_due (project_id, conversation_id, due_at) select project_id, id, now() "
                 "from conversation where project_id = %s union select %s, gen_random_uuid(), now() "
                 "on conflict do nothing", (project.id, project.id))
    wait_until(lambda: counting.sql("select count(*) from conversation_due")[0][0] == 0, 40, "nothing that is due")
