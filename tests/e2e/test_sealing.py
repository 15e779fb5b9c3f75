"""Sealing rewrites a quiet trace as one segment, and no answer changes by it."""

import itertools
import json
import random
import threading
import time

import psycopg
import pytest

from support import otlp, paths
from support.client import JSON, PROTOBUF
from support.cluster import Cluster
from support.process import wait_until

START = 1_790_000_000_000_000_000
MS = 1_000_000
QUICK = {"seal_quiet_s": 1, "seal_share_percent": 100}
LOCK = 7226741005  # SEAL_LOCK


class Sealer:
    """Lets a cluster's correlator seal, or keeps it from it by its own lock."""

    def __init__(self, cluster):
        self.connection = psycopg.connect(cluster.conninfo, autocommit=True)

    def _take(self):
        self.connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                                "and application_name = 'calltrace-correlator seal'")
        return self.connection.execute("select pg_try_advisory_lock(%s)", (LOCK,)).fetchone()[0]

    def hold(self):
        wait_until(self._take, 10, "the sealer's lock", interval=0.1)

    def release(self):
        self.connection.execute("select pg_advisory_unlock_all()")


@pytest.fixture(scope="module")
def running(servers):
    """Nothing is sealed until the test says so."""
    cluster = servers.cluster(correlator_rows=QUICK)
    cluster.sealer = Sealer(cluster)
    yield cluster
    cluster.sealer.connection.close()
    cluster.close()


@pytest.fixture
def sealing(running):
    running.sealer.hold()
    yield running
    running.sealer.release()


@pytest.fixture
def client(sealing):
    made = sealing.client(sealing.project(f"seal-{otlp.new_trace_id().hex()[:10]}"))
    yield made
    made.close()


def unsealed(cluster):
    return cluster.sql("select count(*) from trace where not is_sealed and not is_skipped")[0][0]


def seal_all(cluster):
    """Seals what there is, then nothing any more."""
    cluster.sealer.release()
    wait_until(lambda: unsealed(cluster) == 0, 30, "all traces to be sealed")
    cluster.sealer.hold()


def segments(cluster, trace):
    return cluster.sql("select encode(hash, 'hex'), spans, is_sealed, raw_bytes, octet_length(body) from segment "
                       "where trace_id = %s order by seen_at, hash", (trace,))


def send(client, *spans, resource=None, scope="livekit-agents", message=None):
    body = (message or otlp.request(spans, {"service.name": "voice", **(resource or {})}, scope)).SerializeToString()
    response = client.export(body, PROTOBUF)
    assert response.status == 200 and response.body == b"", response.body
    return body


def read(client, trace, accept=PROTOBUF):
    response = client.get(f"/v1/traces/{trace.hex()}", {"Accept": accept})
    assert response.status == 200, response.body
    return response.body


def spans_of(client, trace):
    return {span.span_id: span.SerializeToString()
            for span in otlp.spans_of(otlp.TracesData.FromString(read(client, trace)))}


def row_of(client, trace):
    for row in client.get("/v1/traces?limit=100").data:
        if row["traceId"] == trace.hex():
            return row
    return None


class Talk:
    """A trace of some exports with growing contexts, two services and copies of spans."""

    def __init__(self, client, seed=1, turns=6):
        rng = random.Random(seed)
        self.trace, self.session = otlp.new_trace_id(), otlp.new_span_id()
        self.key = f"order-{self.trace.hex()}"
        self.call = client.post_json("/v1/call", {"externalId": self.key}).data["id"]
        self.context, self.sent, self.bodies = [], {}, []
        for turn in range(turns):
            self.context.append(f"turn {turn} says {rng.random()}")
            at = START + turn * 8000 * MS
            ids = [otlp.new_span_id() for _ in range(4)]
            made = [otlp.span(self.trace, name, attributes, self.session if n < 2 else ids[1], ids[n], at + n * 100 * MS,
                              at + (n + 1) * 500 * MS)
                    for n, (name, attributes) in enumerate([
                        ("user_turn", {"lk.user_transcript": f"words {turn}"}),
                        ("agent_turn", {"roark.external_id": self.key, "turn": turn}),
                        ("llm_node", {"lk.chat_ctx": json.dumps(self.context), "lk.response.ttft": 0.2}),
                        ("tts_node", {"lk.response.ttfb": 0.1, "voice": rng.choice(["a", "b", "c"])})])]
            made[3].status.code = 2 if turn == 2 else 0
            self.put(client, made[:3])
            self.put(client, made[3:], resource={"service.name": "speech"})
            if turn % 2:  # an earlier copy of a span, and a later one
                for name, end in ("agent_turn", made[1].end_time_unix_nano - 1), ("agent_turn (kept)", at + 9000 * MS):
                    copy = otlp.Span()
                    copy.CopyFrom(made[1])
                    copy.name, copy.end_time_unix_nano = name, end
                    self.put(client, [copy])
        self.put(client, [otlp.span(self.trace, "agent_session", {}, b"", self.session, START, START + turns * 8000 * MS)])

    def put(self, client, spans, resource=None):
        self.bodies.append(send(client, *spans, resource=resource))
        for span in spans:
            rank = (span.end_time_unix_nano, span.SerializeToString())
            self.sent[span.span_id] = max(self.sent.get(span.span_id, rank), rank)

    def spans(self):
        return {key: rank[1] for key, rank in self.sent.items()}

    def answers(self, client):
        """Everything that reads tell of it; counts apart."""
        paths = [f"/v1/traces/{self.trace.hex()}/tree", f"/v1/traces/{self.trace.hex()}/timeline",
                 f"/v1/call/{self.call}/timeline", "/v1/traces?name=kept", "/v1/traces?attr=voice:a", "/v1/traces?attr=voice:z",
                 "/v1/traces?attr=turn>4", "/v1/traces?attr=turn>5", "/v1/traces?attr=lk.response.ttft",
                 "/v1/traces?service=speech&status=error", "/v1/traces?attr=turn:3&name=agent_turn",
                 "/v1/traces/groups?by=service", "/v1/traces/histogram",
                 f"/v1/traces/{self.trace.hex()}/search?q=words"]
        told = [plain(client.get(path).data) for path in paths]
        return [read(client, self.trace), read(client, self.trace, JSON), *told]


def plain(value):
    """An answer without what sealing makes exact, and without the time at which it was given."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()
                if key not in ("spanCount", "errorCount", "spanTotal", "countsApproximate", "revision", "lastSeenAt")}
    return [plain(one) for one in value] if isinstance(value, list) else value


def test_every_answer_is_the_same_after_sealing(sealing, client):
    talk = Talk(client)
    before = talk.answers(client)
    assert row_of(client, talk.trace)["countsApproximate"] is True
    assert spans_of(client, talk.trace) == talk.spans()
    raw = sum(row[3] for row in segments(sealing, talk.trace))
    seal_all(sealing)
    assert talk.answers(client) == before
    assert spans_of(client, talk.trace) == talk.spans()
    (kept,) = segments(sealing, talk.trace)
    assert kept[1:3] == (len(talk.sent), True) and kept[3] < raw
    row = row_of(client, talk.trace)
    assert (row["spanCount"], row["errorCount"], row["countsApproximate"]) == (len(talk.sent), 1, False)


def sealed_hash(cluster, trace):
    ((hash_, _, is_sealed, _, _),) = segments(cluster, trace)
    assert is_sealed
    return hash_


def test_late_spans_stand_beside_and_are_sealed_in_turn(sealing, client):
    talk = Talk(client, turns=2)
    seal_all(sealing)
    first = sealed_hash(sealing, talk.trace)
    late = otlp.span(talk.trace, "late", {"voice": "late"}, talk.session, start=START + 5 * MS)
    talk.put(client, [late])
    assert len(segments(sealing, talk.trace)) == 2
    row = row_of(client, talk.trace)
    assert (row["spanCount"], row["countsApproximate"]) == (len(talk.sent), True)
    assert spans_of(client, talk.trace) == talk.spans()
    assert [one["traceId"] for one in client.get("/v1/traces?attr=voice:late").data] == [talk.trace.hex()]
    before = talk.answers(client)
    seal_all(sealing)
    assert talk.answers(client) == before
    assert sealed_hash(sealing, talk.trace) != first
    assert row_of(client, talk.trace)["countsApproximate"] is False


def test_a_late_copy_of_a_sealed_span(sealing, client):
    """The rule is the same on both sides of a sealing: the later end, then the greater bytes."""
    talk = Talk(client, turns=1)
    seal_all(sealing)
    for name, shift in ("worse", -1), ("a tie that is less", 0), ("~ a tie that is more", 0), ("better", 1):
        copy = otlp.Span.FromString(talk.spans()[talk.session])
        copy.name = name
        copy.end_time_unix_nano += shift
        talk.put(client, [copy])
        assert spans_of(client, talk.trace) == talk.spans(), name
        seal_all(sealing)
        assert spans_of(client, talk.trace) == talk.spans(), name
        assert len(segments(sealing, talk.trace)) == 1


def test_the_name_of_an_older_copy_of_the_root_still_finds_the_trace(sealing, client):
    """The row keeps the root that began first, although a later copy of that span is what is shown of it."""
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    send(client, otlp.span(trace, "as it began", {}, b"", root, START, START + MS))
    send(client, otlp.span(trace, "as it ended", {}, b"", root, START + 1, START + 2 * MS))

    def found(name):
        return [row["traceId"] for row in client.get(f"/v1/traces?rootName={name}").data]

    for _ in range(2):
        assert found("as%20it%20began") == [trace.hex()] and found("as%20it%20ended") == []
        seal_all(sealing)
        assert row_of(client, trace)["rootName"] == "as it began"


def test_retries_after_sealing_bring_no_span_twice(sealing, client):
    talk = Talk(client, turns=3)
    seal_all(sealing)
    before, hash_ = talk.answers(client), sealed_hash(sealing, talk.trace)
    for body in talk.bodies:
        assert client.export(body, PROTOBUF).status == 200
    assert len(segments(sealing, talk.trace)) == len(set(talk.bodies)) + 1
    read_now = spans_of(client, talk.trace)
    assert read_now == talk.spans()
    assert len(otlp.spans_of(otlp.TracesData.FromString(read(client, talk.trace)))) == len(read_now)
    assert row_of(client, talk.trace)["countsApproximate"] is True
    seal_all(sealing)
    row = row_of(client, talk.trace)
    assert (row["spanCount"], row["errorCount"], row["countsApproximate"]) == (len(talk.sent), 1, False)
    assert sealed_hash(sealing, talk.trace) == hash_
    assert talk.answers(client) == before


def test_a_trace_of_one_export_and_its_retry(sealing, client):
    """The sealed segment has the very hash of the one that came, and the retry brings it again."""
    trace = otlp.new_trace_id()
    body = send(client, otlp.span(trace, "only", {"n": 1}))
    ((came, *_),) = segments(sealing, trace)
    seal_all(sealing)
    assert sealed_hash(sealing, trace) == came
    for _ in range(2):
        assert client.export(body, PROTOBUF).status == 200
        assert sorted(row[2] for row in segments(sealing, trace)) == [False, True]
        assert len(spans_of(client, trace)) == 1 and row_of(client, trace)["countsApproximate"] is True
        seal_all(sealing)
        assert sealed_hash(sealing, trace) == came
        assert row_of(client, trace)["spanCount"] == 1


def test_odd_texts_are_sealed_as_they_came(sealing, client):
    trace = otlp.new_trace_id()
    span = otlp.span(trace, "odd", {"nul": "a\0b", "deep": [1, {"k": [None, b"\xff"]}], "empty": None})
    raw = span.SerializeToString() + otlp.field(5, b"\xff\xfe not UTF-8") + otlp.field(99, b"unknown")
    response = client.export(otlp.wrap_raw_spans([raw]), PROTOBUF)
    assert response.status == 200, response.body
    send(client, otlp.span(trace, "plain"))
    before = read(client, trace), read(client, trace, JSON)
    seal_all(sealing)
    assert (read(client, trace), read(client, trace, JSON)) == before
    assert len(segments(sealing, trace)) == 1


def waits_for_lock(cluster):
    return bool(cluster.sql("select 1 from pg_stat_activity where datname = %s and wait_event_type = 'Lock' "
                            "and application_name = 'calltrace-correlator seal'", (cluster.database,)))


def overtaken(cluster, trace, *statements):
    """Lets the sealer read the trace and then wait for its row, while somebody else does this to it."""
    with psycopg.connect(cluster.conninfo) as connection:
        connection.execute("select 1 from trace where trace_id = %s for update", (trace,))
        cluster.sealer.release()
        wait_until(lambda: waits_for_lock(cluster), 20, "the sealer to wait")
        for statement in statements:
            connection.execute(statement, {"trace": trace})


def overtakings(cluster):
    return cluster.correlators[0].metrics()["calltrace_seal_overtaken_total"]


def test_a_segment_that_comes_while_it_is_sealed(sealing, client):
    """What was read is sealed, what came stays, and the trace comes up again."""
    trace, before = otlp.new_trace_id(), overtakings(sealing)
    sent = [otlp.span(trace, f"span {n}") for n in range(3)]
    for span in sent:
        send(client, span)
    sealing.sql("create table put_aside as select * from segment where trace_id = %s limit 1", (trace,))
    sealing.sql("delete from segment where trace_id = %s and hash = (select hash from put_aside)", (trace,))
    overtaken(sealing, trace, "insert into segment select * from put_aside")
    wait_until(lambda: unsealed(sealing) == 0, 20, "another turn")
    sealing.sealer.hold()
    sealing.sql("drop table put_aside")
    assert overtakings(sealing) == before + 1
    assert spans_of(client, trace) == {span.span_id: span.SerializeToString() for span in sent}
    assert len(segments(sealing, trace)) == 1


def test_a_segment_that_goes_while_it_is_sealed(sealing, client):
    """The others are left alone until they are read again."""
    trace, before = otlp.new_trace_id(), overtakings(sealing)
    sent = [otlp.span(trace, f"span {n}") for n in range(3)]
    for span in sent:
        send(client, span)
    gone = segments(sealing, trace)[1][0]
    overtaken(sealing, trace, f"delete from segment where trace_id = %(trace)s and hash = '\\x{gone}'")
    wait_until(lambda: unsealed(sealing) == 0, 20, "another turn")
    sealing.sealer.hold()
    assert overtakings(sealing) == before + 1
    ((_, count, is_sealed, *_),) = segments(sealing, trace)
    assert (count, is_sealed) == (2, True)
    assert len(spans_of(client, trace)) == 2


def test_a_trace_that_is_skipped_while_it_is_sealed(sealing, client):
    trace = otlp.new_trace_id()
    for n in range(2):
        send(client, otlp.span(trace, f"span {n}"))
    overtaken(sealing, trace, "update trace set is_skipped = true where trace_id = %(trace)s",
              "delete from segment where trace_id = %(trace)s")
    other = otlp.new_trace_id()
    send(client, otlp.span(other, "unharmed"))
    wait_until(lambda: unsealed(sealing) == 0, 20, "another turn")
    sealing.sealer.hold()
    assert segments(sealing, trace) == [] and len(segments(sealing, other)) == 1
    assert client.get(f"/v1/traces/{trace.hex()}").status == 404


def test_a_sealed_trace_is_skipped_whole(sealing, client):
    talk = Talk(client, turns=2)
    seal_all(sealing)
    send(client, otlp.span(talk.trace, "late"), resource={"roark.skip": True})
    assert segments(sealing, talk.trace) == []
    assert client.get(f"/v1/traces/{talk.trace.hex()}").status == 404
    assert row_of(client, talk.trace) is None
    seal_all(sealing)
    assert segments(sealing, talk.trace) == []


def test_what_cannot_be_read_is_left_alone(sealing, client):
    broken, whole = otlp.new_trace_id(), otlp.new_trace_id()
    for trace in (broken, whole):
        for n in range(2):
            send(client, otlp.span(trace, f"span {n}"))
    sealing.sql("update segment set body = 'no zstd'::bytea where trace_id = %s", (broken,))
    was = segments(sealing, broken)
    sealing.sealer.release()
    wait_until(lambda: unsealed(sealing) == 0, 20, "both to be done with")
    lines = sealing.correlators[0].log().count(f"event=seal_unread trace={broken.hex()}")
    assert lines == 1
    sealing.sealer.hold()
    assert segments(sealing, broken) == was and len(segments(sealing, whole)) == 1
    assert row_of(client, broken)["countsApproximate"] is True


def test_a_trace_too_large_for_one_segment_becomes_several_and_stays_so(sealing, client):
    trace = otlp.new_trace_id()
    for n in range(3):
        send(client, *[otlp.span(trace, "tick", span_id=(n * 40000 + i + 1).to_bytes(8, "big"), start=START, end=START + i)
                       for i in range(40000)])
    seal_all(sealing)
    kept = segments(sealing, trace)
    assert [row[1:3] for row in kept] == [(80000, True), (40000, True)]
    row = row_of(client, trace)
    assert (row["spanCount"], row["countsApproximate"]) == (120000, True)
    send(client, otlp.span(trace, "late", start=START, end=START + 1))
    seal_all(sealing)
    assert segments(sealing, trace)[0] == kept[0]
    assert [row[1:3] for row in segments(sealing, trace)] == [(80000, True), (40001, True)]
    (left,) = sealing.sql("select count(*) from segment_hot where trace_id = %s", (trace,))
    assert left == (0,)


def test_readers_see_every_span_once_while_it_is_sealed_again_and_again(sealing, client):
    trace = otlp.new_trace_id()
    sent, problems, stop = {}, [], threading.Event()

    def watch(accept):
        reader = sealing.client(client.key)
        while not stop.is_set():
            wanted = dict(sent)
            answer = reader.get(f"/v1/traces/{trace.hex()}", {"Accept": accept})
            spans = otlp.spans_of(otlp.TracesData.FromString(answer.body))
            got = {span.span_id: span.SerializeToString() for span in spans}
            if len(got) != len(spans) or any(got.get(key) != value for key, value in wanted.items()):
                problems.append((len(spans), len(got), len(wanted)))
        reader.close()

    def put(n):
        span = otlp.span(trace, f"span {n}", {"text": "x" * 2000})
        send(client, span)
        sent[span.span_id] = span.SerializeToString()

    put(0)
    sealing.sealer.release()
    threads = [threading.Thread(target=watch, args=(PROTOBUF,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in itertools.count(1):
        put(n)
        wait_until(lambda: unsealed(sealing) == 0, 20, "it to be sealed")
        if n == 4:
            break
    stop.set()
    for thread in threads:
        thread.join()
    sealing.sealer.hold()
    assert problems == []
    assert len(segments(sealing, trace)) == 1 and spans_of(client, trace) == sent


def test_one_correlator_seals_and_another_takes_over(servers):
    cluster = servers.cluster(correlators=2, correlator_rows=QUICK)
    try:
        client = cluster.client(cluster.project("take-over"))

        def one():
            trace = otlp.new_trace_id()
            for n in range(2):
                send(client, otlp.span(trace, f"span {n}"))
            wait_until(lambda: len(segments(cluster, trace)) == 1, 20, "it to be sealed")

        def counts():
            return [daemon.metrics()["calltrace_sealed_traces_total"] for daemon in cluster.correlators]

        one()
        before = counts()
        assert min(before) == 0 < max(before)
        busy = cluster.correlators[before.index(max(before))]
        other = cluster.correlators[1 - before.index(max(before))]
        busy.kill()
        one()
        assert other.metrics()["calltrace_sealed_traces_total"] > 0
        assert other.metrics()['calltrace_sealed_bytes_total{when="before"}'] > 0
    finally:
        cluster.close()


def test_kills_while_it_seals_lose_nothing(sealing, client):
    rng = random.Random(7)
    talks = [Talk(client, seed, turns=3) for seed in range(12)]
    before = [talk.answers(client)[:2] for talk in talks]
    daemon = sealing.correlators[0]
    sealing.sealer.release()
    for _ in range(10):
        threading.Event().wait(rng.uniform(0.0, 0.35))
        daemon.kill()
        assert [talk.answers(client)[:2] for talk in talks] == before
        daemon.start()
        daemon.wait_ready()
    wait_until(lambda: unsealed(sealing) == 0, 30, "all to be sealed")
    sealing.sealer.hold()
    assert [talk.answers(client)[:2] for talk in talks] == before
    assert all(len(segments(sealing, talk.trace)) == 1 for talk in talks)


def test_it_takes_its_share_of_a_processor_and_no_more(servers):
    cluster = servers.cluster(correlator_rows={"seal_quiet_s": 1, "seal_share_percent": 20})
    try:
        client = cluster.client(cluster.project("share"))
        for _ in range(8):
            send(client, *[otlp.span(otlp.new_trace_id(), "one", {"text": "x" * 100}) for _ in range(200)])
        wait_until(lambda: unsealed(cluster) < 1600, 20, "it to begin")
        began = time.monotonic()
        wait_until(lambda: unsealed(cluster) == 0, 60, "it to end")
        took, busy = time.monotonic() - began, cluster.correlators[0].metrics()["calltrace_seal_seconds_sum"]
        assert cluster.correlators[0].metrics()["calltrace_seal_seconds_count"] >= 8
        assert took > 3 * busy, (took, busy)
    finally:
        cluster.close()


def test_an_emptied_table_gives_its_space_back(sealing, client):
    """After a burst the vacuum takes the rows, and the sealer what their indexes took."""
    def hot_bytes():
        return sealing.sql("select pg_total_relation_size('segment_hot')")[0][0]

    rng, traces = random.Random(3), []
    for _ in range(40):
        traces.append(otlp.new_trace_id())
        span = otlp.span(traces[-1], "large", {"noise": rng.randbytes(500_000)})
        send(client, span)
    assert hot_bytes() > 20_000_000
    seal_all(sealing)
    sealing.sealer.release()
    wait_until(lambda: sealing.sql("vacuum segment_hot") or hot_bytes() < 1_000_000, 20, "its space to come back", interval=0.5)
    assert len(spans_of(client, traces[0])) == 1
    assert sealing.sql("select count(*) from segment where trace_id = any(%s)", (traces,)) == [(40,)]


def columns(connection, table):
    return [name for name, in connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped", (table,))]


def test_a_store_of_the_schema_before_is_taken_over(servers, sealing, client):
    """Its segments stand by day already, as if they were sealed; those of one trace are made one, no span is lost."""
    talk = Talk(client, turns=2)
    alone = otlp.new_trace_id()
    send(client, otlp.span(alone, "alone"))
    old = Cluster(sealing.directory.parent / "old-schema", servers.postgres, servers.redis, servers.authority,
                  correlator_rows=QUICK)
    migrations = sorted((paths.ROOT / "schema" / "migrations").glob("*.sql"))[:5]
    try:
        with psycopg.connect(sealing.conninfo) as new, psycopg.connect(old.conninfo) as connection:
            connection.execute("create table migration (version int4 primary key, name text not null, "
                               "applied_at timestamptz not null default now())")
            for number, file in enumerate(migrations, 1):
                connection.execute(file.read_text())
                connection.execute("insert into migration values (%s, %s)", (number, file.stem))
            connection.execute("select segment_partition_make(now()::date)")
            for table in ("project", "api_key", "conversation", "conversation_key", "trace", "trace_key", "segment", "link"):
                names = ", ".join(columns(connection, table))
                with new.cursor().copy(f"copy (select {names} from {table}) to stdout") as out, \
                        connection.cursor().copy(f"copy {table} ({names}) from stdin") as into:
                    for block in out:
                        into.write(block)
        old.start()
        reader = old.client(client.key)
        assert spans_of(reader, talk.trace) == talk.spans()
        wait_until(lambda: unsealed(old) == 0, 30, "all to be sealed")
        assert spans_of(reader, talk.trace) == talk.spans() and len(segments(old, talk.trace)) == 1
        assert len(spans_of(reader, alone)) == 1
        assert row_of(reader, talk.trace)["countsApproximate"] is False
        send(reader, otlp.span(alone, "and more"))
        wait_until(lambda: unsealed(old) == 0, 30, "all to be sealed")
        assert len(spans_of(reader, alone)) == 2 and len(segments(old, alone)) == 1
    finally:
        old.close()
