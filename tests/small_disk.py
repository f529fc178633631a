"""A small file system of one's own, to be filled to the last byte. Takes root and Linux; knows no service."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Disk:
    """A file system of its own that can be filled to the last byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with open(self._ballast, "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\1" * size):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Give it back."""
        self._ballast.unlink()


class NoDiskError(Exception):
    """None can be mounted here, and why."""


@contextmanager
def mounted_disk(folder: Path, mib: int = 400) -> Iterator[Disk]:
    """A tmpfs of so many MiB at `folder`, until the context ends. Raises `NoDiskError`."""
    folder.mkdir()
    if os.getuid() != 0:
        raise NoDiskError("only root can mount a small file system to fill")
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise NoDiskError(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
