"""When files are sealed: those that nobody touched for a while, slowly, on a thread of the worker.

Knows nothing of how (`nexus.memexfs.content`). Invariants: only files of our own tree, never of a source,
never ignored ones; one file at a time, with a rest after each as long as it took, so that it takes half a
core at most while it works; a round an hour.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from nexus.core.errors import NexusError
from nexus.memexfs.content import Content
from nexus.memexfs.ignored import ignored
from nexus.memexfs.objects import Sealed
from nexus.memexfs.walking import Found, opened, walk

IDLE_SECONDS = 600.0
LEAST = 16384  # bytes: below, a second inode costs what packing gives
LARGEST = 4 * 2**30
_ROUND = 3600.0
_DAY = 86400.0
_log = logging.getLogger(__name__)


class Sealer:
    """The thread. `now` is asked for the time of day in seconds; `collect` is called after a round, at most
    once a day, with an event that asks it to end."""

    def __init__(
        self,
        tree: Path,
        content: Content,
        *,
        idle_seconds: float = IDLE_SECONDS,
        now: Callable[[], float] = time.time,
        collect: Callable[[threading.Event], object] = lambda stop: None,
    ) -> None:
        self._collect, self._collected = collect, 0.0
        self._tree, self._content, self._idle, self._now = tree, content, idle_seconds, now
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.paused = False  # by whoever governs the machine
        self.files = self.bytes = 0  # sealed in this life

    def start(self) -> None:
        """Begin with a round after ten minutes."""
        self._thread = threading.Thread(target=self._run, name="memex-sealer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the file that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def round(self, *, rest: bool = True) -> int:
        """Go through the tree once. Returns how many files were sealed. Raises `OSError` where the tree
        itself cannot be read, `StorageError` where the disk is full."""
        sealed = 0
        with opened(self._tree) as top:
            for number, found in enumerate(walk(top, skip=ignored), 1):
                if self._stop.is_set():
                    break
                if rest and number % 1000 == 0:
                    self._stop.wait(0.05)
                if not self._idles(found):
                    continue
                while self.paused and not self._stop.wait(1.0):
                    pass
                begin = time.monotonic()
                one = self._seal(found)
                if one is not None:
                    sealed += 1
                    self.files += 1
                    self.bytes += one.size
                if rest:
                    self._stop.wait(time.monotonic() - begin)
        return sealed

    def _idles(self, found: Found) -> bool:
        status = found.status
        fits = found.is_file and LEAST <= status.st_size <= LARGEST
        if not fits or status.st_blocks * 512 < status.st_size // 2:  # a hole: sealed, or sparse
            return False
        touched = max(status.st_mtime, status.st_ctime, status.st_atime)
        return touched + self._idle < self._now() and not ignored(found.path)

    def _seal(self, found: Found) -> Sealed | None:
        # Reading it here is not using it. Only its owner may read like that, and only he could seal it.
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
        try:
            fd = os.open(found.name, flags, dir_fd=found.folder)
        except OSError:  # it went, or is read-only for us
            return None
        try:
            return self._content.seal(fd)
        finally:
            os.close(fd)

    def _run(self) -> None:
        wait = self._idle
        while not self._stop.wait(wait):
            wait = _ROUND
            try:
                self.round()
                if self._now() > self._collected + _DAY and not self._stop.is_set():
                    self._collected = self._now()
                    self._collect(self._stop)
            except (OSError, NexusError) as error:
                _log.warning("files are not sealed: %s", error)
