"""An upgrade as OPERATIONS.md tells it: the version before the last migration serves under load, the present one's migration runs
beside it, both serve on one bus and one database, and either may go."""

import re
import subprocess
import threading
import time
import uuid

import psycopg
import pytest
from bench import _builds

from support import otlp, paths
from support.client import NoAnswer
from support.process import wait_until


def version_before_the_last_migration():
    """The commit whose schema is one migration older."""
    done = subprocess.run(["git", "-C", paths.ROOT, "log", "-1", "--format=%H", "--diff-filter=A", "--", "schema/migrations/*.sql"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        pytest.skip("there is no git history to take the version before from")
    return done.stdout.strip() + "^"


def deploy_before(cluster, daemon, binary):
    """The version before is given the rows that it knows. It may be older than the roles: then it is the owner in
    Postgres and the default user in Redis."""
    daemon.binary = binary
    told = subprocess.run([binary, "config"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^(\w+) =", told, re.M))
    daemon.rows = {name: value for name, value in daemon.rows.items() if name in known} | {"postgres": cluster.conninfo}
    if "redis_user" not in known:
        daemon.rows.pop("redis_password", None)


class Load:
    """Exports, calls and chats, one after the other, tried again as a good client does; every pair that was acknowledged."""

    def __init__(self, client):
        self.client, self.pairs, self.chats, self.problems = client, [], [], []
        self.is_over = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def answered(self, method, path, body, kind):
        answer = self.client.retrying(method, path, body, {"Content-Type": kind}, budget=20)
        if answer.status != 200:
            self.problems.append((path, answer.status, answer.body[:200]))
        return answer

    def run(self):
        while not self.is_over:
            external, trace = f"up-{uuid.uuid4()}", otlp.new_trace_id()
            body = otlp.request([otlp.span(trace)], {"roark.external_id": external}).SerializeToString()
            try:
                self.answered("POST", "/v1/traces", body, "application/x-protobuf")
                call = self.answered("POST", "/v1/call", b'{"externalId":"%s"}' % external.encode(), "application/json")
                self.pairs.append((call.json()["data"]["id"], trace.hex()))
                chat = self.answered("POST", "/v1/chat", b'{"traceId":"%s"}' % trace.hex().encode(), "application/json")
                self.chats.append((chat.json()["data"]["id"], trace.hex()))
            except (NoAnswer, KeyError, ValueError) as error:
                self.problems.append(repr(error))
            time.sleep(0.01)

    def stop(self):
        self.is_over = True
        self.thread.join(30)
        assert self.problems == [] and len(self.pairs) > 5


def check(client, pairs):
    for call, trace in pairs[:: max(1, len(pairs) // 40)]:
        traces = client.get(f"/v1/call/{call}/traces")
        assert traces.status == 200 and trace in traces.body.decode(), (call, trace, traces.body)
        assert client.get(f"/v1/traces/{trace}").status == 200


def linked(cluster):
    return {(conversation, trace) for _, conversation, trace, _, _ in cluster.links()}


@pytest.fixture(scope="module")
def before():
    return _builds.build_of(version_before_the_last_migration())


def test_two_versions_serve_side_by_side(servers, before):
    cluster = servers.unstarted(apis=2, correlators=2)
    old, new = (cluster.correlators[0], cluster.apis[0]), (cluster.correlators[1], cluster.apis[1])
    deploy_before(cluster, old[0], paths.correlator_binary(before))
    deploy_before(cluster, old[1], paths.api_binary(before))
    try:
        cluster.build, cluster.has_roles = before, False
        cluster.command("migrate")
        first = cluster.sql("SELECT max(version) FROM migration")[0][0]
        for daemon in old:
            daemon.start()
        for daemon in old:
            daemon.wait_ready()
        project = cluster.project("upgraded")
        cluster.build, cluster.has_roles = None, True
        load = Load(cluster.client(project, api=0))

        # The present version does not serve on the old schema, and says why. (The old one may not have its role.)
        as_role = new[1].rows["postgres"]
        new[1].rows["postgres"] = cluster.conninfo
        new[1].start()
        wait_until(lambda: b"schema" in new[1].admin("/ready")[1], 10, "the new api to see the old schema")
        assert new[1].admin("/ready")[0] == 503
        new[1].close()
        new[1].rows["postgres"] = as_role

        # The migration runs while the old version serves.
        cluster.command("migrate")
        cluster.let_roles_in()
        assert cluster.sql("SELECT max(version) FROM migration")[0][0] > first
        count = len(load.pairs)
        wait_until(lambda: len(load.pairs) > count + 20, 20, "the old version to go on")
        assert all(daemon.is_ready() for daemon in old)

        # Both side by side: each api may reach each correlator.
        for daemon in new:
            daemon.start()
        for daemon in new:
            daemon.wait_ready()
        other = Load(cluster.client(project, api=1))
        wait_until(lambda: all(api.metrics()["calltrace_api_bus_peers"] == 2 for api in cluster.apis), 10, "the buses")
        wait_until(lambda: len(other.pairs) > 20, 20, "the new version's requests")
        other.stop()
        load.stop()
        pairs = load.pairs + other.pairs
        chats = load.chats + other.chats
        assert set(pairs + chats) == linked(cluster)
        for api in (0, 1):
            check(cluster.client(project, api=api), pairs)

        # The old one goes; and comes back, because migrations only add.
        for daemon in old:
            daemon.close()
        last = Load(cluster.client(project, api=1))
        wait_until(lambda: len(last.pairs) > 10, 20, "the new version alone")
        last.stop()
        for daemon in new:
            daemon.close()
        for daemon in old:
            daemon.start()
        for daemon in old:
            daemon.wait_ready()
        back = Load(cluster.client(project, api=0))
        wait_until(lambda: len(back.pairs) > 10, 20, "the old version again")
        back.stop()
        pairs += last.pairs + back.pairs
        chats += last.chats + back.chats
        assert set(pairs + chats) == linked(cluster)
        check(cluster.client(project, api=0), pairs)
        assert sum(daemon.metrics().get("calltrace_reconcile_repairs_total", 0) for daemon in (old[0],)) == 0
    finally:
        cluster.close()


def test_a_chat_that_an_older_correlator_stores_finds_the_trace_in_flight(servers):
    """It looks for the trace in trace_key alone, where only the database can have put it."""
    cluster = servers.unstarted(apis=0, correlators=0)
    try:
        cluster.command("migrate")
        project, trace = uuid.uuid4(), otlp.new_trace_id()
        chat = ("INSERT INTO conversation_key (project_id, kind, value, slot, conversation_id) "
                "VALUES (%s, 6, convert_to(%s, 'UTF8'), gen_random_uuid(), gen_random_uuid())", (project, trace.hex()))
        with psycopg.connect(cluster.conninfo) as exports, psycopg.connect(cluster.conninfo) as creates:
            exports.execute("INSERT INTO trace (project_id, trace_id, day, first_seen_at, last_seen_at, start_ns, end_ns, has_error) "
                            "VALUES (%s, %s, now(), now(), now(), 1, 2, false)", (project, trace))
            creating = threading.Thread(target=lambda: (creates.execute(*chat), creates.commit()))
            creating.start()
            creating.join(0.5)
            assert creating.is_alive(), "the chat did not wait for the trace that is not committed"
            exports.commit()
            creating.join(10)
            assert not creating.is_alive()
            assert cluster.sql("SELECT kind, value, trace_id FROM trace_key") == [(6, trace.hex().encode(), trace)]

            # One that reads trace itself asks for nothing of that.
            exports.execute("DELETE FROM trace_key")
            creates.execute("SET calltrace.reads_trace = 'on'")
            creates.execute(*chat)
            exports.commit()
            assert cluster.sql("SELECT count(*) FROM trace_key") == [(0,)]
    finally:
        cluster.close()
