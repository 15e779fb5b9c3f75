"""A private Redis on a Unix socket, without persistence. The correlators' user may do what its script needs."""

import secrets
import shutil
import socket
from pathlib import Path

from . import paths
from . import secrets as logged
from .process import Process, wait_until

USER = "calltrace"


class Redis:
    def __init__(self, directory: Path):
        self.directory = directory
        self.socket_path = directory / "redis.sock"
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        assert binary, "no Redis server is installed"
        self.password = secrets.token_hex(16)
        logged.note(self.password)
        rules = (paths.ROOT / "schema/redis/user.rules").read_text().split()
        self.process = Process(
            "redis",
            [binary, "--port", "0", "--unixsocket", self.socket_path, "--unixsocketperm", "777",
             "--save", "", "--appendonly", "no", "--dir", directory, "--daemonize", "no",
             "--maxmemory", "512mb", "--maxmemory-policy", "noeviction",
             "--user", USER, "on", f">{self.password}", *rules],
            directory / "redis.log")

    @property
    def address(self) -> str:
        return f"unix:{self.socket_path}"

    def create(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self):
        self.process.start()
        wait_until(self._answers, 10, "Redis")

    def _answers(self):
        assert self.process.is_running(), "Redis ended:\n" + self.process.log_tail()
        try:
            return self.command("PING") == b"+PONG"
        except OSError:
            return False

    @property
    def rows(self) -> dict:
        """The correlator's, to be its user."""
        return {"redis": self.address, "redis_user": USER, "redis_password": self.password}

    def command(self, *words, timeout=5.0) -> bytes:
        """Sends one command as Redis' default user, who may do all; the first line of the answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(self.socket_path))
            parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            request = b"*%d\r\n" % len(parts)
            for part in parts:
                request += b"$%d\r\n%s\r\n" % (len(part), part)
            connection.sendall(request)
            return connection.makefile("rb").readline().rstrip(b"\r\n")

    def flush(self):
        assert self.command("FLUSHALL") == b"+OK"

    def stop(self):
        self.process.kill()

    def close(self):
        self.process.close()
