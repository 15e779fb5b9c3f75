"""What calltrace links, keeps and shows of a call is exactly what a framework logged."""

import uuid

from .clients import spans_of

ORDER = ("trace-first", "call-first")


def create_call(server, **keys):
    response = server.client.post_json("/v1/call", keys)
    assert response.status == 200, response.body
    return response.data["id"]


def by_trace(spans):
    traces = {}
    for span in spans:
        traces.setdefault(span["traceId"], {})[span["spanId"]] = span
    return traces


def check_linked(server, call_id, match, logged):
    """The call has exactly the logged traces, each matched by this key, each with its own spans."""
    traces = by_trace(logged)
    linked = {one["traceId"]: one for one in server.get(f"/v1/call/{call_id}/traces")["data"]}
    assert sorted(linked) == sorted(traces)
    for trace_id, spans in traces.items():
        matches = {(one["kind"], one["value"]) for one in linked[trace_id]["matches"]}
        assert matches == {match}
        assert linked[trace_id]["spanCount"] == len(spans)
        check_spans(server, trace_id, spans)
        check_tree(server, trace_id, spans)


def check_spans(server, trace_id, spans):
    """The stored spans, their names and parents, are the logged ones."""
    stored = spans_of(server.get(f"/v1/traces/{trace_id}"))
    assert sorted((one["spanId"], one.get("parentSpanId", ""), one["name"]) for one in stored) == sorted(
        (one["spanId"], one["parentSpanId"], one["name"]) for one in spans.values()
    )
    assert {one["traceId"] for one in stored} == {trace_id}


def check_tree(server, trace_id, spans):
    """Every span once, below its parent; below the provisional root if the parent never came."""
    tree = server.get(f"/v1/traces/{trace_id}/tree")["data"]
    rows = tree["spans"]
    assert sorted(row["spanId"] for row in rows) == sorted(spans)
    depth = {}
    for row in rows:
        logged = spans[row["spanId"]]
        parent = logged["parentSpanId"]
        is_orphan = bool(parent) and parent not in spans
        assert (row["name"], row["parentSpanId"] or "") == (logged["name"], parent)
        assert row["isOrphan"] is is_orphan
        assert row["depth"] == (1 if is_orphan else depth[parent] + 1 if parent else 0)
        depth[row["spanId"]] = row["depth"]
    assert tree["spanCount"] == len(spans)
    interrupted = {row["spanId"] for row in rows if row["voice"].get("isInterrupted")}
    assert interrupted == {one["spanId"] for one in spans.values() if one["interrupted"]}


def new_room():
    return f"RM_{uuid.uuid4().hex[:12]}"
