"""The one table of what may happen to a running calltrace.

A fault is a generator over a `Scene`. What stands before its `yield` hurts; at the `yield` the fault is over (the
process is dead, the server is back, the link passes) and recovery counts; what stands behind it is done by whoever
runs the machines: a dead daemon is started again. Each fault asserts that it acted: one that does nothing proves
nothing.
"""

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.process import wait_until
from support.raw import RawConnection


@dataclass
class Scene:
    """What a fault may touch, how long it lasts, and its dice. A stage without links, volume, pair of servers or
    clocks has None there; its faults are not chosen."""

    cluster: object
    random: random.Random
    freeze: tuple[float, float] = (0.1, 1.5)
    outage: tuple[float, float] = (0.3, 1.5)
    links: object = None
    volumes: dict = field(default_factory=dict)  # of each Postgres, by its directory
    pair: object = None
    clocks: dict = field(default_factory=dict)
    project: object = None  # of clients that vanish
    acted: bool = True  # False: nobody was there to be hurt

    def has(self, need: str) -> bool:
        return not need or bool(getattr(self, need))

    def sleep(self, bounds: tuple[float, float]):
        time.sleep(self.random.uniform(*bounds))


@dataclass(frozen=True)
class Fault:
    name: str
    where: str  # who is hurt
    weight: int
    needs: str  # attribute of the scene
    aim_s: float | None  # recovery that is promised
    steps: Callable[[Scene], Iterator[None]]


TABLE: list[Fault] = []
KILL_S, POSTGRES_S = 2.0, 5.0  # OPERATIONS.md, "When servers are away"


def fault(where: str, weight=1, needs="", aim_s: float | None = KILL_S):
    def add(steps):
        TABLE.append(Fault(steps.__name__, where, weight, needs, aim_s, steps))
        return steps

    return add


def select(*words: str) -> list[Fault]:
    """The rows with this name, or that hurt this part."""
    unknown = set(words) - {row.name for row in TABLE} - {row.where for row in TABLE}
    assert not unknown, f"no such fault: {', '.join(sorted(unknown))}"
    return [row for row in TABLE if {row.name, row.where} & set(words)]


# --- processes ---------------------------------------------------------------------------------------


def _kill(scene, daemon):
    before = daemon.pid
    daemon.kill()
    yield
    time.sleep(scene.random.uniform(0, 0.3))
    daemon.start()
    daemon.wait_ready()
    assert daemon.pid != before


def _end(scene, daemon):
    assert daemon.terminate() == 0, f"{daemon.name} ended badly:\n{daemon.log_tail()}"
    yield
    time.sleep(scene.random.uniform(0, 0.3))
    daemon.start()
    daemon.wait_ready()


def _freeze(scene, process):
    process.pause()
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        wait_until(lambda: stat.seek(0) == 0 and stat.read().rpartition(")")[2].split()[0] == "T", 5, "a stop")
    scene.sleep(scene.freeze)
    process.resume()
    yield


@fault("api")
def kill_api(scene):
    yield from _kill(scene, scene.random.choice(scene.cluster.apis))


@fault("api")
def end_api(scene):
    yield from _end(scene, scene.random.choice(scene.cluster.apis))


@fault("api frozen")
def freeze_api(scene):
    yield from _freeze(scene, scene.random.choice(scene.cluster.apis))


@fault("correlator", weight=3)
def kill_correlator(scene):
    yield from _kill(scene, scene.random.choice(scene.cluster.correlators))


@fault("correlator")
def end_correlator(scene):
    yield from _end(scene, scene.random.choice(scene.cluster.correlators))


@fault("correlator")
def freeze_correlator(scene):
    yield from _freeze(scene, scene.random.choice(scene.cluster.correlators))


# --- Redis -------------------------------------------------------------------------------------------


@fault("redis", weight=3)
def flush_redis(scene):
    scene.cluster.redis.flush()
    yield


@fault("redis")
def kill_redis(scene):
    scene.cluster.redis.stop()
    yield
    scene.cluster.redis.start()


@fault("redis")
def redis_down(scene):
    scene.cluster.redis.stop()
    scene.sleep(scene.outage)
    scene.cluster.redis.start()
    yield


@fault("redis")
def freeze_redis(scene):
    yield from _freeze(scene, scene.cluster.redis.process)


# --- Postgres ----------------------------------------------------------------------------------------


@fault("postgres", aim_s=POSTGRES_S)
def crash_postgres(scene):
    scene.cluster.postgres.stop("immediate")
    scene.sleep((0, min(0.5, scene.outage[1])))
    scene.cluster.postgres.start()
    yield


@fault("postgres killed", aim_s=POSTGRES_S)
def kill_postgres(scene):
    """kill -9 of the postmaster and all of its backends at once."""
    scene.cluster.postgres.kill()
    scene.cluster.postgres.start()
    yield


@fault("postgres killed", aim_s=POSTGRES_S)
def postgres_down(scene):
    scene.cluster.postgres.stop("fast")
    scene.sleep(scene.outage)
    scene.cluster.postgres.start()
    yield


@fault("postgres killed", aim_s=POSTGRES_S)
def freeze_postgres(scene):
    scene.cluster.postgres.pause()
    scene.sleep(scene.freeze)
    scene.cluster.postgres.resume()
    yield


@fault("postgres pair", needs="pair", aim_s=POSTGRES_S)
def failover(scene):
    """The primary dies, its synchronous standby takes over, and a new standby is made of the old primary's place."""
    old = scene.pair.primary
    old.kill()
    scene.pair.promote()
    yield
    scene.pair.rebuild()
    assert scene.pair.primary is not old


@fault("postgres pair", needs="pair", aim_s=POSTGRES_S)
def freeze_standby(scene):
    """Commits wait for a standby that says nothing, and somebody cancels the waits: such a commit is unknown. Then the
    primary dies, and only what the standby has is left."""
    scene.pair.standby.pause()
    cancelled, until = 0, time.monotonic() + scene.random.uniform(2, 7)  # also beyond the correlators' own patience
    while time.monotonic() < until:
        time.sleep(0.3)
        cancelled += scene.pair.cancel_waits()
    assert cancelled > 0, "no commit waited for the standby"
    scene.pair.primary.kill()
    scene.pair.standby.resume()
    scene.pair.promote()
    yield
    scene.pair.rebuild()


@fault("volume", needs="volumes", aim_s=POSTGRES_S)
def disk_full(scene):
    """Postgres may live on or not; when it ends, it is started again once there is room."""
    postgres = scene.cluster.postgres
    before = len(postgres.process.log())
    with scene.volumes[postgres.directory].filled():
        scene.sleep((1.5, 3.0))
    if not postgres.is_alive():
        postgres.kill()
        postgres.start()
    yield
    assert "No space left on device" in postgres.process.log()[before:], "nothing was written to the full disk"


# --- what lies between -------------------------------------------------------------------------------

PAIRS = {"client-api": "client", "api-correlator": "bus", "correlator-redis": "redis",
         "correlator-postgres": "postgres-correlator", "api-postgres": "postgres-api"}


@contextmanager
def _links(scene, mode: str, milliseconds=0):
    """All links of one pair, or those of one daemon of it."""
    pair = scene.random.choice(sorted(PAIRS))
    one = scene.random.choice(["", "0", "1"])
    names = [name for name in scene.links.named(PAIRS[pair]) if one in name.partition(":")[2]]
    assert names, (pair, one)
    scene.links.set(mode, names, milliseconds)
    try:
        yield
    finally:
        touched = scene.links.set("pass", names)
    # Redis' connections rest while a correlator counts it as away, and a replaced Postgres has none.
    scene.acted = touched > 0


@fault("links", weight=4, needs="links", aim_s=POSTGRES_S)
def cut_links(scene):
    with _links(scene, "cut"):
        scene.sleep(scene.freeze)
    yield


@fault("links", weight=3, needs="links", aim_s=POSTGRES_S)
def stall_links(scene):
    with _links(scene, "stall"):
        scene.sleep(scene.freeze)
    yield


@fault("links", weight=3, needs="links", aim_s=POSTGRES_S)
def slow_links(scene):
    with _links(scene, "slow", scene.random.choice([5, 20, 100])):
        scene.sleep(scene.freeze)
    yield


@fault("clients", needs="project")
def vanishing_clients(scene):
    """Bodies that stop half-way, and connections that are reset; each api closes its side."""
    project, cluster = scene.project, scene.cluster
    for _ in range(20):
        api = scene.random.choice(cluster.apis)
        try:
            raw = RawConnection(api.port, cluster.context)
        except OSError:
            continue
        length = scene.random.choice([100, 10_000, 1_000_000])
        try:
            raw.head("POST", scene.random.choice(["/v1/traces", "/v1/call"]), project.key,
                     Content_Type=scene.random.choice(["application/x-protobuf", "application/json"]),
                     Content_Length=length)
            raw.send(b"{" * scene.random.randrange(length))
            if scene.random.random() < 0.5:
                raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        raw.socket.close()
    yield


@fault("clocks", needs="clocks")
def clock_step(scene):
    """The wall clock of one daemon jumps, and jumps back later."""
    daemon = scene.random.choice(scene.cluster.daemons())
    step_s = scene.random.choice([-7200, -60, -5, 5, 60, 7200])
    try:
        scene.clocks[daemon.name].write_text(f"{step_s:+d}")
        wait_until(lambda: abs(daemon.wall_clock() - time.time() - step_s) < 2.5, 10, "the clock to step")
        scene.sleep(scene.freeze)
    finally:
        scene.clocks[daemon.name].write_text("+0")
    yield
