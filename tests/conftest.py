"""Fixtures of the system tests."""

import pytest

from support import paths
from support.servers import Servers


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=None, help="seed of the simulation")
    parser.addoption("--events", type=int, default=None, help="events per simulated mode")


@pytest.fixture(scope="session")
def servers():
    """Private Postgres and Redis for the whole run."""
    for binary in (paths.api_binary(), paths.correlator_binary()):
        if not binary.exists():
            pytest.fail(f"{binary} is not built")
    running = Servers()
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture(scope="module")
def cluster(servers):
    """One api and one correlator for a module's tests."""
    running = servers.cluster()
    yield running
    running.close()


@pytest.fixture(scope="module")
def project(cluster):
    return cluster.project("demo")


@pytest.fixture
def client(cluster, project):
    made = cluster.client(project)
    yield made
    made.close()
