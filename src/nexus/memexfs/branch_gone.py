"""What a branch has taken away from the files below it: paths, in a log beside the branch.

A path that is gone hides whatever lies at it and under it below; what the branch itself has there is shown
nevertheless. So nothing is ever put back, and the log only grows until the branch is merged or dropped.
Knows nothing of nodes. Invariant: a path is in the log before the caller goes on, and a line that a death cut
short is dropped when the log is read.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Base(NamedTuple):
    """How a file below looked when the branch departed from it: kind (as S_IFREG), size, time of change."""

    kind: int
    size: int
    mtime_ns: int


class Gone:
    """The log at `path`; made when the first path goes. Paths are bytes under files/. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._paths: dict[bytes, Base] = {}
        self._fd = -1
        self._read()

    def add(self, path: bytes, base: Base) -> None:
        """Hide it. Raises OSError."""
        with self._lock:
            if path in self._paths:
                return
            if self._fd < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
            # NUL cannot be in a path, so it ends a record whatever the name is.
            line = b"%d %d %d %s\0" % (*base, path)
            if os.write(self._fd, line) < len(line):
                raise OSError(28, os.strerror(28), os.fspath(self._path))
            self._paths[path] = base

    def hides(self, path: bytes) -> bool:
        """Whether the path or a folder above it is gone."""
        if not self._paths:
            return False
        with self._lock:
            while path not in self._paths:
                cut = path.rfind(b"/")
                if cut < 0:
                    return False
                path = path[:cut]
            return True

    def __iter__(self) -> Iterator[tuple[bytes, Base]]:
        with self._lock:
            return iter(sorted(self._paths.items()))

    def clear(self) -> None:
        """Nothing is gone any more."""
        with self._lock:
            self._paths.clear()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _read(self) -> None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        whole, _, rest = data.rpartition(b"\0")
        if rest:
            os.truncate(self._path, len(whole) + 1 if whole else 0)
        for line in whole.split(b"\0") if whole else ():
            fields = line.split(b" ", 3)
            if len(fields) == 4 and all(field.isdigit() for field in fields[:3]):
                self._paths[fields[3]] = Base(*map(int, fields[:3]))
