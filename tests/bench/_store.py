"""What lies in the store after a run: is it what was sent, how large is it, how fast would COPY put it there."""

import statistics
import tempfile
import time
from pathlib import Path

import psycopg
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

COPY_TIMES = 3
COPY_CHUNK_BYTES = 1 << 20
SEAL_SECONDS_MAX = 600
RELATIONS = 20  # that a report names


def sampled_spans(sample: Path):
    """Of each sampled trace its id in hex and the spans that were acknowledged."""
    for line in sample.read_text().splitlines():
        trace_id, *spans = line.split()
        if spans:
            yield trace_id, [Span.FromString(bytes.fromhex(text)) for text in spans]


def sampled_values(sample: Path, key: str) -> list[str]:
    """The texts of one attribute in the sampled spans."""
    return [attribute.value.string_value for _, spans in sampled_spans(sample) for span in spans
            for attribute in span.attributes if attribute.key == key]


def check_sample(client, sample: Path):
    """A second judge, with protobuf's own decoder: the sampled traces hold exactly the spans sent."""
    traces = 0
    for trace_id, spans in sampled_spans(sample):
        answer = client.get(f"/v1/traces/{trace_id}", {"Accept": "application/x-protobuf"})
        assert answer.status == 200, f"{trace_id}: {answer.status} {answer.body[:200]!r}"
        stored = sorted(
            (span.span_id, span.SerializeToString(deterministic=True))
            for resource in TracesData.FromString(answer.body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )
        sent = sorted((span.span_id, span.SerializeToString(deterministic=True)) for span in spans)
        assert stored == sent, f"{trace_id}: {len(stored)} spans stored, {len(sent)} sent"
        traces += 1
    return traces


def stored_spans(cluster) -> int:
    """Spans of all segments. No bench sends a span twice in different segments, so each counts once."""
    return int(cluster.sql("SELECT coalesce(sum(spans), 0) FROM segment")[0][0])


def partitions(connection) -> list[str]:
    return [name for (name,) in connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'segment'::regclass")]


def copy_rate(conninfo):
    """Spans per second that bare binary COPY of the stored segments reaches, and the table's facts."""
    with psycopg.connect(conninfo, autocommit=True) as connection, tempfile.TemporaryFile() as file:
        rows = {}
        for name in partitions(connection):
            rows[name] = connection.execute(f"SELECT count(*), coalesce(sum(spans), 0), "
                                            f"coalesce(sum(length(body)), 0) FROM {name}").fetchone()
        name = max(rows, key=lambda key: rows[key][0])
        segments, spans, body_bytes = (int(value) for value in rows[name])
        with connection.cursor().copy(f"COPY {name} TO STDOUT (FORMAT BINARY)") as copy:
            for block in copy:
                file.write(block)
        connection.execute(f"CREATE TABLE bench_copy (LIKE {name} INCLUDING ALL)")
        seconds = []
        for _ in range(COPY_TIMES):
            connection.execute("TRUNCATE bench_copy")
            connection.execute("CHECKPOINT")
            file.seek(0)
            started = time.monotonic()
            with connection.cursor().copy("COPY bench_copy FROM STDIN (FORMAT BINARY)") as copy:
                while block := file.read(COPY_CHUNK_BYTES):
                    copy.write(block)
            seconds.append(time.monotonic() - started)
        connection.execute("DROP TABLE bench_copy")
    return {
        "segments": segments,
        "spans": spans,
        "spans_per_segment": round(spans / max(segments, 1), 1),
        "body_bytes_per_span": round(body_bytes / max(spans, 1), 1),
        "seconds": round(statistics.median(seconds), 3),
        "spans_per_s": round(spans / statistics.median(seconds)),
    }


# --- size on disk --------------------------------------------------------------------------------------------------


def disk_bytes(cluster) -> int:
    """All tables of calltrace with their indexes and TOAST."""
    return int(cluster.sql("SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
                           "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")[0][0])


def relations(cluster, spans: int) -> dict:
    """Bytes a span of the largest tables, their TOAST tables and indexes."""
    rows = cluster.sql("SELECT c.relname, pg_relation_size(c.oid), coalesce(pg_total_relation_size(c.reltoastrelid), 0) "
                       "FROM pg_class c WHERE c.relkind IN ('r', 'i') AND c.relnamespace = 'public'::regnamespace")
    sizes = {name: size for name, size, _ in rows} | {f"{name} (TOAST)": toast for name, _, toast in rows}
    largest = sorted(sizes, key=sizes.get, reverse=True)[:RELATIONS]
    return {name: round(sizes[name] / spans, 2) for name in largest}


def vacuum(cluster, words=""):
    """What autovacuum does some time later; FULL shows what the rows need without room to move."""
    for (name,) in cluster.sql("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' "
                               "AND relnamespace = 'public'::regnamespace"):
        cluster.sql(f"VACUUM {words} {name}")


def can_seal(cluster) -> bool:
    return bool(cluster.sql("SELECT 1 FROM information_schema.columns WHERE table_name = 'trace' "
                            "AND column_name = 'is_sealed'"))


def unsealed(cluster) -> int:
    return int(cluster.sql("SELECT count(*) FROM trace WHERE NOT is_sealed")[0][0])


def seal_all(cluster) -> bool:
    """Lets the correlator seal everything at once, as fast as it can; the run before had its usual settings."""
    for correlator in cluster.correlators:
        correlator.rows |= {"seal_quiet_s": 1, "seal_share_percent": 100}
        correlator.restart()
    return wait_sealed(cluster)


def wait_sealed(cluster) -> bool:
    end = time.monotonic() + SEAL_SECONDS_MAX
    while unsealed(cluster) > 0:
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def counts(cluster) -> tuple[int, int]:
    """Spans and traces that are stored."""
    return stored_spans(cluster), int(cluster.sql("SELECT count(*) FROM trace")[0][0])


def disk_figures(target, send_more):
    """Bytes on disk beyond the empty database: as ingested, sealed, and what as much again takes, when it finds the room
    that sealing left. `send_more` sends that and gives the number of spans acknowledged."""
    cluster = target.cluster
    spans, traces = counts(cluster)
    figures = {"spans": spans, "traces": traces}

    def note(name, size, of_spans, of_traces):
        figures[f"{name}_bytes_per_span"] = round(size / of_spans, 1)
        figures[f"{name}_bytes_per_trace"] = round(size / of_traces)

    note("ingested", disk_bytes(cluster) - target.disk_empty, spans, traces)
    if can_seal(cluster):
        started = time.monotonic()
        figures["all_sealed"] = seal_all(cluster)
        figures["seal_s"] = round(time.monotonic() - started, 1)
        assert stored_spans(cluster) == spans, "sealing lost or doubled spans"
        vacuum(cluster)
        sealed = disk_bytes(cluster)
        note("sealed", sealed - target.disk_empty, spans, traces)
        acked = send_more()
        figures["all_sealed"] &= wait_sealed(cluster)
        all_spans, all_traces = counts(cluster)
        assert all_spans == spans + acked, "what came beside sealing is not all there"
        vacuum(cluster)
        note("sealed_next", disk_bytes(cluster) - sealed, acked, all_traces - traces)
        vacuum(cluster, "FULL")
        note("sealed_compact", disk_bytes(cluster) - target.disk_empty, all_spans, all_traces)
        spans = all_spans
    figures["relations"] = relations(cluster, spans)
    return figures
