"""With CALLTRACE_NO_SKIP=1, as in CI, a test that skips itself is a failure."""

import os
import re
import subprocess
import sys

import pytest

from support import paths

SKIPS = """
import pytest

def test_skips_itself():
    pytest.skip("not today")

@pytest.mark.skip(reason="not here")
def test_is_marked():
    pass

@pytest.fixture
def missing():
    pytest.skip("nothing there")

def test_wants_it(missing):
    pass

def test_runs():
    pass
"""


@pytest.mark.parametrize("no_skip, outcome", [
    ("1", {"failed": 1, "errors": 2, "passed": 1}), ("", {"skipped": 3, "passed": 1})])
def test_a_skip_is_a_failure_when_nothing_may_be_skipped(tmp_path, no_skip, outcome):
    (tmp_path / "conftest.py").write_text((paths.ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_some.py").write_text(SKIPS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "CALLTRACE_NO_SKIP": no_skip, "PYTHONPATH": str(paths.ROOT / "tests")})
    counts = re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1].split(" in ")[0])
    assert {word: int(number) for number, word in counts} == outcome, done.stdout
    assert (done.returncode == 0) is (no_skip == "")
