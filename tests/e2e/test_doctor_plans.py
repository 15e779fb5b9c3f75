"""No statement of the link doctor reads a whole project: rows touched, counted by EXPLAIN ANALYZE."""

import json

import psycopg
import pytest

from support.statements import statements

TRACES = 30_000
WALK = 5_000  # UNMATCHED_WALK_ROWS
OURS = ("trace", "trace_key", "conversation", "conversation_key", "link", "word", "segment")

# All linked but one in a thousand, each with a key, a segment with terms, and a call.
FILL = """
with made as (
    insert into trace (project_id, trace_id, day, first_seen_at, last_seen_at, start_ns, end_ns, has_error)
    select %(project)s::uuid, decode(md5('t' || n), 'hex'), current_date, now() - n * interval '1 second',
        now() - n * interval '1 second', 1800000000000000000 + n, 1800000000000000001 + n, false
    from generate_series(1, %(count)s) n),
keys as (
    insert into trace_key (project_id, kind, value, trace_id, created_at)
    select %(project)s::uuid, k, case k when 1 then convert_to('Order-' || n, 'UTF8')
        else convert_to(md5('t' || n), 'UTF8') end, decode(md5('t' || n), 'hex'), now() - n * interval '1 second'
    from generate_series(1, %(count)s) n, unnest(array[1, 6]) k),
segments as (
    insert into segment (project_id, trace_id, day, hash, spans, errors, raw_bytes, terms, body)
    select %(project)s::uuid, decode(md5('t' || n), 'hex'), current_date, decode(md5('s' || n), 'hex'), 1, 0, 1,
        array[1, 2, 3, 1000 + n], ''::bytea from generate_series(1, %(count)s) n),
calls as (
    insert into conversation (project_id, id, kind, source, created_at, updated_at, status, direction, body)
    select %(project)s::uuid, md5('c' || n)::uuid, 1 + n %% 2, 1, now() - n * interval '1 second', now(), 0, 0, '{}'
    from generate_series(1, %(count)s) n),
held as (
    insert into conversation_key (project_id, kind, value, slot, conversation_id, created_at)
    select %(project)s::uuid, 1, convert_to('Order-' || n, 'UTF8'), '00000000-0000-0000-0000-000000000000',
        md5('c' || n)::uuid, now() - n * interval '1 second' from generate_series(1, %(count)s) n),
words as (
    insert into word (project_id, kind, key, value)
    select %(project)s::uuid, 3, convert_to('key.' || n, 'UTF8'), '' from generate_series(1, %(count)s / 10) n)
insert into link (project_id, conversation_id, trace_id, kind, value, linked_at)
select %(project)s::uuid, md5('c' || n)::uuid, decode(md5('t' || n), 'hex'), 1, convert_to('Order-' || n, 'UTF8'),
    now() - n * interval '1 second'
from generate_series(1, %(count)s) n where n %% 1000 <> 0"""

LONG_AGO, EVER = "'1700-01-01'::timestamptz", "'2200-01-01'::timestamptz"
MIN, MAX = "'-9223372036854775808'::int8", "9223372036854775807"
NIL, LAST = "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"
SPELT = f"array[{', '.join(repr('ORDER-' + str(n)) for n in range(1, 301))}]::bytea[]"
TERMS = f"array{[1000 + n for n in range(1, 301)]}::int8[]"
SINCE = "now() - interval '10 minutes'"
TRACE = "decode(md5('t7'), 'hex')"
SOME = "array[" + ", ".join(f"decode(md5('t{n}'), 'hex')" for n in range(1, 101)) + "]"

# Statement -> arguments behind the project, and how many rows one table may give.
CASES = {
    "UNMATCHED_TRACES": (f"{MIN}, {MAX}, {MAX}, ''::bytea, {WALK}, 20", WALK),
    "UNMATCHED_TRACES_EDGE": (f"{MIN}, {MAX}, {MAX}, ''::bytea, {WALK}", WALK),
    "UNMATCHED_ARRIVED": (f"{SINCE}, 50000, 20", 1000),
    "UNMATCHED_OF": (f"{SOME}, {MAX}, ''::bytea, 20", 100),
    "UNMATCHED_CALLS": (f"{LONG_AGO}, {EVER}, {EVER}, {LAST}, {WALK}, 20", WALK),
    "UNMATCHED_CALLS_EDGE": (f"{LONG_AGO}, {EVER}, {EVER}, {LAST}, {WALK}", WALK),
    "DOCTOR_NEAR_CALLS": (SPELT, 300),
    "DOCTOR_NEAR_TRACES": (f"{SPELT}, array[1], array[{TRACE}]", 302),
    "DOCTOR_NAMES": ("3::int2, 2000", 2000),
    "DOCTOR_SEGMENTS": (f"{TRACE}, array[1]::int8[], array[2]::int8[], 2000000, 30000000, 16", 10),
    "DOCTOR_CARRIERS": (f"array[now(), now() - interval '1 day'], {TERMS}, 100", 301),
    "DOCTOR_TRACES": (f"{SINCE}, 50000", 1000),
    "DOCTOR_TRACE_KEYS": (f"{SINCE}, 50000", 1300),
    "DOCTOR_CALL_KEYS": (f"{SINCE}, 50000", 1000),
    "DOCTOR_CALLS": (f"{SINCE}, 50000", 1000),
    "DOCTOR_LINKS": (f"{SINCE}, 50000", 1000),
}


@pytest.fixture(scope="module")
def filled(cluster):
    project = cluster.project("plans")
    cluster.sql("set jit = off")
    cluster.sql(FILL, {"project": project.id, "count": TRACES})
    return project


def touched(plan, rows):
    """Table -> rows that its scans gave or threw away, each node's by its loops."""
    relation = plan.get("Relation Name")
    if relation is not None:
        table = "segment" if relation.startswith("segment_2") else relation
        count = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) \
            + plan.get("Rows Removed by Index Recheck", 0)
        rows[table] = rows.get(table, 0) + count * plan["Actual Loops"]
    for child in plan.get("Plans", []):
        touched(child, rows)
    return rows


def test_every_statement_of_the_doctor_is_looked_at():
    names = {name for name in statements() if name.startswith(("DOCTOR_", "UNMATCHED_"))}
    assert names - {"DOCTOR_SESSION"} == set(CASES)


@pytest.mark.parametrize("analyzed", [False, True], ids=["no statistics", "analyzed"])
@pytest.mark.parametrize("name", CASES)
def test_a_statement_touches_few_rows(cluster, filled, name, analyzed):
    arguments, most = CASES[name]
    sql = statements()
    with psycopg.connect(cluster.conninfo, autocommit=True) as connection:
        if analyzed:
            connection.execute("analyze trace, trace_key, conversation, conversation_key, link, word, segment")
        connection.execute("begin")
        connection.execute(sql["DOCTOR_SESSION"])
        connection.execute(f"prepare it as {sql[name]}")
        plan, = connection.execute(f"explain (analyze, format json) execute it('{filled.id}', {arguments})"
                                   ).fetchone()[0]
    rows = touched(plan["Plan"], {})
    assert rows, "no table of ours was read"
    # The other side of a walked row: its link, and what the link joins.
    assert all(count <= 2 * most for table, count in rows.items() if table in OURS), \
        (rows, json.dumps(plan, indent=1)[:6000])
    assert "Seq Scan" not in list(nodes(plan["Plan"]))


def nodes(plan):
    if plan.get("Relation Name") in OURS:
        yield plan["Node Type"]
    for child in plan.get("Plans", []):
        yield from nodes(child)
