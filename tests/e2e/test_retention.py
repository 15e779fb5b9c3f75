"""retain_days removes what is older, whole, and nothing else."""

import collections
import datetime
import time

import psycopg
import pytest

from support import otlp
from support.process import wait_until

TABLES = ["trace", "trace_key", "trace_tag", "segment", "link"]
TURNS, TURN_S = 8, 5
CALL_TABLES = ["conversation_key", "conversation_part", "conversation_tally"]


@pytest.fixture(scope="module")
def keeping(servers):
    running = servers.cluster(correlators=2, correlator_rows={"seal_quiet_s": 1, "tally_quiet_s": 1})
    yield running
    running.close()


@pytest.fixture
def client(keeping):
    made = keeping.client(keeping.project(f"keep-{otlp.new_trace_id().hex()[:10]}"))
    yield made
    made.close()
    retain(keeping, 0)


def retain(cluster, days):
    """Every correlator keeps so many days from now on; none goes on with what it had."""
    for daemon in cluster.correlators:
        daemon.close()
    for daemon in cluster.correlators:
        daemon.rows["retain_days"] = days
        daemon.start()
    cluster.wait_ready()


def retain_until(cluster, days, is_done, what):
    """Turns until it is done by what all of them removed: what a correlator's other threads have locked in one turn, such
    as the sealer and the reconciler, goes in a later one."""
    before = collections.Counter()

    def removed():
        return before + collections.Counter(
            {name: int(sum(daemon.metrics()[f'calltrace_retention_removed_total{{what="{name}"}}']
                           for daemon in cluster.correlators)) for name in ("traces", "calls", "days")})

    for _ in range(TURNS):
        retain(cluster, days)
        try:
            return wait_until(lambda: is_done(removed()), TURN_S, what)
        except AssertionError:
            before = removed()
    raise AssertionError(f"{TURNS} turns for {what}; removed were {before}")


def rows_of(cluster, trace):
    return {table: cluster.sql(f"select count(*) from {table} where trace_id = %s", (trace,))[0][0] for table in TABLES}


def call_rows(cluster, call):
    rows = {table: cluster.sql(f"select count(*) from {table} where conversation_id = %s", (call,))[0][0]
            for table in CALL_TABLES}
    rows["conversation"] = cluster.sql("select count(*) from conversation where id = %s", (call,))[0][0]
    return rows


def make_trace(client, key, sealed=None):
    """Two exports with a key, a tag and a service."""
    trace = otlp.new_trace_id()
    for n in range(2):
        request = otlp.request([otlp.span(trace, f"span {n}", {"roark.external_id": key})],
                               {"service.name": "voice", "roark.project.tag.env": "prod"})
        assert client.export(request.SerializeToString()).status == 200
    if sealed is not None:
        wait_until(lambda: sealed.sql("select is_sealed from trace where trace_id = %s", (trace,))[0][0], 20, "it to be sealed")
    return trace


def age_trace(cluster, trace, days):
    """As if it had been committed so many days ago."""
    day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=days)
    cluster.sql("select segment_partition_make(%s)", (day,))
    cluster.sql("update segment set day = %s where trace_id = %s", (day, trace))
    cluster.sql("update trace set day = %s where trace_id = %s", (day, trace))
    return f"segment_{day:%Y%m%d}"


def age_call(cluster, call, days):
    cluster.sql("update conversation set created_at = created_at - make_interval(days => %s), "
                "updated_at = updated_at - make_interval(days => %s) where id = %s", (days, days, call))


def has_table(cluster, name):
    return cluster.sql("select to_regclass(%s) is not null", (name,))[0][0]


def new_key():
    return f"order-{otlp.new_trace_id().hex()}"


def test_old_traces_and_their_calls_go_and_nothing_else(keeping, client):
    keys = {name: new_key() for name in ("old", "old in pieces", "edge", "young", "mixed")}
    calls = {name: client.post_json("/v1/call", {"externalId": key}).data["id"] for name, key in keys.items()}
    lonely = [client.post_json("/v1/call", {"externalId": new_key()}).data["id"] for _ in range(2)]
    traces = {name: make_trace(client, key, keeping) for name, key in keys.items() if name not in ("old in pieces", "mixed")}
    traces["mixed old"] = make_trace(client, keys["mixed"], keeping)
    traces["mixed young"] = make_trace(client, keys["mixed"], keeping)
    # Not sealed yet: it stands among what came lately.
    traces["old in pieces"] = make_trace(client, keys["old in pieces"], keeping)
    make_more = otlp.request([otlp.span(traces["old in pieces"], "late")])
    assert client.export(make_more.SerializeToString()).status == 200
    old_table = age_trace(keeping, traces["old"], 9)
    age_trace(keeping, traces["old in pieces"], 8)
    edge_table = age_trace(keeping, traces["edge"], 7)
    age_trace(keeping, traces["mixed old"], 9)
    for name in ("old", "old in pieces", "edge", "mixed"):
        age_call(keeping, calls[name], 9)
    age_call(keeping, lonely[0], 9)
    wait_until(lambda: call_rows(keeping, calls["old"])["conversation_tally"] == 1, 20, "its tally")
    kept = {name: rows_of(keeping, traces[name]) for name in ("edge", "young", "mixed young")}
    kept_calls = {name: call_rows(keeping, calls[name]) for name in ("edge", "young", "mixed")}
    assert all(all(rows.values()) for rows in kept.values())

    retain_until(keeping, 7, lambda removed: removed == {"traces": 3, "calls": 3, "days": 2}, "all that is old to go")
    assert not has_table(keeping, old_table)
    for name in ("old", "old in pieces", "mixed old"):
        assert set(rows_of(keeping, traces[name]).values()) == {0}, name
        assert client.get(f"/v1/traces/{traces[name].hex()}").status == 404
    for call in (calls["old"], calls["old in pieces"], lonely[0]):
        assert set(call_rows(keeping, call).values()) == {0}
        assert client.get(f"/v1/call/{call}").status == 404
    for name, rows in kept.items():
        assert rows_of(keeping, traces[name]) == rows, name
        assert len(client.get(f"/v1/traces/{traces[name].hex()}").body) > 100
    for name in ("edge", "young", "mixed"):
        wanted = kept_calls[name] | {"conversation_tally": call_rows(keeping, calls[name])["conversation_tally"]}
        assert call_rows(keeping, calls[name]) == wanted, name
    assert client.get(f"/v1/call/{lonely[1]}").status == 200
    (left,) = client.get(f"/v1/call/{calls['mixed']}/traces").data
    assert left["traceId"] == traces["mixed young"].hex()
    assert has_table(keeping, edge_table)

    # What is removed is free again: the key for a call, the trace id for spans.
    again = client.post_json("/v1/call", {"externalId": keys["old"]})
    assert again.status == 200 and again.data["id"] != calls["old"]
    late = otlp.request([otlp.span(traces["old"], "late", {"roark.external_id": keys["old"]})])
    assert client.export(late.SerializeToString()).status == 200
    (linked,) = client.get(f"/v1/call/{again.data['id']}/traces").data
    assert (linked["traceId"], linked["spanCount"]) == (traces["old"].hex(), 1)


def test_by_default_nothing_is_removed(keeping, client):
    key = new_key()
    call, trace = client.post_json("/v1/call", {"externalId": key}).data["id"], make_trace(client, key, keeping)
    age_trace(keeping, trace, 4000)
    age_call(keeping, call, 4000)
    before = rows_of(keeping, trace)
    retain(keeping, 0)
    time.sleep(2)
    assert rows_of(keeping, trace) == before and client.get(f"/v1/call/{call}").status == 200
    retain_until(keeping, 3999, lambda _: client.get(f"/v1/call/{call}").status == 404, "it to go in the end")
    assert set(rows_of(keeping, trace).values()) == {0}


def test_what_somebody_holds_goes_later(keeping, client):
    trace, other = make_trace(client, new_key(), keeping), make_trace(client, new_key(), keeping)
    table = age_trace(keeping, trace, 100)
    age_trace(keeping, other, 100)
    kept = rows_of(keeping, trace)
    with psycopg.connect(keeping.conninfo) as holder:
        holder.execute("select 1 from trace where trace_id = %s for update", (trace,))
        # Its sealed segment goes with the day's partition.
        retain_until(keeping, 50, lambda _: set((rows_of(keeping, other) | {"segment": 0}).values()) == {0},
                     "the other to go")
        assert rows_of(keeping, trace) == kept and has_table(keeping, table)
        assert len(client.get(f"/v1/traces/{trace.hex()}").body) > 100
    with psycopg.connect(keeping.conninfo) as reader:
        reader.execute(f"select count(*) from {table}")
        retain_until(keeping, 50, lambda _: rows_of(keeping, trace)["trace"] == 0, "the trace to go")
        time.sleep(1.5)
        assert has_table(keeping, table)
        assert client.get("/v1/traces").status == 200
    retain_until(keeping, 50, lambda _: not has_table(keeping, table), "the day to be dropped")
    assert set(rows_of(keeping, trace).values()) == {0}


def test_many_traces_of_an_old_day_go_in_batches(keeping, client):
    traces = [otlp.new_trace_id() for _ in range(1100)]
    for n in range(0, 1100, 100):
        request = otlp.request([otlp.span(trace, attrs={"roark.external_id": "many"}) for trace in traces[n:n + 100]])
        assert client.export(request.SerializeToString()).status == 200
    day = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=30)
    keeping.sql("select segment_partition_make(%s)", (day,))
    keeping.sql("update segment set day = %s where trace_id = any(%s)", (day, traces[:1050]))
    keeping.sql("update trace set day = %s where trace_id = any(%s)", (day, traces[:1050]))
    retain_until(keeping, 20, lambda removed: (removed["traces"], removed["days"]) == (1050, 1), "the day to be dropped")
    assert not has_table(keeping, f"segment_{day:%Y%m%d}")
    assert keeping.sql("select count(*) from trace where trace_id = any(%s)", (traces,)) == [(50,)]
    assert keeping.sql("select count(*) from trace_key where value = 'many'") == [(50,)]


def test_a_dictionary_that_is_full_takes_no_more_words(keeping, client):
    """Names with ids in them; what is found does not depend on it."""
    (project,) = keeping.sql("select project_id from api_key order by created_at desc limit 1")[0]
    keeping.sql("insert into word (project_id, kind, key, value) select %s, 1, '', ('GET /' || n)::bytea "
                "from generate_series(1, 100000) n", (project,))

    def send(name):
        request = otlp.request([otlp.span(otlp.new_trace_id(), name, {"customer": name})])
        assert client.export(request.SerializeToString()).status == 200

    def has_word(kind, value):
        return keeping.sql("select count(*) from word where project_id = %s and kind = %s and value = %s",
                           (project, kind, value.encode()))[0][0] == 1

    send("before it was counted")
    assert has_word(1, "before it was counted")
    retain(keeping, 0)
    wait_until(lambda: keeping.sql("select kind from word_full where project_id = %s", (project,)) == [(1,)], 20, "the count")
    send("afterwards")
    assert not has_word(1, "afterwards") and has_word(4, "afterwards")
    for name in ("before it was counted", "afterwards"):
        (row,) = client.get(f"/v1/traces?name={name.split()[0]}").data
        assert row["rootName"] == name
