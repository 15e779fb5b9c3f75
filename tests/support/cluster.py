"""A whole calltrace: its database, Redis, N correlators and M apis, each of which may be hurt."""

import json
import os
import re
import shlex
import subprocess
import urllib.request
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

import psycopg

from . import paths, secrets
from .client import Client
from .postgres import Postgres
from .process import Process, free_port, wait_until
from .redis import Redis
from .tls import Authority

UNDER = shlex.split(os.environ.get("CALLTRACE_UNDER", ""))  # what runs each daemon, such as valgrind
ALL_SCOPES = "ingest,read,write,manage"
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})? (\S+)")


class Daemon(Process):
    """A correlator or an api. `rows` are its configuration; they count from the next start."""

    def __init__(self, name, binary: Path, rows: dict, log: Path, admin_port: int, env=None,
                 port=None):
        super().__init__(name, [], log, env)
        self.binary = binary
        self.rows = rows
        self.admin_port = admin_port
        self.port = port
        self.wrap: list[str] = []  # what runs the program, when something does

    def start(self):
        self.argv = [*self.wrap, str(self.binary), "serve",
                     *(f"--{name}={value}" for name, value in self.rows.items())]
        super().start()

    def admin(self, path: str) -> tuple[int, bytes]:
        """GET on the admin listener; (0, b"") when nobody answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def wall_clock(self) -> float:
        """What it takes for the time, by the Date of its answers; 0 when nobody answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
                return parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except OSError:
            return 0.0

    def is_ready(self) -> bool:
        assert self.is_running(), f"{self.name} ended:\n{self.log_tail()}"
        return self.admin("/ready")[0] == 200

    def wait_ready(self, timeout=20.0):
        try:
            wait_until(self.is_ready, timeout, f"{self.name} to be ready")
        except AssertionError as error:
            _, body = self.admin("/ready")
            raise AssertionError(f"{error}; /ready says {body!r}; log:\n{self.log_tail()}") from None

    def metrics(self) -> dict[str, float]:
        """Every sample summed over its labels, and each labelled one by its full text."""
        samples: dict[str, float] = {}
        for line in self.admin("/metrics")[1].decode().splitlines():
            match = _SAMPLE.match(line)
            if not match:
                continue
            name, labels, value = match.groups()
            samples[name] = samples.get(name, 0.0) + float(value)
            if labels:
                samples[name + labels] = float(value)
        return samples

    def restart(self):
        self.close()
        self.start()
        self.wait_ready()


@dataclass
class Project:
    name: str
    id: str
    key: str
    keys: dict[str, str] = field(default_factory=dict)


class Cluster:
    """Owns a database and its daemons; borrows Postgres, Redis and the authority."""

    def __init__(self, directory: Path, postgres: Postgres, redis: Redis, authority: Authority,
                 apis=1, correlators=1, api_rows=None, correlator_rows=None, env=None,
                 build: Path | None = None, paired=False, wrap=None):
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.postgres = postgres
        self.redis = redis
        self.authority = authority
        self.build = build
        self.has_roles = True
        self.paired = paired  # api n knows correlator n alone
        secrets_key = self.directory / "secrets-key"
        secrets_key.touch(0o600)
        secrets_key.write_text(os.urandom(32).hex() + "\n")
        secrets.note(secrets_key.read_text())
        self.api_rows = {"secrets_key_file": secrets_key, **(api_rows or {})}
        self.correlator_rows = dict(correlator_rows or {})
        self.env = {"CALLTRACE_LOG_LEVEL": "info", **(env or {})}
        self.database = postgres.new_database()
        self.conninfo = postgres.conninfo(self.database)  # the owner's
        self.correlators = [self._correlator(n) for n in range(correlators)]
        self.apis = [self._api(n, correlators) for n in range(apis)]
        for daemon in self.daemons():
            daemon.wrap = (wrap or {}).get(daemon.name.rstrip("0123456789"), UNDER)
        self.context = authority.client_context()

    def conninfo_of(self, role: str) -> str:
        """As calltrace_api, calltrace_correlator or calltrace_admin; as the owner where a version has no roles yet."""
        return self.conninfo if not self.has_roles else self.postgres.conninfo(self.database, f"calltrace_{role}")

    def _bus(self, n: int) -> tuple[str, str]:
        return f"ipc://{self.directory}/bus{n}", f"ipc://{self.directory}/ev{n}"

    def _correlator(self, n: int) -> Daemon:
        bus, events = self._bus(n)
        admin_port = free_port()
        rows = {"bus": bus, "bus_events": events, "postgres": self.conninfo_of("correlator"),
                **self.redis.rows, "admin_listen": f"127.0.0.1:{admin_port}",
                **self.correlator_rows}
        return Daemon(f"correlator{n}", paths.correlator_binary(self.build), rows,
                      self.directory / f"correlator{n}.log", admin_port, self.env)

    def _api(self, n: int, correlators: int) -> Daemon:
        port, admin_port = free_port(), free_port()
        buses = [self._bus(i) for i in ([n] if self.paired else range(correlators))]
        rows = {"listen": f"127.0.0.1:{port}", "tls_cert": self.authority.cert,
                "tls_key": self.authority.key, "admin_listen": f"127.0.0.1:{admin_port}",
                "postgres": self.conninfo_of("api"), "bus": ",".join(bus for bus, _ in buses),
                "bus_events": ",".join(events for _, events in buses), **self.api_rows}
        return Daemon(f"api{n}", paths.api_binary(self.build), rows,
                      self.directory / f"api{n}.log", admin_port, self.env, port)

    def daemons(self) -> list[Daemon]:
        return [*self.correlators, *self.apis]

    def start(self, wait=True):
        self.command("migrate")
        self.let_roles_in()
        for daemon in self.daemons():
            daemon.start()
        if wait:
            self.wait_ready()
            self.wait_heard()
        return self

    def let_roles_in(self):
        for role in ("api", "correlator", "admin"):
            self.command("role", "login", role)

    def wait_ready(self, timeout=20.0):
        for daemon in self.daemons():
            daemon.wait_ready(timeout)

    def wait_heard(self, timeout=20.0):
        """Until every api hears the announcements of its correlators; a version that does not count is not waited for."""
        def hears_all(api):
            wanted = len(str(api.rows["bus_events"]).split(","))
            return api.metrics().get("calltrace_api_live_gaps_total", wanted) >= wanted

        for api in self.apis:
            wait_until(lambda api=api: hears_all(api), timeout, f"{api.name} to hear its correlators")

    def run(self, *words, stdin="", env=None) -> subprocess.CompletedProcess:
        """Runs a subcommand of calltrace-api, as the role that it is for."""
        secrets.note(stdin)  # whatever a command reads there is one
        conninfo = self.conninfo if words[0] in ("migrate", "role") else self.conninfo_of("admin")
        return subprocess.run(
            [str(paths.api_binary(self.build)), *words, f"--postgres={conninfo}"],
            capture_output=True, text=True, timeout=60, check=False, input=stdin,
            env={**os.environ, **self.env,
                 "CALLTRACE_SECRETS_KEY_FILE": str(self.api_rows["secrets_key_file"]),
                 **(env or {})})

    def command(self, *words, check=True, stdin="") -> str:
        """The output of a subcommand of calltrace-api."""
        done = self.run(*words, stdin=stdin)
        if check:
            assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def project(self, name: str, scopes=ALL_SCOPES) -> Project:
        project_id = self.command("project", "create", name)
        return Project(name, project_id, self.new_key(name, "tests", scopes))

    def new_key(self, project: str, label: str, scopes=ALL_SCOPES) -> str:
        return self.command("key", "create", "--project", project, "--name", label,
                            "--scopes", scopes)

    def client(self, key: Project | str | None, api=0, timeout=15.0) -> Client:
        text = key.key if isinstance(key, Project) else key
        return Client(self.apis[api].port, self.context, text, timeout=timeout)

    def sql(self, statement: str, parameters=()):
        """Rows of a query; the tests read table `link` only, and the catalogue."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def links(self) -> set[tuple[str, str, str, int, bytes]]:
        """Table `link`: (project, conversation, trace in hex, kind, value)."""
        rows = self.sql("SELECT project_id::text, conversation_id::text, encode(trace_id, 'hex'),"
                        " kind, value FROM link")
        return {(project, conversation, trace, kind, bytes(value))
                for project, conversation, trace, kind, value in rows}

    def logs(self, lines=40) -> str:
        return "\n".join(f"--- {d.name}\n{d.log_tail(lines)}" for d in self.daemons())

    def sanitizer_reports(self) -> str:
        """What a sanitizer or an assertion wrote into a log; empty when all is well."""
        marks = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                 "WARNING: ThreadSanitizer", "invariant", "INVARIANT", "Invalid read of", "Invalid write of",
                 "uninitialised", "definitely lost")
        found = []
        for daemon in self.daemons():
            text = daemon.log()
            if any(mark in text for mark in marks):
                found.append(f"--- {daemon.name}\n{text[-4000:]}")
        return "\n".join(found)

    def close(self):
        """Ends the daemons; what a sanitizer said, leaks at the end included, fails the test."""
        for daemon in reversed(self.daemons()):
            daemon.close()
        if self.postgres.process.is_running():
            self.postgres.drop_database(self.database)
        reports = self.sanitizer_reports()
        assert not reports, reports


def error_of(body: bytes) -> tuple[str, str]:
    """(code, message) of a REST error body."""
    value = json.loads(body)
    assert isinstance(value.get("code"), str) and value["code"], body
    assert isinstance(value.get("message"), str) and value["message"], body
    return value["code"], value["message"]
