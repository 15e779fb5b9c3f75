"""A back-up and what comes of it: pg_dump while everything runs, pg_restore into an empty database, other daemons on it."""

import re
import subprocess
import uuid

from support import otlp
from support.process import wait_until


def run(cluster, *words):
    done = subprocess.run([str(cluster.postgres.bin / words[0]), *words[1:]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pairs(client, count):
    """Calls with two traces each, a chat, and a trace alone: what can be read of all of them."""
    made = {}
    for n in range(count):
        external = f"kept-{n}-{uuid.uuid4()}"
        traces = [otlp.new_trace_id() for _ in range(2)]
        for trace in traces:
            spans = [otlp.span(trace, f"work {i}", {"n": i}) for i in range(20)]
            assert client.export(otlp.request(spans, {"roark.external_id": external}).SerializeToString()).status == 200
        call = client.post_json("/v1/call", {"externalId": external, "properties": {"n": n}})
        assert call.status == 200
        made[f"/v1/call/{call.data['id']}"] = traces
    return made


def everything(client, made):
    """What a reader gets, as octets."""
    seen = {}
    for path, traces in made.items():
        for more in ("", "/traces", "/transcript", "/timeline"):
            answer = client.get(path + more)
            assert answer.status == 200, (path + more, answer.body)
            seen[path + more] = re.sub(rb'"revision":\d+', b"", answer.body)  # the time of reading
        for trace in traces:
            answer = client.get(f"/v1/traces/{trace.hex()}", {"Accept": "application/x-protobuf"})
            assert answer.status == 200
            seen[trace] = sorted(otlp.raw_spans(answer.body))
    return seen


def test_a_back_up_is_restored_and_goes_on(servers, tmp_path):
    old = servers.cluster()
    new = None
    try:
        project = old.project("kept")
        client = old.client(project)
        made = pairs(client, 5)
        late = f"late-{uuid.uuid4()}"
        alone = otlp.new_trace_id()
        assert client.export(otlp.request([otlp.span(alone)], {"roark.external_id": late}).SerializeToString()).status == 200
        before, links = everything(client, made), old.links()
        assert len(links) == 10
        run(old, "pg_dump", "-Fc", "-f", str(tmp_path / "backup"), f"--dbname={old.conninfo}")
        # Acknowledged after the back-up: gone with the old database.
        gone = client.post_json("/v1/call", {"externalId": f"gone-{uuid.uuid4()}"}).data["id"]
        old.redis.flush()  # a restored database meets an empty Redis
        new = servers.unstarted()
        run(new, "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={new.conninfo}", str(tmp_path / "backup"))
        new.command("migrate")
        for daemon in new.daemons():
            daemon.start()
        new.wait_ready()
        reader = new.client(project.key)
        assert everything(reader, made) == before
        assert new.links() == links
        assert reader.get(f"/v1/call/{gone}").status == 404
        # It goes on: what waited is linked, what comes anew is linked, what is sent again is no copy.
        call = reader.post_json("/v1/call", {"externalId": late}).data["id"]
        wait_until(lambda: len(reader.get(f"/v1/call/{call}/traces").data) == 1, 10, "the late link")
        again = pairs(reader, 1)
        wait_until(lambda: len(new.links()) == len(links) + 3, 10, "the new links")
        assert everything(reader, again)
        assert new.correlators[0].metrics().get("calltrace_reconcile_repairs_total", 0) == 0
    finally:
        old.close()
        if new is not None:
            new.close()
