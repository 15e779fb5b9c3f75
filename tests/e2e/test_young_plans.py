"""Plans made while the tables were small, and kept, still look every row up when there are many: nobody analyzes a young
table for its first minute. Those of empty tables are not kept."""

import json
import time

import psycopg
import pytest

from support import otlp
from support.client import PROTOBUF
from support.plans import OURS, fill, nodes, touched
from support.statements import statements

YOUNG, ROWS = 5_000, 25_000
TRACE, CALL = "decode(md5('t7'), 'hex')", "md5('c7')::uuid"
KEY = "convert_to('Order-7', 'UTF8')"
NEVER = "'1700-01-01'::timestamptz"
# Statement -> is it the writer's, arguments ({p} is the project), and how many rows of one table it may read.
CASES = {
    "CALL_HOLDER": (True, f"'{{p}}', gen_random_uuid(), array[1]::int2[], array[{KEY}]", 2),
    "EVENT_HOLDERS": (True, f"'{{p}}', array[1]::int2[], array[{KEY}]", 2),
    "LOOK_TRACES": (True, f"array['{{p}}']::uuid[], array[1]::int2[], array[{KEY}], array[{TRACE}]", 2),
    "LOOK_CALLS": (True, f"array['{{p}}']::uuid[], array[{CALL}]", 4),
    "LOOK_CALLS_SKIPPED": (True, f"array['{{p}}']::uuid[], array[{CALL}]", 4),
    "LINKS_ADD": (True, f"array['{{p}}']::uuid[], array[{CALL}], array[{TRACE}], array[1]::int2[], array[{KEY}]", 4),
    "LINKS_MEET": (True, f"array['{{p}}']::uuid[], array[{CALL}], array[{TRACE}], array[1]::int2[], array[{KEY}]", 4),
    "TRACE_KEYS_ADD": (True, f"array['{{p}}']::uuid[], array[1]::int2[], array[{KEY}], array[{TRACE}], array[false]", 4),
    "SEGMENTS_ADD": (True, f"array['{{p}}']::uuid[], array[{TRACE}], array['new'::bytea], array[1], array[0], array[1], "
                     "array[1], array[2], array[''::bytea], array[1, 2]::int8[]", 4),
    "CONVERSATION_EXISTS": (False, f"'{{p}}', 2::int2, {CALL}", 1),
    "CONVERSATION_TRACES": (False, f"'{{p}}', {CALL}, '-9223372036854775808'::int8, ''::bytea, 10", 4),
    "CONVERSATION_TRACES_COUNT": (False, f"'{{p}}', {CALL}", 4),
    "TRACE_SEGMENTS": (False, f"'{{p}}', {TRACE}", 4),
    "TALLY_DUE": (False, "100", 0),
    "TALLY_FIND": (False, "now() - interval '7 seconds', 1000", 2 * ROWS),
}


def undo(connection):
    """psycopg would drop every prepared statement when it sees a rollback."""
    connection.pgconn.exec_(b"rollback")


@pytest.fixture(scope="module")
def young(servers):
    """A project, and a connection with every statement prepared and run while its tables had few rows."""
    running = servers.cluster(correlator_rows={"look": "on"})
    for daemon in [*running.apis, *running.correlators]:
        daemon.close()
    project = running.project("young")
    sql = statements()
    for table in OURS:
        if table != "segment":
            running.sql(f"alter table {table} set (autovacuum_enabled = off)")  # or it would make the plans anew
    fill(running, project, YOUNG)
    with psycopg.connect(running.conninfo, autocommit=True) as connection:
        connection.execute("set jit = off; set plan_cache_mode = force_generic_plan")
        for name, (is_writers, arguments, _) in CASES.items():
            connection.execute("begin")
            if is_writers:
                connection.execute(sql["WRITER_SESSION"])
            connection.execute(f"prepare {name} as {sql[name]}")
            connection.execute(f"execute {name}({arguments.format(p=project.id)})")
            undo(connection)
        fill(running, project, ROWS, first=YOUNG + 1)
        yield project, connection
    running.close()


@pytest.mark.parametrize("name", CASES)
def test_a_plan_from_small_tables_reads_few_rows(young, name):
    project, connection = young
    _, arguments, most = CASES[name]
    connection.execute("begin")
    try:
        plan, = connection.execute(f"explain (analyze, format json) execute {name}({arguments.format(p=project.id)})"
                                   ).fetchone()[0]
    finally:
        undo(connection)
    rows = touched(plan["Plan"], {})
    told = rows, json.dumps(plan, indent=1)[:6000]
    assert all(count <= most for table, count in rows.items() if table in OURS), told
    assert "Seq Scan" not in list(nodes(plan["Plan"])) or name == "TALLY_FIND", told


def test_plans_are_forgotten_while_a_connection_is_young(servers):
    running = servers.cluster()
    try:
        name, = running.sql("select current_database()")[0]
        running.sql(f"alter database {name} set log_statement = 'all'")  # of connections from now on
        correlator = running.correlators[0]
        correlator.restart()
        running.wait_ready()
        client = running.client(running.project("forgetful"))
        end = time.monotonic() + 4
        while time.monotonic() < end:
            span = otlp.span(otlp.new_trace_id(), "one")
            assert client.export(otlp.request([span]).SerializeToString(), PROTOBUF).status == 200
            time.sleep(0.1)
        log = (servers.postgres.directory / "postgres.log").read_text(errors="replace")
        # Two writers, and connections for what goes on in the background: after 1 s and after 3 s.
        assert 2 <= log.count("discard plans") <= 40
    finally:
        running.close()
