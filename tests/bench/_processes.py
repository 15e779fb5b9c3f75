"""CPU time and memory of running processes, from /proc."""

import os
import threading
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int, with_ended_children=False) -> float:
    """User and system time; with the time of children that have ended, if asked for."""
    fields = _stat(pid)
    ticks = int(fields[11]) + int(fields[12])
    if with_ended_children:
        ticks += int(fields[13]) + int(fields[14])
    return ticks / _TICK


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def peak_mib(pid: int) -> float:
    """The most that was resident at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def tree_cpu_seconds(pid: int) -> float:
    """A server with a process per connection."""
    total = cpu_seconds(pid, with_ended_children=True)
    for child in children(pid):
        try:
            total += cpu_seconds(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


class Costs:
    """CPU seconds of every process between two moments."""

    def __init__(self, servers, cluster):
        self.readers = {
            "api": lambda: cpu_seconds(cluster.apis[0].pid),
            "correlator": lambda: cpu_seconds(cluster.correlators[0].pid),
            "postgres": lambda: tree_cpu_seconds(servers.postgres.process.pid),
            "redis": lambda: cpu_seconds(servers.redis.process.pid),
        }
        self.before = {}
        self.machine_before = 0.0
        self.started = 0.0
        self.seconds = 0.0
        self.machine = 0.0  # what all processes of the machine used

    def now(self):
        return {name: read() for name, read in self.readers.items()}

    def start(self):
        self.before, self.machine_before, self.started = self.now(), busy_seconds(), time.monotonic()

    def since(self):
        self.seconds, self.machine = time.monotonic() - self.started, busy_seconds() - self.machine_before
        return {name: round(value - self.before[name], 2) for name, value in self.now().items()}


def busy_seconds() -> float:
    """What the processors of the machine have worked, all in all."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / _TICK


def connections_to(port: int) -> int:
    """Established TCP connections whose server's end has this port, in the kernel's tables."""
    count = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            count += fields[3] == "01" and int(fields[1].rpartition(":")[2], 16) == port
    return count


def resident_mib(pid: int) -> float:
    """What is resident now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _tree_mib(pid: int) -> float:
    """Resident memory of a tree, shared pages counted once."""
    total = 0
    for one in [pid, *children(pid)]:
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1024


class TreePeak:
    """Samples the memory of a process and its children while the block runs."""

    def __init__(self, pid: int, interval_s=0.5):
        self.pid = pid
        self.interval_s = interval_s
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self):
        while True:
            self.mib = max(self.mib, _tree_mib(self.pid))
            if self._stop.wait(self.interval_s):
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
