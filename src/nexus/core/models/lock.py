"""One process at a time for one model: `flock` on a file that is never deleted.

The kernel gives the lock back when its holder dies in whatever way, so a crash leaves nothing
behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus.core.errors import StorageError

_POLL_SECONDS = 0.1


@contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock `path`. `on_wait` is called once where another process has it.

    Raises `StorageError` where the file cannot be made, and what `on_wait` raises.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never inherited: a child of the holder must not keep it.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    try:
        waited = False
        while not _try(descriptor, path):
            if not waited:
                on_wait()
                waited = True
            # Polled, so that Ctrl-C ends the wait at once.
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    return True
