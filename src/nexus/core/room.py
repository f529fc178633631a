"""Room on a disk that is kept free, because what writes through mapped memory cannot be told that it is full.

A page of a mapped file that finds no block on the disk ends the whole process (SIGBUS); no error is returned
to anybody. Knows no such file. Invariant: who asks here first gets a `StorageError` long before that.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from nexus.core.errors import StorageError

KEPT_BYTES = 32 << 20
"""More than one write of ours, of any kind, and what others write meanwhile."""


def require_room(folder: Path, more: int = 0) -> None:
    """Raise `StorageError` where the disk of `folder`, which is there, has less than is kept free.

    `more` bytes are kept free for what is about to be written.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    if free < KEPT_BYTES + more:
        needed = KEPT_BYTES + more >> 20
        raise StorageError(
            f"no space left on the disk of {folder}: {free >> 20} MiB, and {needed} are kept free",
            hint="free some space and try again",
        )
