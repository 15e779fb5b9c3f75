"""A project with many traces and calls, made by SQL, and what a plan reads of it."""

OURS = ("trace", "trace_key", "conversation", "conversation_key", "link", "word", "segment")

# All linked but one in a thousand, each with a key, a segment with terms, and a call. Call 7 names its trace, too.
FILL = """
with made as (
    insert into trace (project_id, trace_id, day, first_seen_at, last_seen_at, start_ns, end_ns, has_error)
    select %(project)s::uuid, decode(md5('t' || n), 'hex'), current_date, now() - n * interval '1 second',
        now() - n * interval '1 second', 1800000000000000000 + n, 1800000000000000001 + n, false
    from generate_series(%(first)s::int, %(count)s::int) n),
keys as (
    insert into trace_key (project_id, kind, value, trace_id, created_at)
    select %(project)s::uuid, 1, convert_to('Order-' || n, 'UTF8'), decode(md5('t' || n), 'hex'),
        now() - n * interval '1 second' from generate_series(%(first)s::int, %(count)s::int) n),
segments as (
    insert into segment (project_id, trace_id, day, hash, spans, errors, raw_bytes, terms, body)
    select %(project)s::uuid, decode(md5('t' || n), 'hex'), current_date, decode(md5('s' || n), 'hex'), 1, 0, 1,
        array[1, 2, 3, 1000 + n], ''::bytea from generate_series(%(first)s::int, %(count)s::int) n),
calls as (
    insert into conversation (project_id, id, kind, source, created_at, updated_at, status, direction, body)
    select %(project)s::uuid, md5('c' || n)::uuid, 1 + n %% 2, 1, now() - n * interval '1 second', now(), 0, 0, '{}'
    from generate_series(%(first)s::int, %(count)s::int) n),
held as (
    insert into conversation_key (project_id, kind, value, slot, conversation_id, created_at)
    select %(project)s::uuid, 1, convert_to('Order-' || n, 'UTF8'), '00000000-0000-0000-0000-000000000000',
        md5('c' || n)::uuid, now() - n * interval '1 second' from generate_series(%(first)s::int, %(count)s::int) n
    union all select %(project)s::uuid, 6, convert_to(md5('t' || n), 'UTF8'), md5('c' || n)::uuid, md5('c' || n)::uuid,
        now() - n * interval '1 second' from generate_series(%(first)s::int, %(count)s::int) n where n = 7),
words as (
    insert into word (project_id, kind, key, value)
    select %(project)s::uuid, 3, convert_to('key.' || n, 'UTF8'), '' from generate_series(%(first)s::int / 10 + 1, %(count)s::int / 10) n)
insert into link (project_id, conversation_id, trace_id, kind, value, linked_at)
select %(project)s::uuid, md5('c' || n)::uuid, decode(md5('t' || n), 'hex'), 1, convert_to('Order-' || n, 'UTF8'),
    now() - n * interval '1 second'
from generate_series(%(first)s::int, %(count)s::int) n where n %% 1000 <> 0"""


def fill(cluster, project, count, first=1):
    """Traces and calls number `first` to `count`."""
    cluster.sql(FILL, {"project": project.id, "first": first, "count": count})


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


def nodes(plan):
    """The kinds of nodes that read tables of ours."""
    if plan.get("Relation Name") in OURS:
        yield plan["Node Type"]
    for child in plan.get("Plans", []):
        yield from nodes(child)
