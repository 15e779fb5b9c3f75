"""The SQL of schema/stmt.def as the daemons prepare it, for tests that look at its plans."""

import re
import subprocess

from . import paths


def statements() -> dict[str, str]:
    """Name -> SQL, the preprocessor's work done."""
    source = '#define STMT(name, count, sql) @@name@@ sql\n#include "schema/stmt.def"\n'
    done = subprocess.run(["gcc", "-E", "-P", "-x", "c", "-I", str(paths.ROOT), "-"], input=source,
                          capture_output=True, text=True, check=True)
    parts = re.split(r"@@\s*(\w+)\s*@@", done.stdout)[1:]
    return {name: "".join(_literals(text)) for name, text in zip(parts[::2], parts[1::2])}


def _literals(text: str):
    for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', text):
        yield literal.encode().decode("unicode_escape")
