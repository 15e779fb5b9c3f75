"""Where the checkout and its build lie."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_dir() -> Path:
    """The build to test: $CALLTRACE_BUILD, or build/dev of this checkout."""
    return Path(os.environ.get("CALLTRACE_BUILD", ROOT / "build" / "dev")).resolve()


def api_binary(build: Path | None = None) -> Path:
    return (build or build_dir()) / "api" / "calltrace-api"


def correlator_binary(build: Path | None = None) -> Path:
    return (build or build_dir()) / "correlator" / "calltrace-correlator"
