"""A small file system that can be filled: a tmpfs, which takes root."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path


class Volume:
    def __init__(self, directory: Path, mib: int):
        self.directory = directory
        self.mib = mib
        self.is_mounted = False

    def mount(self) -> str:
        """Empty, or why it cannot be done here."""
        self.directory.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "calltrace-test", self.directory],
                              capture_output=True, text=True, check=False)
        self.is_mounted = done.returncode == 0
        return "" if self.is_mounted else done.stderr.strip() or "mount failed"

    @contextmanager
    def filled(self):
        """Not a byte is free; what others free meanwhile they may have."""
        ballast = self.directory / "ballast"
        try:
            with open(ballast, "wb", buffering=0) as file:
                piece = bytes(1 << 16)
                try:
                    while True:
                        file.write(piece)
                except OSError:
                    pass
            yield
        finally:
            os.truncate(ballast, 0)
            ballast.unlink()

    def close(self):
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", self.directory], capture_output=True, check=False)
            self.is_mounted = False
