"""Mounts that a test makes, and their end: nothing stays mounted, whatever the test did."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nexus.memexfs import fuse
from nexus.memexfs.mount import mount
from nexus.memexfs.mount_table import mounted_at
from nexus.memexfs.operations import FileSystem

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="mounts as root; run the tests as root (sudo make test)"
)
needs_fuse = pytest.mark.skipif(
    not Path("/dev/fuse").exists() or (os.geteuid() != 0 and shutil.which("fusermount3") is None),
    reason="needs /dev/fuse and, for ordinary users, fusermount3: sudo modprobe fuse; sudo apt install fuse3",
)


def names(folder: Path) -> list[str]:
    """What a folder lists, in order."""
    return sorted(entry.name for entry in folder.iterdir())


def take_away(point: Path) -> None:
    """End a mount of a test, however it is."""
    if mounted_at(point) is not None:
        command = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        subprocess.run([*command, point], check=True)


@contextmanager
def mounted(
    filesystem: FileSystem, point: Path, *, passthrough: bool = False, threads: int = 3
) -> Iterator[Path]:
    """`point` shows the file system, served by threads of this process.

    What needs the interpreter while it asks the mount would wait for itself: no mmap of its files in this
    process, and no child that starts in it.
    """
    point.mkdir(exist_ok=True)
    fd = mount(point)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            fuse.serve(fd, filesystem, threads=threads, passthrough=passthrough)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        names(point)  # answered once the file system has begun
        yield point
    finally:
        take_away(point)
        thread.join(30)
        os.close(fd)
    assert not thread.is_alive(), "the server goes on after the unmount"
    if failures:
        raise failures[0]
