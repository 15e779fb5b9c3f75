"""The pages' site: a cluster that serves the built pages."""

import shutil

import pytest

from support import paths

BUILT = paths.ROOT / "build" / "pages"


@pytest.fixture(scope="module")
def cluster(servers):
    if not (BUILT / "index.html").exists():
        pytest.fail(f"{BUILT} holds no pages: ./calltrace test pages builds them")
    running = servers.cluster(api_rows={"pages_dir": BUILT})
    yield running
    running.close()


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium")
    assert found, "there is no chromium"
    return found
