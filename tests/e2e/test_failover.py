"""A Postgres with a synchronous standby: what was acknowledged is on both, or it was not acknowledged."""

import json
import threading
import time
import uuid

import pytest

from support import otlp
from support.client import JSON, PROTOBUF, NoAnswer
from support.pair import Pair
from support.postgres import Postgres
from support.servers import Servers

WAIT_S = 8
WAITING_MAX = 20  # each of four writers gives a connection up after 6 s; its wait is ended within 13


@pytest.fixture
def replicated():
    servers = Servers()
    servers.postgres = Pair(servers.postgres, Postgres(servers.directory / "pg2"))  # neither runs yet
    try:
        yield servers.start()
    finally:
        servers.close()


class Sender:
    """Sends one request until it is acknowledged, as clients do."""

    def __init__(self, cluster, project, path, body, content_type, idempotency):
        self.client = cluster.client(project)
        self.path, self.body = path, body
        self.headers = {"Content-Type": content_type, **({"Idempotency-Key": idempotency} if idempotency else {})}
        self.statuses: list[int] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.is_set():
            try:
                self.statuses.append(self.client.request("POST", self.path, self.body, self.headers).status)
            except NoAnswer:
                self.statuses.append(0)
            if self.statuses[-1] == 200:
                return
            time.sleep(0.1)


def sent_while_the_standby_is_silent(pair, cluster, project, count=4):
    senders = []
    for n in range(count):
        value = str(uuid.uuid4())
        body = otlp.request([otlp.span(otlp.new_trace_id())], {"roark.external_id": value}).SerializeToString()
        senders.append(Sender(cluster, project, "/v1/traces", body, PROTOBUF, None))
        # A call that nothing is linked to: its second try finds it and has nothing to write.
        body = json.dumps({"externalId": value} if n % 2 else {"properties": {"n": value}}).encode()
        senders.append(Sender(cluster, project, "/v1/call", body, JSON, f"key-{n}-{value}"))
    for sender in senders:
        sender.thread.start()
    cancelled, deadline = 0, time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        time.sleep(0.3)
        cancelled += pair.cancel_waits()
    assert cancelled >= count
    return senders


def test_what_the_standby_may_lack_is_not_acknowledged(replicated):
    """A wait for the standby that is cancelled ends in COMMIT and a warning; the row is there and seen, yet a failover
    would lose it. Neither that answer nor one to a repeated create may be a success."""
    cluster = replicated.cluster(correlators=2)
    project = cluster.project("replicated")
    assert cluster.client(project).post_json("/v1/call", {}).status == 200
    replicated.postgres.standby.pause()
    senders = sent_while_the_standby_is_silent(replicated.postgres, cluster, project)
    try:
        assert [sender.statuses for sender in senders if 200 in sender.statuses] == []
    finally:
        replicated.postgres.standby.resume()
        for sender in senders:
            sender.thread.join(20)
            sender.over.set()
            sender.thread.join()
    assert [sender.statuses[-1] for sender in senders] == [200] * len(senders)


def test_a_failover_to_the_standby_loses_nothing_and_needs_no_restart(replicated):
    """The daemons' connection string names both servers."""
    cluster = replicated.cluster()
    project = cluster.project("failover")
    client = cluster.client(project)
    calls = [client.post_json("/v1/call", {"externalId": f"before-{n}"}).data["id"] for n in range(20)]
    replicated.postgres.primary.kill()
    replicated.postgres.promote()
    began = time.monotonic()
    made = client.retrying("POST", "/v1/call", b'{"externalId":"after"}', {"Content-Type": JSON})
    assert made.status == 200
    assert time.monotonic() - began < 5
    assert {client.retrying("GET", f"/v1/call/{call}").status for call in calls} == {200}


def test_commits_that_wait_for_the_standby_do_not_use_up_postgres_connections(replicated):
    """A backend that waits for the standby does not notice that its client has gone."""
    cluster = replicated.cluster(correlators=2)
    project = cluster.project("waiting")
    client = cluster.client(project)
    for _ in range(20):  # what they have in common is there, so that none waits for another
        assert client.export(otlp.request([otlp.span(otlp.new_trace_id())]).SerializeToString()).status == 200
    replicated.postgres.standby.pause()
    over, statuses, most = threading.Event(), [], 0

    def send():
        """Always something new, so that nobody waits for a lock of somebody who waits."""
        sender = cluster.client(project)
        while not over.is_set():
            statuses.append(sender.export(otlp.request([otlp.span(otlp.new_trace_id())]).SerializeToString()).status)
            time.sleep(0.2)

    threads = [threading.Thread(target=send) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 45
        while time.monotonic() < until:
            most = max(most, len(replicated.postgres.waiting()))
            time.sleep(0.5)
        assert client.get("/v1/call").status == 200
        assert set(statuses) == {503}
    finally:
        over.set()
        replicated.postgres.standby.resume()
        for thread in threads:
            thread.join()
    assert 4 <= most <= WAITING_MAX
