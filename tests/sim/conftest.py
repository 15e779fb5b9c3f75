"""Fixtures of the simulation."""

import os
import subprocess

import pytest

from support import paths


@pytest.fixture(scope="session")
def faulty_build():
    """A second build, in which $CALLTRACE_FAULT chooses the fault at start."""
    build = paths.ROOT / "build" / "faults"
    configure = ["cmake", "--preset", "faults"]
    make = ["cmake", "--build", str(build), "-j2", "--target", "calltrace-api",
            "calltrace-correlator"]
    for command in (configure, make):
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True,
                              check=False, timeout=600, env={**os.environ})
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return build
