"""Every scenario of scenarios/ in Chromium, each in a project of its own."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support import paths

HERE = Path(__file__).resolve().parent
SCENARIOS = sorted(path.stem for path in (HERE / "scenarios").glob("*.mjs"))
SECONDS_MAX = 180


def test_there_are_scenarios():
    assert len(SCENARIOS) >= 11


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario, cluster, chromium):
    project = cluster.project(scenario)
    options = {"base": f"https://localhost:{cluster.apis[0].port}", "key": project.key, "project": project.name,
               "chromium": chromium, "shots": str(paths.ROOT / "build" / "shots")}
    node = shutil.which("node")
    done = subprocess.run([node, HERE / "run.mjs", scenario], input=json.dumps(options), capture_output=True, text=True,
                          timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{cluster.logs(10)}"
