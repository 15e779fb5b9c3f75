"""One child process: started, signalled, read and always reaped, by its own pid only."""

import concurrent.futures
import os
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

# A test run that is killed leaves nothing behind: setpriv asks the kernel for a signal when the parent
# dies, and execs. (A preexec_fn would do the same and may deadlock in a run of many threads.) The
# parent is the thread that forked, so that one thread which lives as long as the run forks everything.
_spawner = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawn")


def free_port() -> int:
    """A loopback port that is free and is not handed out twice: below those that the kernel gives to connections, and
    each of several workers of pytest has its own."""
    with _ports_lock:
        while True:
            port = random.randrange(PORTS_FROM, PORTS_TO, PORTS_STEP) + _worker % PORTS_STEP
            if port in _ports:
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _ports.add(port)
            return port


PORTS_FROM, PORTS_TO, PORTS_STEP = 12_000, 32_000, 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_ports: set[int] = set()
_ports_lock = threading.Lock()


class Process:
    """A command with a log file. `death_signal` is what the kernel sends when the run dies."""

    def __init__(self, name, argv, log: Path, env=None, user=None, death_signal=signal.SIGKILL):
        self.name = name
        self.argv = [str(part) for part in argv]
        self.log_path = log
        self.env = {**os.environ, **(env or {})}
        self.user = user
        self.death_signal = death_signal
        self.child: subprocess.Popen | None = None

    def start(self):
        assert not self.is_running(), f"{self.name} runs already"
        _spawner.submit(self._spawn).result(timeout=30)

    def _spawn(self):
        extra = {}
        if self.user is not None:
            extra = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", self.death_signal.name.removeprefix("SIG"), "--",
                 *self.argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, cwd="/",
                start_new_session=True, **extra)

    @property
    def pid(self) -> int:
        assert self.child is not None, f"{self.name} was never started"
        return self.child.pid

    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def signal(self, number: int):
        if self.is_running():
            os.kill(self.pid, number)

    def kill(self):
        """kill -9, and reap."""
        self.signal(signal.SIGKILL)
        self.wait(10)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def terminate(self, timeout=20.0) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end:\n{self.threads()}\n{self.log_tail()}") from None

    def threads(self) -> str:
        """What each of its threads waits in."""
        lines = []
        for task in sorted(Path(f"/proc/{self.pid}/task").iterdir()):
            lines.append(" ".join((task / name).read_text().strip() for name in ("comm", "wchan", "syscall")))
        return "\n".join(lines)

    def wait(self, timeout: float) -> int:
        if self.child is None:
            return 0
        return self.child.wait(timeout)

    def close(self):
        """Ends the process whatever state it is in; bounded."""
        if not self.is_running():
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def log(self) -> str:
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])


def wait_until(condition, timeout=10.0, what="the condition", interval=0.02):
    """Polls `condition` until it is true; its last value is returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(interval)
