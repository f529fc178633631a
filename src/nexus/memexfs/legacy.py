"""What the workers of one mount leave each other, in a memfd that the supervisor keeps.

Whether any of them ever answered, and which requests were under way when one died. A request that has killed
worker after worker is answered with an error by the next one, so that it does not end the mount for all. The
table of open files (`nexus.memexfs.passthrough`) lies behind it, from `SIZE` on.
"""

from __future__ import annotations

import mmap
import os
import threading
from struct import Struct
from typing import Final

SIZE: Final = 4096
MOST_TRIES: Final = 10
_COUNT: Final = Struct("<Q")
_ROW: Final = Struct("<QQ")  # the request's number, how many workers began it
_FIRST: Final = 64  # where the rows begin
_ROWS: Final = range(_FIRST, SIZE, _ROW.size)


class Legacy:
    """`fd` is an empty memfd, or the one of the workers before."""

    def __init__(self, fd: int) -> None:
        if os.fstat(fd).st_size < SIZE:
            os.ftruncate(fd, SIZE)
        self._page = mmap.mmap(fd, SIZE)
        self._lock = threading.Lock()

    def answered(self) -> None:
        """A worker has answered its first request."""
        with self._lock:
            _COUNT.pack_into(self._page, 0, _COUNT.unpack_from(self._page)[0] + 1)

    def begin(self, unique: int) -> int:
        """A request that was sent again is begun; how many workers have begun it. Beyond 252 at a
        time, one is counted anew."""
        with self._lock:
            empty = None
            for start in _ROWS:
                number, tries = _ROW.unpack_from(self._page, start)
                if number == unique:
                    _ROW.pack_into(self._page, start, unique, tries + 1)
                    return int(tries) + 1
                if number == 0 and empty is None:
                    empty = start
            _ROW.pack_into(self._page, _FIRST if empty is None else empty, unique, 1)
            return 1

    def end(self, unique: int) -> None:
        """It was answered."""
        with self._lock:
            for start in _ROWS:
                if _ROW.unpack_from(self._page, start)[0] == unique:
                    _ROW.pack_into(self._page, start, 0, 0)


def answers(fd: int) -> int:
    """How many workers came as far as to answer a request, from the outside."""
    head = os.pread(fd, _COUNT.size, 0)
    return int(_COUNT.unpack(head)[0]) if len(head) == _COUNT.size else 0
