"""Fixtures of the system tests."""

import os

import pytest

from support import clients, paths
from support.servers import Servers


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, default=None, help="seed of the simulation")
    parser.addoption("--events", type=int, default=None, help="events per simulated mode")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """With CALLTRACE_NO_SKIP=1 nothing skips itself but a client whose row of must_run.txt allows it."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CALLTRACE_NO_SKIP") == "1":
        file, line, reason = report.longrepr
        if file != clients.__file__:
            report.outcome = "failed"
            report.longrepr = f"{file}:{line}: nothing may be skipped, but: {reason}"
    return report


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


@pytest.fixture(autouse=True)
def servers_are_left_as_they_were(request):
    """A test that fails while a server is away takes no others along."""
    yield
    if "servers" in request.fixturenames:
        running = request.getfixturevalue("servers")
        for server in (running.postgres, running.redis):
            server.process.resume()
            if not server.process.is_running():
                server.start()


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
