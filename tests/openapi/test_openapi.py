"""The OpenAPI description and the running api agree, as far as schemathesis can find."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support import otlp, paths
from support.servers import Servers

HERE = Path(__file__).resolve().parent
DOCUMENT = paths.ROOT / "api" / "openapi.yaml"
ROUTES = paths.ROOT / "api" / "http" / "routes.def"
# Routes that say that there is no such thing here.
REFUSING = {"rest_not_supported", "ingest_other_signal"}
# The web pages are no part of the API.
PAGES = {"pages_index", "pages_asset"}
# Bodies of OTLP and pieces of recordings are tested by tests/e2e; their schema here says little. The answer of
# /v1/live never ends, so that every request would wait for its time-out: tests/e2e/test_live.py has it.
NOT_FUZZED = ["exportTraces", "exportTracesOldPath", "getOpenapi", "putChunk", "listen"]

# The same requests each time, so that a change is to blame for what it breaks; other seeds are for whoever looks for more.
SEED = "20261125"


@pytest.fixture(scope="module")
def running():
    servers = Servers()
    try:
        yield servers.start().cluster()
    finally:
        servers.close()


def documented_routes() -> set[tuple[str, str]]:
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    methods = {"get", "post", "put", "patch", "delete"}
    return {(method.upper(), path) for path, item in document["paths"].items()
            for method in item if method in methods}


def table_routes() -> set[tuple[str, str]]:
    text = re.sub(r"/\*.*?\*/", "", ROUTES.read_text(encoding="utf-8"), flags=re.S)
    rows = re.findall(r'ROUTE\((\w+),\s*"([^"]+)",\s*(\w+)', text)
    return {(method, path) for method, path, function in rows if function not in REFUSING | PAGES}


def test_every_route_is_described_and_every_description_is_a_route():
    assert documented_routes() == table_routes()


def test_the_api_serves_its_description(running):
    response = running.client(None).get("/openapi.yaml")
    assert response.status == 200
    assert response.body == DOCUMENT.read_bytes()


def one_trace(client) -> tuple[str, str]:
    """A trace with a root, a child and an orphan, for the reads of one trace."""
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    spans = [otlp.span(trace, "agent_session", span_id=root),
             otlp.span(trace, "llm_node", {"gen_ai.request.model": "m"}, parent=root),
             otlp.span(trace, "tts_node", parent=otlp.new_span_id())]
    assert client.export(otlp.request(spans).SerializeToString()).status == 200
    return trace.hex(), root.hex()


def test_schemathesis_finds_nothing(running, tmp_path):
    project = running.project("openapi")
    trace, span = one_trace(running.client(project))
    excluded = [word for name in NOT_FUZZED for word in ("--exclude-operation-id", name)]
    done = subprocess.run(
        [str(Path(sys.executable).with_name("schemathesis")),
         "--config-file", str(HERE / "schemathesis.toml"), "run", str(DOCUMENT),
         "--url", f"https://127.0.0.1:{running.apis[0].port}",
         "--tls-verify", str(running.authority.ca), "--no-color", *excluded,
         "--seed", os.environ.get("CALLTRACE_OPENAPI_SEED", SEED),
         "--header", f"Authorization: Bearer {project.key}"],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(HERE),
             "CALLTRACE_TEST_TRACE": trace, "CALLTRACE_TEST_SPAN": span})
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-4000:]
    assert not running.sanitizer_reports()
