"""A swap file that `nexus tune` makes and takes away again.

Knows nothing of the other switches. Invariants: it is readable by root only, since it holds the memory of
everybody; no more than a quarter of the free disk is taken unless asked for; it is not removed while in use.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nexus.agentmem.machine import Machine
from nexus.core.errors import InvalidInputError, NexusError, StorageError

# Where a file has fixed places on the disk, which swapping needs.
_ALLOWED = ("ext2", "ext3", "ext4", "xfs")
_LARGEST = 32 * 2**30
_SMALLEST = 64 * 2**20
_LEFT_FREE = 2**30
_REMEDY = "name another folder with --swap-folder"


def default_bytes(machine: Machine, folder: Path) -> int:
    """As much as there is RAM, but no more than a quarter of the free disk, in whole MiB."""
    memory = machine.meminfo().get("MemTotal", 0)
    return min(memory, _LARGEST, shutil.disk_usage(_existing(folder)).free // 4) >> 20 << 20


def refuse_unfit(machine: Machine, folder: Path, size: int) -> None:
    """Raise `InvalidInputError` where no swap file of `size` bytes can lie in `folder`."""
    kind = machine.file_system(_existing(folder))
    if kind not in _ALLOWED:
        raise InvalidInputError(
            f"{folder} is on {kind or 'an unknown file system'}: no swap file", hint=_REMEDY
        )
    free = shutil.disk_usage(_existing(folder)).free
    if not _SMALLEST <= size <= free - _LEFT_FREE:
        raise InvalidInputError(
            f"no swap file of {size >> 20} MiB: {folder} has {free >> 20} MiB free, of which 1024 stay so",
            hint=f"--swap-size MIB, at least {_SMALLEST >> 20}; or {_REMEDY}",
        )


def make(machine: Machine, path: Path, size: int) -> None:
    """Make the file and swap to it. Raises `StorageError`, `NexusError`; nothing is left of it then."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
        machine.run(["mkswap", str(path)])
        machine.run(["swapon", str(path)])
    except FileExistsError as error:
        raise NexusError(f"{path} is there already", hint="remove it, or: nexus tune --revert") from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError.from_os(error, path) from error
    except NexusError:
        path.unlink(missing_ok=True)
        raise


def remove(machine: Machine, path: Path) -> None:
    """Swap to it no more, and delete it. Raises `NexusError` where RAM cannot take what is in it."""
    entry = next(
        (line.split() for line in machine.read_lines("/proc/swaps") if line.startswith(f"{path} ")), None
    )
    if entry:
        used, found = int(entry[3]) * 1024, machine.meminfo()
        elsewhere = found.get("SwapFree", 0) - (int(entry[2]) * 1024 - used)
        if used > found.get("MemAvailable", 0) + max(0, elsewhere):
            raise NexusError(
                f"{path} holds {used >> 20} MB, more than RAM has free",
                hint="end some paused agents first (nexus agents kill)",
            )
        machine.run(["swapoff", str(path)])
    path.unlink(missing_ok=True)


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder.resolve()
