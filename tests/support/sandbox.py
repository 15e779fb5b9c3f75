"""Runs a program under a unit's SystemCallFilter, but with death in place of an error: python3 sandbox.py UNIT PROGRAM...

systemd itself needs to be the machine's first process; the filter does not."""

import ctypes
import os
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL = 0x7FFF0000, 0x80000000
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARCHITECTURE_AT = 0, 4


def members(name: str) -> set[str]:
    """The system calls of a set of systemd's, or the one of that name."""
    if not name.startswith("@"):
        return {name}
    out = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True,
                         check=True).stdout
    found: set[str] = set()
    for line in out.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= members(word)
    return found


def allowed(unit: Path) -> set[str]:
    """What the SystemCallFilter rows leave, @default always among it."""
    calls = members("@default")
    for row in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M):
        named = set().union(*(members(word) for word in row.lstrip("~").split()))
        calls = calls - (named - members("@default")) if row.startswith("~") else calls | named
    return calls


def numbers() -> dict[str, int]:
    defined = subprocess.run(["cc", "-dM", "-E", "-"], input="#include <sys/syscall.h>", capture_output=True, text=True,
                             check=True).stdout
    return {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", defined, re.M)}


def program_of(unit: Path) -> bytes:
    known = numbers()
    rows = [(LOAD, 0, 0, ARCHITECTURE_AT), (IF_EQUAL, 1, 0, ARCHITECTURES[platform.machine()]), (RETURN, 0, 0, KILL),
            (LOAD, 0, 0, NUMBER_AT)]
    for name in sorted(allowed(unit)):
        if name in known:
            rows += [(IF_EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *row) for row in [*rows, (RETURN, 0, 0, KILL)])


def enter(code: bytes):
    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    whole = Filter(len(code) // 8, code)
    for call in ((38, 1, 0, 0, 0), (22, 2, ctypes.byref(whole), 0, 0)):  # no new privileges, then the filter
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def main():
    enter(program_of(Path(sys.argv[1])))
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
