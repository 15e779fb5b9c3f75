"""VAPI's messages in the types of its own SDK: first, that the types hold and the stand-in speaks them."""

import json
import os
import re
import shutil
import subprocess
import uuid

import pytest

from support import clients
from support.clients import BUILT
from support.fake_vapi import VAPI_KEY, Vapi, read_iso

NODE = BUILT / "bin/node"
HOME = BUILT / "vapi"
TSC = HOME / "node_modules/typescript/bin/tsc"
START_MS = 1_769_846_400_000  # 2026-01-31T08:00:00Z


@pytest.fixture(scope="module", autouse=True)
def sdk():
    clients.need("vapi", "vapi")


@pytest.fixture
def vapi(servers):
    running = Vapi(servers.authority)
    yield running
    running.close()


@pytest.fixture
def vapi_env(servers, vapi):
    return {"VAPI_URL": vapi.url, "VAPI_API_KEY": VAPI_KEY,
            "NODE_EXTRA_CA_CERTS": str(servers.authority.ca)}


def node(program, *arguments, env=None):
    return clients.run([NODE, HOME / program, *arguments], {**os.environ, **(env or {})})


def story(call_id=None, start_ms=START_MS):
    (told,) = node("print.ts", call_id or str(uuid.uuid4()), start_ms)
    return told


# --- types --------------------------------------------------------------------------------------


def compile_in(folder):
    return subprocess.run([NODE, TSC, "--noEmit", "--strict", "-p", folder], capture_output=True,
                          text=True, timeout=120, check=False)


def test_the_fixtures_have_the_types_of_the_sdk():
    done = compile_in(HOME)
    assert done.returncode == 0, done.stdout


WRONG = {
    "time: start + 7600,": "time: String(start + 7600),",
    "type: 'end-of-call-report',": "type: 'end-of-call',",
    "turnLatency: 2300": "turnLatncy: 2300",
    "event(4590, 'pipeline.turnStarted'": "event(4590, 'pipeline.turnBegun'",
    "status: 'ended',": "status: 'over',",
    "toolCallId: TOOL_CALL_ID,\n    name": "toolId: TOOL_CALL_ID,\n    name",
}


def test_the_compiler_would_tell_of_another_shape(tmp_path):
    """Guards the test above: types that are not looked at would hold anything."""
    for name in ("tsconfig.json", "package.json"):
        shutil.copy(HOME / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(HOME / "node_modules")
    text = (HOME / "story.ts").read_text()
    lines = set()
    for right, wrong in WRONG.items():
        assert text.count(right) == 1, right
        lines.add(text[:text.index(right)].count("\n") + 1)
        text = text.replace(right, wrong)
    (tmp_path / "story.ts").write_text(text)
    told = {int(line) for line in re.findall(r"story\.ts\((\d+),", compile_in(tmp_path).stdout)}
    assert told == lines


# --- the stand-in for VAPI -----------------------------------------------------------------------


def test_the_stand_in_answers_the_sdk_s_own_client(vapi, vapi_env):
    """Path, query, key and shape of GET /call are those that VAPI's client uses."""
    inside = [vapi.add(story(start_ms=START_MS + i * 1000)["call"]) for i in range(3)]
    vapi.add(story(start_ms=START_MS + 86_400_000)["call"])
    listed = node("list.ts", "2026-01-31T00:00:00.000Z", "2026-02-01T00:00:00.000Z", env=vapi_env)
    assert listed == sorted(inside, key=lambda call: read_iso(call["createdAt"]), reverse=True)
    [request] = vapi.requests
    assert (request.method, request.path) == ("GET", "/call")
    assert request.query == {"limit": ["1000"], "createdAtGe": ["2026-01-31T00:00:00.000Z"],
                             "createdAtLt": ["2026-02-01T00:00:00.000Z"]}
    assert request.headers["Authorization"] == f"Bearer {VAPI_KEY}"


def test_the_stand_in_refuses_a_wrong_key_as_the_sdk_expects(vapi, vapi_env):
    done = subprocess.run(
        [str(NODE), str(HOME / "list.ts"), "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"],
        env={**os.environ, **vapi_env, "VAPI_API_KEY": "wrong"}, capture_output=True, text=True,
        timeout=60, check=False)
    assert done.returncode != 0
    assert "401" in done.stderr and len(vapi.requests) == 1


def test_the_story_can_be_told_twice():
    call_id = str(uuid.uuid4())
    assert json.dumps(story(call_id)) == json.dumps(story(call_id))
