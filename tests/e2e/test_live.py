"""Live: what correlators announce reaches every page of the project, on every api, and nobody else."""

import json
import time

import pytest

from support import otlp
from support.live import KEY_USED, Stream
from support.process import wait_until


@pytest.fixture(scope="module")
def pair(servers):
    running = servers.cluster(apis=2, correlators=2,
                              api_rows={"live_listeners_per_project_max": 5, "live_listeners_max": 8})
    yield running
    running.close()


@pytest.fixture
def named(pair):
    return pair.project(f"live-{otlp.new_trace_id().hex()[:10]}")


@pytest.fixture
def streams(pair):
    made = []

    def begin(project, **options):
        made.append(Stream(pair, project if isinstance(project, str) else project.key, **options))
        return made[-1]

    yield begin
    for stream in made:
        stream.close()
    wait_until(lambda: sum(api.metrics()["calltrace_api_live_listeners"] for api in pair.apis) == 0, 5,
               "listeners that went to be noticed")


def send(pair, project, trace=None, api=0, **attrs):
    trace = trace or otlp.new_trace_id()
    client = pair.client(project, api=api)
    response = client.export(otlp.request([otlp.span(trace, "work", attrs)]).SerializeToString())
    assert response.status == 200, response.body
    client.close()
    return trace


def test_what_happens_in_a_project_is_told_on_both_apis(pair, named, streams):
    ears = [streams(named, api=api) for api in (0, 1)]
    for ear in ears:
        assert ear.status == 200
        assert ear.response.getheader("Content-Type") == "text/event-stream"
        assert ear.response.getheader("Cache-Control") == "no-store"
        assert ear.read() == ("ready", {})
    key = f"order-{named.id}"
    trace = send(pair, named, **{"roark.external_id": key})
    made = pair.client(named, api=1).post_json("/v1/call", {"externalId": key})
    call = made.data["id"]
    for ear in ears:
        told = [("trace", {"traceId": trace.hex()}), ("call", {"conversationId": call}),
                ("link", {"conversationId": call, "traceId": trace.hex()})]
        while told:
            one = ear.read()
            assert one in told, one
            told.remove(one)


def test_another_project_hears_nothing(pair, named, streams):
    other = pair.project(f"{named.name}-other")
    ear, stranger = streams(named), streams(other)
    assert ear.read() == stranger.read() == ("ready", {})
    trace = send(pair, named)
    ear.until(("trace", {"traceId": trace.hex()}))
    with pytest.raises(TimeoutError):
        stranger.read(timeout=1.5)
    assert pair.client(None).get("/v1/live").status == 401
    assert pair.client(pair.new_key(named.name, "writer", "ingest,write")).get("/v1/live").status == 403


def test_a_burst_of_one_trace_is_one_event(pair, named, streams):
    ear = streams(named)
    assert ear.read() == ("ready", {})
    trace = otlp.new_trace_id()
    for _ in range(30):
        send(pair, named, trace)
    last = send(pair, named)
    before = ear.until(("trace", {"traceId": last.hex()}))
    assert 1 <= len(before) < 30 and set(map(str, before)) == {str(("trace", {"traceId": trace.hex()}))}


def test_who_comes_back_hears_what_was_missed(pair, named, streams):
    ear = streams(named)
    assert ear.read() == ("ready", {})
    first = send(pair, named)
    ear.until(("trace", {"traceId": first.hex()}))
    left_at = ear.last_id
    ear.close()
    missed = [send(pair, named) for _ in range(3)]
    time.sleep(0.5)
    again = streams(named, last_id=left_at)
    assert again.read() == ("ready", {})
    assert [again.read() for _ in missed] == [("trace", {"traceId": one.hex()}) for one in missed]
    latest = again.last_id
    assert latest != left_at
    again.close()
    # Up to date: nothing is missed.
    third = streams(named, last_id=latest)
    assert third.read() == ("ready", {})
    more = send(pair, named)
    assert third.read() == ("trace", {"traceId": more.hex()})


@pytest.mark.parametrize("last_id", ["0123456789abcdef-1", "x", "0123456789abcdef-99999999999999999999999", "-", "é"])
def test_an_unknown_id_means_fetch_anew(named, streams, last_id):
    ear = streams(named, last_id=last_id)
    assert ear.read() == ("refetch", {})
    assert ear.last_id


def test_the_other_api_does_not_know_the_id(pair, named, streams):
    ear = streams(named, api=0)
    assert ear.read() == ("ready", {})
    assert streams(named, api=1, last_id=ear.last_id).read() == ("refetch", {})


def test_a_correlator_that_comes_back_means_fetch_anew(pair, named, streams):
    ear = streams(named)
    assert ear.read() == ("ready", {})
    old_id = ear.last_id
    pair.correlators[1].restart()
    assert ear.read() == ("refetch", {})
    assert ear.last_id != old_id
    trace = send(pair, named)
    ear.until(("trace", {"traceId": trace.hex()}))
    assert streams(named, last_id=old_id).read() == ("refetch", {})


def test_a_revoked_key_ends_its_stream(pair, named, streams):
    key = pair.new_key(named.name, "to be revoked", "read")
    ear, stays = streams(key), streams(named)
    assert ear.read() == stays.read() == ("ready", {})
    keys = pair.client(named).get("/v1/keys").data
    (one,) = [row for row in keys if row["name"] == "to be revoked"]
    began = time.monotonic()
    assert pair.client(named).request("DELETE", f"/v1/keys/{one['id']}").status in (200, 204)
    assert ear.read() == ("end", {"code": "unauthorized"})
    assert time.monotonic() - began < 5
    assert ear.read() is None
    trace = send(pair, named)
    stays.until(("trace", {"traceId": trace.hex()}))


def test_listeners_are_bounded(pair, named, streams):
    for _ in range(5):
        assert streams(named).read() == ("ready", {})
    refused = streams(named)
    assert refused.status == 503
    assert json.loads(refused.response.read())["code"] == "too_many_listeners"
    assert refused.response.getheader("Retry-After") == "1"


def test_a_silent_stream_is_kept_alive(pair, named, streams):
    ear = streams(named)
    assert ear.read() == ("ready", {})
    began = time.monotonic()
    while (one := ear.read_any(timeout=25)) == KEY_USED:
        began = time.monotonic()
    event, text = one
    assert event == "" and text.startswith(":") and 10 < time.monotonic() - began < 20


def test_a_slow_reader_is_cut_and_nobody_waits_for_it(servers):
    # Few bytes wait for a reader here, and little patience is had.
    cluster = servers.cluster(api_rows={"body_ms_max": 1500})
    try:
        project = cluster.project("slow")
        slow = Stream(cluster, project.key, receive_bytes=2048)
        quick = Stream(cluster, project.key)
        assert quick.read() == ("ready", {})
        client = cluster.client(project)
        heard, deadline = 0, time.monotonic() + 40
        while cluster.apis[0].metrics()["calltrace_api_live_listeners"] > 1 and time.monotonic() < deadline:
            spans = [otlp.span(otlp.new_trace_id(), "work") for _ in range(400)]
            assert client.export(otlp.request(spans).SerializeToString()).status == 200
            for _ in range(400):
                event, _data = quick.read()
                heard += event in ("trace", "refetch")
                if event == "refetch":
                    break
        metrics = cluster.apis[0].metrics()
        assert metrics["calltrace_api_live_listeners"] == 1 and metrics["calltrace_api_live_cut_total"] == 1
        assert heard > 0
        last = otlp.new_trace_id()
        assert client.export(otlp.request([otlp.span(last)]).SerializeToString()).status == 200
        quick.until(("trace", {"traceId": last.hex()}), limit=2000)
        slow.close()
        quick.close()
    finally:
        cluster.close()


def test_stopping_ends_streams_at_once(servers):
    cluster = servers.cluster()
    try:
        project = cluster.project("stop")
        ear = Stream(cluster, project.key)
        assert ear.read() == ("ready", {})
        began = time.monotonic()
        cluster.apis[0].close()
        assert time.monotonic() - began < 5
        assert ear.read() is None
    finally:
        cluster.close()
