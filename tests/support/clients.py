"""Programs of others that are brought by tests/clients/setup: what must run, and running it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
BUILT = CLIENTS.parents[1] / "build" / "clients"

# Exporters that lose spans say so on standard error and still end with success.
TROUBLE = re.compile(r"(?i)fail|error|retry")


def must_run():
    """The committed list: client -> the refusal's words, or None."""
    rows = {}
    for line in (CLIENTS / "must_run.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, refusal = line.partition(":")
            assert name.strip() not in rows, f"must_run.txt names {name.strip()} twice"
            rows[name.strip()] = refusal.strip() or None
    return rows


def refusal_of(step):
    """Why setup could not do this step, or None."""
    path = BUILT / f"{step}.refused"
    return path.read_text() if path.exists() else None


def need(client, step):
    """Skips a client that could not be installed; with CALLTRACE_NO_SKIP=1 only as its row allows."""
    refusal = refusal_of(step)
    if refusal is None:
        return
    allowed = must_run()[client]
    if os.environ.get("CALLTRACE_NO_SKIP") == "1" and not (allowed and allowed in refusal):
        pytest.fail(f"{client} must run, but: {refusal}")
    pytest.skip(refusal)


def run(command, env, timeout=60):
    """Runs one program; its standard output is a list of JSON objects."""
    words = [str(word) for word in command]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{words} failed:\n{done.stdout}\n{done.stderr}"
    assert not TROUBLE.search(done.stderr), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def spans_of(document):
    """Every span of an OTLP JSON document."""
    return [
        span
        for resource in document["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
