"""The equation, simulated: any order, any repetition, any crash, and the links are the same."""

import os
import time

import pytest
from chaos import Chaos
from simulation import Simulation

from support.process import wait_until

SEED_ENV = "CALLTRACE_SIM_SEED"


@pytest.fixture
def seed(request):
    chosen = request.config.getoption("--seed")
    if chosen is None:
        chosen = int(os.environ.get(SEED_ENV) or int.from_bytes(os.urandom(3), "big"))
    print(f"simulation seed {chosen}: repeat with --seed {chosen}")
    return chosen


@pytest.fixture
def events(request):
    return request.config.getoption("--events") or 4000


def run(cluster, seed, events, *what, repair=lambda: None):
    simulation = Simulation(cluster, seed, events)
    chaos = Chaos(cluster, seed, *what)
    problems = simulation.run(chaos, repair)
    print(f"seed {seed}: {len(simulation.events)} events in {simulation.seconds:.1f} s, "
          f"{len(simulation.log.creates)} creates, {chaos.counts}")
    assert not problems, "\n".join([*problems, cluster.logs(15)])
    return simulation


def reconcile(cluster) -> float:
    """A brisk reconciler's passes, one of them after everything is old enough for it (5 s); what
    they repaired."""
    daemon = cluster.correlators[0]
    daemon.rows.update({"reconcile": "on", "reconcile_interval_s": "1"})
    time.sleep(6)
    daemon.restart()
    wait_until(lambda: daemon.metrics().get("calltrace_reconcile_runs_total", 0) >= 2, 30,
               "two reconciler passes")
    return daemon.metrics()["calltrace_reconcile_repairs_total"]


def sealed(cluster) -> int:
    """Waits until every trace is sealed; how many segments were."""
    def left():
        return cluster.sql("select count(*) from trace where not is_sealed and not is_skipped")[0][0]

    wait_until(lambda: left() == 0, 60, "every trace to be sealed")
    return cluster.sql("select count(*) from segment where is_sealed")[0][0]


def test_links_are_the_equation_through_kills_and_restarts(servers, seed, events):
    """Traces are sealed all the while, again and again, and what is read at the end is what was sent."""
    cluster = servers.cluster(apis=2, correlators=2,
                              correlator_rows={"seal_quiet_s": 1, "seal_share_percent": 100})
    try:
        simulation = run(cluster, seed, events, "api", "correlator", "postgres",
                         repair=lambda: reconcile(cluster))
        assert sealed(cluster) > 0
        assert not simulation.check(sample=200)
    finally:
        cluster.close()


def test_the_rendezvous_alone_finds_every_link(servers, seed, events):
    """Neither look nor reconciler; Redis is kept but stands still now and then, the apis are killed. The
    correlators wait for a Redis that stands still: one that counts as away finds nothing, by design."""
    servers.redis.flush()
    cluster = servers.cluster(apis=2, correlators=2,
                              correlator_rows={"look": "off", "reconcile": "off",
                                               "redis_timeout_ms": "20000"})
    try:
        run(cluster, seed, events, "api", "freeze_redis")
        away = [daemon.metrics()["calltrace_redis_away_total"] for daemon in cluster.correlators]
        assert away == [0, 0]
    finally:
        cluster.close()


def test_the_look_alone_finds_every_link(servers, seed, events):
    """Redis is flushed, stopped and restarted; the reconciler then has nothing to repair."""
    cluster = servers.cluster(apis=2, correlators=2, correlator_rows={"reconcile": "off"})
    try:
        run(cluster, seed, events, "api", "redis")
        assert reconcile(cluster) == 0
    finally:
        cluster.close()
