"""No statement of the link doctor reads a whole project: rows touched, counted by EXPLAIN ANALYZE."""

import json

import psycopg
import pytest

from support.plans import OURS, fill, nodes, touched
from support.statements import statements

TRACES = 30_000
WALK = 5_000  # UNMATCHED_WALK_ROWS
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
    fill(cluster, project, TRACES)
    return project


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
