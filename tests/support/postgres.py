"""A private Postgres on a Unix socket. Durability settings stay at their defaults."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from .process import Process, wait_until


def _find_bin() -> Path:
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                        key=lambda path: float(path.parts[-3]), reverse=True)
    if candidates:
        return candidates[0].parent
    found = shutil.which("postgres")
    assert found, "no Postgres server is installed"
    return Path(found).resolve().parent


def _owner():
    """Postgres refuses root: another user owns the data then."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("no user to run Postgres as")


class Postgres:
    def __init__(self, directory: Path, settings: dict | None = None):
        self.directory = directory
        self.data = directory / "data"
        self.bin = _find_bin()
        self.owner = _owner()
        self.process = Process(
            "postgres",
            [self.bin / "postgres", "-D", self.data, "-k", directory, "-c", "listen_addresses=",
             "-c", "max_connections=200", "-c", "logging_collector=off",
             "-c", "log_min_messages=warning", "-c", "log_min_error_statement=error",
             *(word for name, value in (settings or {}).items() for word in ("-c", f"{name}={value}"))],
            directory / "postgres.log", user=self.owner, death_signal=signal.SIGQUIT)
        self._databases = 0

    def create(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.own()
        subprocess.run(
            [self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, timeout=60, cwd="/", **self.as_owner())
        self.start()

    def own(self):
        if self.owner is not None:
            os.chown(self.directory, self.owner.pw_uid, self.owner.pw_gid)

    def as_owner(self) -> dict:
        """What makes subprocess run a program as the data's owner."""
        if self.owner is None:
            return {}
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}

    def start(self):
        self.process.start()
        wait_until(self._answers, 20, "Postgres")

    def _answers(self):
        assert self.process.is_running(), "Postgres ended:\n" + self.process.log_tail()
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, how="fast"):
        """fast: SIGINT, clients are cut off; immediate: SIGQUIT, as a crash."""
        self.process.resume()
        self.process.signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(20)

    def kill(self):
        """kill -9 of every process at once."""
        pids = [self.process.pid, *self._children()]
        for pid in pids:
            _signal_quietly(pid, signal.SIGKILL)
        self.process.wait(20)
        wait_until(lambda: not any(_is_alive(pid) for pid in pids), 10, "Postgres' processes to be gone")

    def is_alive(self) -> bool:
        return self.process.is_running() and self._answers()

    def pause(self):
        """Stops the postmaster and every backend: connections hang."""
        for pid in [self.process.pid, *self._children()]:
            _signal_quietly(pid, signal.SIGSTOP)

    def resume(self):
        for pid in [*self._children(), self.process.pid]:
            _signal_quietly(pid, signal.SIGCONT)

    def _children(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                             capture_output=True, text=True, check=False)
        return [int(pid) for pid in out.stdout.split()]

    def conninfo(self, database: str, user="postgres") -> str:
        return f"host={self.directory} dbname={database} user={user}"

    def new_database(self) -> str:
        self._databases += 1
        name = f"ct{self._databases}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str):
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self):
        if self.process.is_running():
            self.resume()
            self.process.signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


def _is_alive(pid: int) -> bool:
    """A process that is dead and waits for its parent is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _signal_quietly(pid: int, number: int):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
