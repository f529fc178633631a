"""How well files fitted what was asked last, for the extended attribute `user.memex.score`.

A file is one thing wherever it is listed, so it has one score: that of the last answer it was in, and says
which. Invariant: bounded; the files that were listed longest ago are forgotten first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from nexus.memexfs.finding import Found

_KEPT = 5000  # files


class Scores:
    """Scores by path. Safe from any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, found: Found, asked: str) -> None:
        """Note what a file scored in a search, for who looks at its attributes."""
        with self._lock:
            self._kept[found.path] = f"{found.score:.4f} {asked}"
            self._kept.move_to_end(found.path)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def of(self, path: bytes) -> str:
        """`0.8312 what was asked`; "" where it was in no answer that is remembered."""
        with self._lock:
            return self._kept.get(path, "")
