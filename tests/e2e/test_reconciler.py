"""The reconciler computes the equation by SQL and counts what it had to repair."""

import uuid

import pytest

from support import otlp
from support.process import wait_until


@pytest.fixture(scope="module")
def brisk(servers):
    """One that looks every second."""
    cluster = servers.cluster(correlators=2, correlator_rows={"reconcile_interval_s": 1})
    yield cluster
    cluster.close()


def repairs(cluster) -> float:
    return sum(daemon.metrics().get("calltrace_reconcile_repairs_total", 0)
               for daemon in cluster.correlators)


def runs(cluster) -> float:
    return sum(daemon.metrics().get("calltrace_reconcile_runs_total", 0)
               for daemon in cluster.correlators)


def wait_for_runs(cluster, count=2):
    before = runs(cluster)
    wait_until(lambda: runs(cluster) >= before + count, 20, "the reconciler to run")


def test_it_restores_a_lost_link_and_counts_it(brisk):
    project = brisk.project("reconcile")
    client = brisk.client(project)
    wanted = set()
    for _ in range(5):
        value, trace = str(uuid.uuid4()), otlp.new_trace_id()
        request = otlp.request([otlp.span(trace)], {"roark.external_id": value})
        assert client.export(request.SerializeToString()).status == 200
        call = client.post_json("/v1/call", {"externalId": value}).data["id"]
        wanted.add((project.id, call, trace.hex(), 1, value.encode()))
    chat = client.post_json("/v1/chat", {"traceId": trace.hex()}).data["id"]
    wanted.add((project.id, chat, trace.hex(), 6, trace.hex().encode()))
    assert brisk.links() == wanted
    wait_for_runs(brisk)
    assert repairs(brisk) == 0
    brisk.sql("DELETE FROM link")
    wait_until(lambda: brisk.links() == wanted, 20, "the links to come back")
    wait_until(lambda: repairs(brisk) == 6, 5, "the repairs to be counted")


def test_a_young_link_of_a_call_that_never_came_stays_and_is_not_shown(brisk):
    project = brisk.project("dangling")
    client = brisk.client(project)
    trace = otlp.new_trace_id()
    assert client.export(otlp.request([otlp.span(trace)]).SerializeToString()).status == 200
    stray = str(uuid.uuid4())
    brisk.sql("INSERT INTO link (project_id, conversation_id, trace_id, kind, value, linked_at) "
              "VALUES (%s, %s, %s, 1, 'x', now())", (project.id, stray, trace))
    wait_for_runs(brisk)
    assert stray in {row[1] for row in brisk.links()}
    assert client.get("/v1/links").data == []
    assert client.get("/v1/traces?linked=true").data == []
    brisk.sql("UPDATE link SET linked_at = now() - interval '11 minutes' "
              "WHERE conversation_id = %s", (stray,))
    wait_until(lambda: stray not in {row[1] for row in brisk.links()}, 20, "the stray to go")


def test_a_trace_of_a_flagged_room_is_skipped_after_all(brisk):
    """What a correlator leaves that is killed after the commit of an export nobody acknowledged."""
    project = brisk.project("half-done")
    client = brisk.client(project)
    room = f"RM_{uuid.uuid4()}"
    call = client.post_json("/v1/call", {"livekitRoomId": room}).data["id"]
    plain = otlp.new_trace_id()
    for trace, skip in ((otlp.new_trace_id(), True), (plain, False)):
        request = otlp.request([otlp.span(trace)], {"livekit.room.id": room, "roark.skip": skip})
        assert client.export(request.SerializeToString()).status == 200
    brisk.sql("UPDATE trace SET is_skipped = false WHERE trace_id = %s", (plain,))
    brisk.sql("INSERT INTO link (project_id, conversation_id, trace_id, kind, value) "
              "VALUES (%s, %s, %s, 2, %s)", (project.id, call, plain, room.encode()))
    wait_until(lambda: call not in {row[1] for row in brisk.links()}, 20, "the link to go")
