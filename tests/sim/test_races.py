"""Two correlators get one new key at once: one call has it, and nobody is refused in vain."""

import random
import threading
import time
from collections import defaultdict

import pytest
from chaos import Chaos

from support import otlp
from support.client import NoAnswer

PAIRS = 8


@pytest.fixture(scope="module")
def pair(servers):
    """Api n speaks to correlator n alone, so that two requests meet in Redis and Postgres."""
    cluster = servers.cluster(apis=2, correlators=2, paired=True,
                              correlator_rows={"reconcile": "off"})
    yield cluster
    cluster.close()


class Race:
    """Every round sends bodies of one key set at the same moment, one to each api in turn."""

    def __init__(self, cluster, name: str, rounds, seed=1):
        self.cluster = cluster
        self.project = cluster.project(name)
        self.rounds = rounds
        self.random = random.Random(seed)
        self.answers: dict[int, list] = defaultdict(list)  # round -> [(body number, status, id)]
        self.failures: list[str] = []
        self.clients = [cluster.client(self.project, api) for api in range(2)]

    def run(self, chaos):
        width = len(self.rounds[0])
        with chaos:
            threads = []
            for n in range(PAIRS):
                barrier = threading.Barrier(width)
                for side in range(width):
                    threads.append(threading.Thread(target=self._side, args=(n, side, barrier)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not self.failures, self.failures[:5]
        self.cluster.wait_ready()

    def _side(self, n: int, side: int, barrier):
        try:
            for number in range(n, len(self.rounds), PAIRS):
                barrier.wait(60)
                # An odd round swaps the apis, so that neither is always first.
                api = (side + number // PAIRS) % 2
                body = self.rounds[number][side]
                self.answers[number].append((side, *self.create(api, body)))
        except Exception as error:
            self.failures.append(repr(error))
            barrier.abort()

    def create(self, api: int, body: dict):
        try:
            response = self.clients[api].post_json("/v1/call", body)
        except NoAnswer:
            return 0, None
        if response.status == 200:
            return 200, response.data["id"]
        if response.status not in (409, 503):
            self.failures.append(f"{response.status} {response.body[:200]!r}")
        return response.status, None

    def settle(self) -> dict[int, list]:
        """A round without a success is asked again, now without a rival: it has a success, or
        the refusal names a call that the killed correlator had committed."""
        for number in range(len(self.rounds)):
            answers = self.answers[number]
            deadline = time.monotonic() + 20
            while not any(status in (200, 409) for _, status, _ in answers):
                answers.append((0, *self.create(number % 2, self.rounds[number][0])))
                assert time.monotonic() < deadline, f"round {number} never settles: {answers}"
        return self.answers

    def holders(self) -> dict[bytes, set[str]]:
        """Value -> conversations, read from table `link` after a trace came for every value."""
        values = sorted({value for bodies in self.rounds for body in bodies
                         for value in (body.get("externalId"), body.get("livekitRoomId"))
                         if value})
        for start in range(0, len(values), 500):
            request = otlp.ExportTraceServiceRequest()
            for value in values[start:start + 500]:
                name = "livekit.room.id" if value.startswith("RM_") else "roark.external_id"
                request.MergeFrom(otlp.request([otlp.span(otlp.new_trace_id())], {name: value}))
            response = self.clients[start // 500 % 2].retrying(
                "POST", "/v1/traces", request.SerializeToString(),
                {"Content-Type": "application/x-protobuf"})
            assert response.status == 200, response.body
        found = defaultdict(set)
        for project, conversation, _, _, value in self.cluster.links():
            if project == self.project.id:
                found[value].add(conversation)
        return found

    def real_holders(self, found) -> dict[bytes, set[str]]:
        """Without the calls that never came: a claim of a killed correlator may leave a row,
        which no read shows."""
        known = {i for answers in self.answers.values() for _, _, i in answers if i}
        real = {}
        for value, conversations in found.items():
            real[value] = {c for c in conversations if c in known
                           or self.clients[0].get(f"/v1/call/{c}").status == 200}
        return real


def test_ten_thousand_new_keys_have_one_call_each(pair):
    rounds = [[{"externalId": f"race-{n}", "properties": {"side": side}} for side in range(2)]
              for n in range(10_000)]
    race = Race(pair, "race", rounds)
    chaos = Chaos(pair, 1, "kill_correlator", pause=(1.0, 2.0))
    started = time.monotonic()
    race.run(chaos)
    open_rounds = [number for number, answers in race.answers.items()
                   if any(status in (0, 503) for _, status, _ in answers)]
    print(f"{len(rounds)} rounds in {time.monotonic() - started:.1f} s, {chaos.counts}, "
          f"{len(open_rounds)} rounds without both answers")
    assert open_rounds, "no kill met a create on its way"
    race.settle()
    holders = race.real_holders(race.holders())
    for number, answers in race.answers.items():
        winners = {i for _, status, i in answers if status == 200}
        committed = holders.get(f"race-{number}".encode(), set())
        assert len(winners) <= 1, (number, answers)
        assert len(committed) == 1, (number, answers, committed)
        assert winners <= committed, (number, answers, committed)


def crossed(n: int):
    """Two calls with the same two keys; each may win one of the claims."""
    body = {"livekitRoomId": f"RM_cross{n}", "externalId": f"cross-{n}"}
    return [{**body, "properties": {"side": side}} for side in range(2)]


def ring(n: int):
    """Three calls in a ring: each shares a key with the next. One or more must live."""
    a, b, c = f"ring-a{n}", f"RM_ring{n}", f"ring-c{n}"
    return [{"externalId": a, "livekitRoomId": b}, {"externalId": c, "livekitRoomId": b},
            {"externalId": a if n % 2 else c}]


@pytest.mark.parametrize("bodies, count", [(crossed, 2000), (ring, 600)], ids=["two", "ring"])
def test_calls_that_cross_are_never_all_lost(pair, bodies, count):
    race = Race(pair, f"cross-{bodies.__name__}", [bodies(n) for n in range(count)])
    race.run(Chaos(pair, 2, "kill_correlator", pause=(0.8, 1.6)))
    race.settle()
    holders = race.real_holders(race.holders())
    for number, answers in race.answers.items():
        values = {value.encode() for body in race.rounds[number]
                  for name, value in body.items() if name != "properties"}
        committed = {value: holders.get(value, set()) for value in values}
        assert any(committed.values()), (number, answers, committed)
        assert all(len(calls) <= 1 for calls in committed.values()), (number, answers, committed)
        for side, status, call in answers:
            body = race.rounds[number][side]
            own = {value.encode() for name, value in body.items() if name != "properties"}
            if status == 200:
                assert all(committed[value] == {call} for value in own), (number, answers)
            if status == 409:
                taken = set().union(*(committed[value] for value in own))
                assert taken, (number, answers, "refused, and nobody holds the key")
