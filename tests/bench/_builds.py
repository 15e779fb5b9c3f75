"""Builds to compare: a folder with daemons, or a git revision that is checked out and built."""

import subprocess
from pathlib import Path

from support import paths

TREES = paths.ROOT / "build" / "bench" / "trees"
BUILD_SECONDS_MAX = 900


def _git(*words) -> str:
    done = subprocess.run(["git", "-C", paths.ROOT, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"git {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout.strip()


def revision(of="HEAD") -> str:
    """The commit; of HEAD with a mark when files differ from it."""
    name = _git("rev-parse", "--short=12", f"{of}^{{commit}}")
    return name + ("+" if of == "HEAD" and _git("status", "--porcelain", "--untracked-files=no") else "")


def _made(tree: Path, *words):
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS_MAX)
    if done.returncode != 0:
        raise SystemExit(f"{tree}: {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def build_of(name: str) -> Path:
    """The folder that holds the daemons of a build folder or a revision."""
    folder = Path(name).resolve()
    if paths.api_binary(folder).exists():
        return folder
    commit = revision(name)
    tree = TREES / commit
    if not tree.exists():
        _git("worktree", "add", "--force", "--detach", tree, commit)
    _made(tree, "cmake", "--preset", "release")
    _made(tree, "cmake", "--build", "--preset", "release", "--target", "calltrace-api", "calltrace-correlator")
    return tree / "build" / "release"
