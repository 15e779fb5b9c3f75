"""A running calltrace as a client's machine sees it: an address, a key and a certificate."""

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from support.clients import CLIENTS

SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


class Server:
    """One project of a cluster."""

    def __init__(self, cluster, directory: Path, project):
        self.cluster = cluster
        self.directory = directory
        self.project = project
        self.url = f"https://localhost:{cluster.apis[0].port}"
        self.client = cluster.client(project)
        # Some clients take one file for everything they trust: the system's roots and ours.
        self.roots = directory / "roots.pem"
        system = Path(SYSTEM_ROOTS)
        self.roots.write_bytes(
            (system.read_bytes() if system.exists() else b"") + cluster.authority.ca.read_bytes()
        )

    def client_env(self):
        """The environment that `source var/env` gives, and nothing of a proxy on the way."""
        ca, key = str(self.cluster.authority.ca), self.project.key
        mine = {
            "CALLTRACE_URL": self.url,
            "CALLTRACE_API_KEY": key,
            "CALLTRACE_CA": ca,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={quote(f'Bearer {key}', safe='')}",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": ca,
            "ROARK_BASE_URL": self.url,
            "ROARK_API_BEARER_TOKEN": key,
            "ROARK_API_KEY": key,
            "NODE_EXTRA_CA_CERTS": ca,
            "SSL_CERT_FILE": str(self.roots),
            # Python's requests prefers this, where the machine sets it, to what an exporter asks for.
            "REQUESTS_CA_BUNDLE": str(self.roots),
            "NO_PROXY": "localhost,127.0.0.1,::1",
            "no_proxy": "localhost,127.0.0.1,::1",
        }
        foreign = ("OTEL_", "ROARK_", "CALLTRACE_")
        return {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | mine

    def get(self, path):
        """A read that must succeed, as JSON."""
        answer = self.client.get(path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def new_project(self, name):
        return Server(self.cluster, self.directory, self.cluster.project(name))


@pytest.fixture(scope="session")
def clients_cluster(servers):
    running = servers.cluster()
    yield running
    reports = running.sanitizer_reports()
    running.close()
    assert not reports, reports


@pytest.fixture(scope="session")
def server(clients_cluster, tmp_path_factory):
    return Server(clients_cluster, tmp_path_factory.mktemp("clients"), clients_cluster.project("clients"))


@pytest.fixture(scope="session", autouse=True)
def installed():
    subprocess.run(["flock", CLIENTS, CLIENTS / "setup"], check=True, timeout=900)  # one of several workers
