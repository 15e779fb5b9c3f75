"""A calltrace whose every connection can be cut, on servers that can be hurt in every way of faults.py.

Two apis and two correlators, a Redis, a Postgres with a synchronous standby. Each daemon has links of its own to what
it talks to, so that a fault hurts one of them or all; each has a wall clock of its own.
"""

from pathlib import Path

from support.pair import Pair
from support.postgres import Postgres
from support.process import free_port
from support.proxy import Links
from support.servers import Servers
from support.volume import Volume

VOLUME_MIB = 768
# Small servers: many rounds, and a disk that is soon full.
SETTINGS = {"max_wal_size": "128MB", "min_wal_size": "32MB", "shared_buffers": "64MB", "jit": "off"}
# What bodies and queues may hold is bounded, so that a bound of each process can be stated and held to.
HELD_BYTES = 32 << 20
API_ROWS = {"inflight_bytes_max": HELD_BYTES}
CORRELATOR_ROWS = {"queue_bytes_max": HELD_BYTES, "reconcile": "off", "seal_quiet_s": 5,
                   "seal_share_percent": 100}
# That, and what the process takes itself (OPERATIONS.md, Capacity), with as much again for the allocator.
BOUND_MIB = {"api": 2 * (22 + 32), "correlator": 2 * (28 + 32)}
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class Stage(Servers):
    """`left_out` says which needs of faults cannot be met here, and why."""

    def __init__(self, needs=("links", "pair", "volumes", "clocks")):
        super().__init__()
        self.needs = set(needs)
        self.left_out: dict[str, str] = {}
        self.volumes: dict[Path, Volume] = {}
        self.pair = None
        self.links = Links(self.directory) if "links" in self.needs else None
        self.clocks: dict[str, Path] = {}
        if "clocks" in self.needs and not FAKETIME:
            self.left_out["clocks"] = "libfaketime is not installed (package faketime)"
            self.needs.discard("clocks")
        nodes = [self._node("pg"), *([self._node("pg2")] if "pair" in self.needs else [])]
        self.postgres = nodes[0]
        if "pair" in self.needs:
            self.pair = self.postgres = Pair(*nodes)

    def _node(self, name: str) -> Postgres:
        """With a disk of its own."""
        directory = self.directory / name
        if "volumes" in self.needs and "volumes" not in self.left_out:
            volume = Volume(directory, VOLUME_MIB)
            why = volume.mount()
            if why:
                self.left_out["volumes"] = f"no file system can be mounted ({why})"
            else:
                self.volumes[directory] = volume
        node = Postgres(directory, SETTINGS)
        node.process.log_path = self.directory / f"{name}.log"  # also when its disk is full
        return node

    def calltrace(self, build=None, env=None):
        """Two of each, wired through links, started."""
        cluster = self.unstarted(apis=2, correlators=2, build=build, env=env, api_rows=API_ROWS,
                                 correlator_rows=CORRELATOR_ROWS)
        if self.links is not None:
            self._wire(cluster)
            self.links.start()
        for daemon in cluster.daemons():
            if "clocks" in self.needs:
                self._give_clock(daemon)
        return cluster.start()

    def _give_clock(self, daemon):
        clock = self.clocks[daemon.name] = self.directory / f"{daemon.name}.clock"
        clock.write_text("+0")
        daemon.env |= {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(clock),
                       "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}

    def _wire(self, cluster):
        for n, correlator in enumerate(cluster.correlators):
            correlator.rows |= {"bus": f"tcp://127.0.0.1:{free_port()}", "bus_events": f"tcp://127.0.0.1:{free_port()}",
                                "postgres": self._postgres_rows("correlator", n, cluster),
                                "redis": f"127.0.0.1:{self.links.add(f'redis:{n}', str(self.redis.socket_path))}"}
        for n, api in enumerate(cluster.apis):
            for row in ("bus", "bus_events"):
                ports = [self.links.add(f"{row}:{n}{m}", int(correlator.rows[row].rpartition(":")[2]))
                         for m, correlator in enumerate(cluster.correlators)]
                api.rows[row] = ",".join(f"tcp://127.0.0.1:{port}" for port in ports)
            api.rows["postgres"] = self._postgres_rows("api", n, cluster)
            api.port = self.links.add(f"client:{n}", api.port)

    def _postgres_rows(self, role: str, n: int, cluster) -> str:
        """A daemon knows both servers and looks for the primary, as libpq can."""
        nodes = [self.pair.primary, self.pair.standby] if self.pair else [self.postgres]
        ports = [self.links.add(f"postgres-{role}:{n}" + "'" * place, f"{node.directory}/.s.PGSQL.5432")
                 for place, node in enumerate(nodes)]
        return (f"host={','.join(['127.0.0.1'] * len(ports))} port={','.join(map(str, ports))} "
                f"dbname={cluster.database} user=calltrace_{role} target_session_attrs=primary")

    def close(self):
        try:
            super().close()
        finally:
            if self.links is not None:
                self.links.close()
            for volume in self.volumes.values():
                volume.close()
