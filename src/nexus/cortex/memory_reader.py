"""Memories as their files say, each file read again only when it has changed.

Invariants: what is given is what the file says at this moment, whoever wrote it; what is kept has a bound,
and `clear` lets go of it. Files that changed a moment ago are not kept: a change within the same tick of the
disk's clock could not be told.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from nexus.cortex.gate import refuse_file
from nexus.cortex.memory_file import Memory, parse

MOST = 4096  # memories kept, some 2 KB each
_SETTLED_NS = 2_000_000_000
_Mark = tuple[int, int, int, int]


class MemoryReader:
    """Methods may be called from several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[Path, tuple[_Mark, Memory]] = {}

    def read(self, path: Path) -> Memory:
        """Raises `InvalidInputError`, and `SecretError` where the file holds a credential."""
        mark = _mark(path)
        known = self._kept.get(path)
        if known and known[0] == mark:
            return known[1]
        memory = refuse_file(parse(path), path)
        with self._lock:
            self._kept.pop(path, None)
            # Who is kept stays: everything is read in the same order again and again, so that a cache
            # which makes room would hold what is asked for last.
            if mark and len(self._kept) < self._most:
                self._kept[path] = mark, memory
        return memory

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()


def _mark(path: Path) -> _Mark | None:
    """What changes with the file; None where that is not sure."""
    try:
        status = path.stat()
    except OSError:
        return None
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
