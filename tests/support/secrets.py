"""What must never be in a log: every secret that the tests make, and whatever looks like one."""

import re
from pathlib import Path

SHORTEST = 12  # what is shorter would be found by chance
# A key's first twelve characters are its hint, which may be shown.
SHAPES = re.compile(r"ct_live_[\w-]{8,}|PRIVATE KEY|SCRAM-SHA-256\$|[Bb]earer [\w.-]{12,}|calltrace_session=\S{20,}")

_made: set[str] = set()


def note(*texts: str | bytes | None):
    """Remembers secrets; each line of a text is one."""
    for text in texts:
        lines = text.decode("latin-1") if isinstance(text, bytes) else text or ""
        _made.update(line for line in map(str.strip, lines.splitlines()) if len(line) >= SHORTEST)


def found_in(text: str) -> list[str]:
    """The secrets that a log holds, cut short: they are not to be spread further."""
    shapes = [match.group() for match in SHAPES.finditer(text)]
    return [f"{secret[:10]}..." for secret in [*shapes, *(secret for secret in _made if secret in text)]]


def leaks(directory: Path) -> str:
    """One line for each log below the directory that holds a secret; empty when all is well."""
    lines = []
    for log in sorted(directory.rglob("*.log")):
        found = found_in(log.read_text(errors="replace"))
        if found:
            lines.append(f"{log.relative_to(directory)} holds secrets: {', '.join(sorted(set(found)))}")
    return "\n".join(lines)
