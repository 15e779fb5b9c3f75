"""What is away, frozen, slow or full costs as little as it must, is seen, and is over soon after.

Every connection goes through a link that can be cut, stalled (it stays open and nothing passes, as when a machine
vanishes) or slowed.
"""

import json
import os
import threading
import time
import uuid

import pytest
from stage import Stage

from support import otlp
from support.client import JSON, PROTOBUF, NoAnswer
from support.process import wait_until

AT_ONCE_S = 0.1
SENDERS = 24


@pytest.fixture(scope="module")
def stage():
    made = Stage(needs=("links",)).start()
    try:
        made.cluster = made.calltrace()
        made.project = made.cluster.project("degrading")
        yield made
    finally:
        made.close()


def ready(daemon):
    status, body = daemon.admin("/ready")
    return status, json.loads(body) if body else {}


def an_export(client):
    resource = {"roark.external_id": str(uuid.uuid4())}  # a key, so that Redis is asked
    return client.export(otlp.request([otlp.span(otlp.new_trace_id())], resource).SerializeToString())


REQUESTS = {
    "export": an_export,
    "create": lambda client: client.post_json("/v1/call", {"externalId": str(uuid.uuid4())}),
    "read": lambda client: client.get("/v1/call?limit=1"),
}


class Senders:
    """Many clients, each with one request after the other; what each was answered, and after how long."""

    def __init__(self, stage, kinds=tuple(REQUESTS), count=SENDERS):
        self.stage = stage
        self.kinds = kinds
        self.answers: list[tuple[float, float, str, int]] = []  # begun, seconds, kind, status
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(n,)) for n in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _send(self, n: int):
        client = self.stage.cluster.client(self.stage.project, n % 2)
        kind = self.kinds[n // 2 % len(self.kinds)]
        while not self.over.is_set():
            began = time.monotonic()
            try:
                status = REQUESTS[kind](client).status
            except NoAnswer:
                status = 0
            self.answers.append((began, time.monotonic() - began, kind, status))
            time.sleep(0.1)

    def since(self, moment: float) -> list[tuple[float, str, int]]:
        return [(seconds, kind, status) for began, seconds, kind, status in self.answers if began >= moment]


def recover(stage) -> float:
    """Seconds until each api takes, links and reads again."""
    began = time.monotonic()
    for api in range(2):
        client = stage.cluster.client(stage.project, api)
        value = str(uuid.uuid4())
        body = otlp.request([otlp.span(otlp.new_trace_id())], {"roark.external_id": value}).SerializeToString()
        assert client.retrying("POST", "/v1/traces", body, {"Content-Type": PROTOBUF}).status == 200
        call = client.retrying("POST", "/v1/call", json.dumps({"externalId": value}).encode(),
                               {"Content-Type": JSON}).data["id"]
        assert len(client.retrying("GET", f"/v1/call/{call}/traces").data) == 1
    return time.monotonic() - began


@pytest.mark.parametrize("how", ["cut", "stall"])
def test_without_postgres_everybody_is_told_at_once_and_served_soon_after(stage, how):
    cluster, names = stage.cluster, stage.links.named("postgres-")
    recover(stage)
    with Senders(stage) as senders:
        stage.links.set(how, names)
        try:
            for daemon in cluster.daemons():
                wait_until(lambda d=daemon: ready(d)[0] == 503, 15, f"{daemon.name} to notice")
                assert "postgres" in ready(daemon)[1]["missing"]
            time.sleep(3.5)  # requests that began before are over: an api waits 3 s
            noticed = time.monotonic()
            time.sleep(4)
            outstanding = [api.metrics()["calltrace_api_bus_outstanding"] for api in cluster.apis]
            waiting = [api.metrics()["calltrace_api_queue"] for api in cluster.apis]
            answers = senders.since(noticed)
            up = [daemon.metrics()[f"calltrace_{'api_' if daemon in cluster.apis else ''}postgres_up"]
                  for daemon in cluster.daemons()]
        finally:
            stage.links.set("pass", names)
        seconds = recover(stage)
    assert up == [0, 0, 0, 0]
    assert {status for _, _, status in answers} == {503}
    for kind in REQUESTS:
        times = sorted(seconds for seconds, one, _ in answers if one == kind)
        assert len(times) > 100, f"{kind}: {len(times)} answers, they pile up"
        assert times[len(times) * 95 // 100] < AT_ONCE_S, (kind, times[-20:])
    assert max(outstanding + waiting) <= SENDERS
    assert seconds < 5
    wait_until(lambda: all(ready(daemon)[0] == 200 for daemon in cluster.daemons()), 5, "everything to be ready")


@pytest.mark.parametrize("how", ["cut", "stall"])
def test_without_redis_the_look_links_and_it_is_seen(stage, how):
    cluster, names = stage.cluster, stage.links.named("redis:")
    recover(stage)
    with Senders(stage, ("export", "create")) as senders:
        stage.links.set(how, names)
        try:
            for correlator in cluster.correlators:
                wait_until(lambda c=correlator: c.metrics()["calltrace_redis_up"] == 0, 10, "Redis to be missed")
                assert "look alone" in ready(correlator)[1]["words"]["redis"]
                assert ready(correlator)[0] == 200
            noticed = time.monotonic()
            before = sum(one.metrics()['calltrace_links_total{found_by="look"}'] for one in cluster.correlators)
            seconds = recover(stage)
            time.sleep(2)
            answers = senders.since(noticed)
            after = sum(one.metrics()['calltrace_links_total{found_by="look"}'] for one in cluster.correlators)
        finally:
            stage.links.set("pass", names)
        for correlator in cluster.correlators:
            wait_until(lambda c=correlator: c.metrics()["calltrace_redis_up"] == 1, 10, "Redis to be used again")
    assert {status for _, _, status in answers} == {200}
    assert max(seconds for seconds, _, _ in answers) < 2
    assert seconds < 4
    assert after - before >= 2


@pytest.mark.parametrize("how", ["killed", "frozen", "stalled"])
def test_one_correlator_away_holds_nobody_up(stage, how):
    cluster, correlator = stage.cluster, stage.cluster.correlators[0]
    names = [name for name in stage.links.named("bus:") if name.endswith("0")]
    recover(stage)
    with Senders(stage, ("export", "create")) as senders:
        time.sleep(1)
        began = time.monotonic()
        if how == "killed":
            correlator.kill()
        elif how == "frozen":
            correlator.pause()
        else:
            stage.links.set("stall", names)
        try:
            for api in cluster.apis:
                wait_until(lambda a=api: "correlator" in ready(a)[1].get("words", {}), 5, "the api to tell")
                assert ready(api)[0] == 200
                assert "1 of 2" in ready(api)[1]["words"]["correlator"]
            time.sleep(4)
        finally:
            stage.links.set("pass", names)
            correlator.resume()
            if how == "killed":
                correlator.start()
                correlator.wait_ready()
        time.sleep(1)  # it is asked as soon as it comes
        answers = senders.since(began - 3)
        for api in cluster.apis:  # an api knows by asking
            wait_until(lambda a=api: ready(a) == (200, {"ready": True}), 10, "the api to have both again")
    assert {status for _, _, status in answers} == {200}
    assert max(seconds for seconds, _, _ in answers) < 2, sorted(answers)[-5:]


def test_a_slow_disk_makes_commits_larger_not_fewer_answers(stage):
    """100 ms each way between the correlators and Postgres."""
    cluster, names = stage.cluster, stage.links.named("postgres-correlator")
    numbers = ("calltrace_groups_total", "calltrace_group_messages_total", "calltrace_commit_seconds_sum",
               "calltrace_commit_seconds_count")
    recover(stage)

    def total():
        found = [correlator.metrics() for correlator in cluster.correlators]
        return [sum(one[name] for one in found) for name in numbers]

    with Senders(stage, ("export",), count=32) as senders:
        stage.links.set("slow", names, 100)
        try:
            time.sleep(2)
            before, began = total(), time.monotonic()
            time.sleep(6)
            answers = senders.since(began)
            groups, messages, seconds, commits = (b - a for a, b in zip(before, total(), strict=True))
        finally:
            stage.links.set("pass", names)
    assert {status for _, _, status in answers} == {200}
    assert max(seconds for seconds, _, _ in answers) < 3
    assert seconds / commits > 0.15, "the delay is seen in the metrics"
    assert messages / groups > 2
    assert recover(stage) < 2


def test_a_queue_that_fills_is_told_and_bounded(stage):
    """A megabyte of queue and a slow Postgres."""
    cluster, names = stage.cluster, stage.links.named("postgres-correlator")
    for correlator in cluster.correlators:
        correlator.rows["queue_bytes_max"] = 1 << 20
        correlator.restart()
    recover(stage)
    stage.links.set("slow", names, 300)
    peak, told, statuses = 0.0, False, []
    over = threading.Event()

    def send(n):
        client = cluster.client(stage.project, n % 2)
        while not over.is_set():
            body = otlp.request([otlp.span(otlp.new_trace_id(), attrs={"noise": os.urandom(200_000).hex()})])
            try:
                statuses.append(client.export(body.SerializeToString()).status)
            except NoAnswer:
                statuses.append(0)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(SENDERS)]
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 20
        while time.monotonic() < until and not (told and 503 in statuses):
            peak = max(peak, *(one.metrics().get("calltrace_queue_bytes", 0) for one in cluster.correlators))
            told = told or any("queue" in ready(one)[1].get("words", {}) for one in cluster.correlators)
            time.sleep(0.02)
    finally:
        over.set()
        for thread in threads:
            thread.join()
        stage.links.set("pass", names)
        for correlator in cluster.correlators:
            del correlator.rows["queue_bytes_max"]
            correlator.restart()
    assert told and 503 in statuses
    assert set(statuses) <= {200, 503}
    assert 0 < peak <= 2 << 20
    assert recover(stage) < 5
