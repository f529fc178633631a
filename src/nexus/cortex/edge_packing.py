"""Packing a shard of Qdrant Edge: its loose points go from memory into files that are mapped.

New points lie in a segment whose word index is held in memory, 1.5 kB a point; a packed one is read from
its files, at the same speed, and opens in half the time. The library packs while it holds the interpreter's
lock (45 us a point), so a copy of the shard is packed by a process of its own, and then changes places with
it. Invariant: the folder of the shard is a whole shard at every moment, or `restore` makes it one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nexus.core import platform
from nexus.core.errors import MissingPartError, StorageError
from nexus.core.room import require_room

_VERSION_BYTES = 8
_BLOCK = 1 << 20
_ZEROS = bytes(_BLOCK)
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 600


def loose(folder: Path) -> int:
    """How many points of the shard are not packed, as of the last flush.

    The library does not tell: it is the length of the list of versions of segments that still grow.
    """
    found = folder.glob("segments/*/mutable_id_tracker.versions")
    return sum(path.stat().st_size for path in found) // _VERSION_BYTES


def copied(folder: Path) -> Path:
    """A copy of a flushed shard beside it, holes left out; nothing may write to it meanwhile.

    Raises `StorageError` where the disk has no room for it.
    """
    copy = _copy_of(folder)
    try:
        shutil.rmtree(copy, ignore_errors=True)
        # Packing writes all of it once more.
        require_room(folder, 2 * sum(path.stat().st_blocks * 512 for path in folder.rglob("*")))
        shutil.copytree(folder, copy, copy_function=_copy_file)
    except OSError as error:  # `shutil.Error` is one
        shutil.rmtree(copy, ignore_errors=True)
        raise StorageError.from_os(error, copy) from error
    except StorageError:
        shutil.rmtree(copy, ignore_errors=True)
        raise
    return copy


def packed(copy: Path, goes_on: Callable[[], bool]) -> bool:
    """Pack the copy, in a process of its own that ends with this one. Whether all went well.

    `goes_on` is asked twenty times a second; once it says no, the process is ended.
    """
    # -P: without it a module of the current folder would be imported first.
    command = [sys.executable, "-P", "-m", __name__, str(copy), str(os.getpid())]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere) as child:
        for _ in range(int(_PATIENCE_SECONDS / _LOOK_SECONDS)):
            with suppress(subprocess.TimeoutExpired):
                return child.wait(_LOOK_SECONDS) == 0
            if not goes_on():
                break
        child.kill()
    return False


def exchange(folder: Path) -> None:
    """The shard, which is closed, and its copy change places. Raises `StorageError`."""
    copy, third = _copy_of(folder), _replaced_of(folder)
    try:
        folder.rename(third)
        copy.rename(folder)
        third.rename(copy)
    except OSError as error:
        restore(folder)
        raise StorageError.from_os(error, folder) from error


def restore(folder: Path) -> None:
    """Put a shard back that a killed process had taken from its place."""
    third = _replaced_of(folder)
    with suppress(OSError):
        if third.exists() and not folder.exists():
            third.rename(folder)


def sweep(folder: Path) -> None:
    """Remove what killed processes left of packing this shard, which the caller has open."""
    for left in (_copy_of(folder), _replaced_of(folder)):
        shutil.rmtree(left, ignore_errors=True)


def _copy_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.packing")


def _replaced_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.replaced")


def _copy_file(source: str, target: str) -> None:
    with open(source, "rb") as read, open(target, "wb") as write:
        while block := read.read(_BLOCK):
            if block == _ZEROS[: len(block)]:
                write.seek(len(block), os.SEEK_CUR)
            else:
                write.write(block)
        write.truncate()


def _pack(folder: Path) -> bool:
    import qdrant_edge as qdrant

    everything = qdrant.CountRequest(exact=True)
    shard = qdrant.EdgeShard.load(str(folder))
    before = shard.count(everything)
    shard.optimize()
    shard.flush()
    after = shard.count(everything)
    shard.close()
    return bool(before == after)


if __name__ == "__main__":
    with suppress(MissingPartError):
        platform.die_with_parent(int(sys.argv[2]))
    os.nice(10)
    sys.exit(0 if _pack(Path(sys.argv[1])) else 1)
