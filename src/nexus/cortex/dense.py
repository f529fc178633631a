"""The vectors of one kind, scanned by our own kernel: half the time that Qdrant needs for the same.

A copy of what the shard holds, made to be looked at as a whole. Most rows lie in a mapped file
(`nexus.cortex.vector_file`), what came since in memory; when that has grown it goes into a new file.
Knows no filters. Nothing is lost with it: `align` compares it with what the shard holds. Invariant:
a search returns the true cosines of the float16 vectors, best first.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nexus.cortex import vector_file
from nexus.cortex.indexer import Hit, Matrix
from nexus.cortex.scan import Codes
from nexus.cortex.vector_file import POINT, Block

Rows = NDArray[np.intp]
# Rows kept in memory before they go into a file, and from which size on half of the file may be.
_MOST_RECENT = 1024
_FIRST = 64
_FETCHED = 1000
# Looked at again beyond what is asked for; and what no product of codes was off by in 30,000 measured on
# real texts (.0004 usually). The hundredth and the hundred and fiftieth best are .007 apart, or more.
_MORE, _OFF = 32, 0.003
_log = logging.getLogger(__name__)


class Dense:
    """Vectors by point. Threads may search and change at once."""

    def __init__(self, path: Path, dimensions: int) -> None:
        """Of the file `path`, where there is a sound one."""
        self._path, self._dimensions = path, dimensions
        self._lock = threading.Lock()
        self._base = vector_file.load(path, dimensions) or _empty(dimensions, 0)
        self._alive = np.ones(len(self._base), np.bool_)
        self._start_recent()

    def __len__(self) -> int:
        with self._lock:
            return int(self._alive.sum()) + len(self._rows)

    def release(self) -> None:
        """Give mapped memory back until it is read again."""
        with self._lock:
            self._base.release()

    def put(self, points: Sequence[str], vectors: Matrix) -> None:
        """Add or replace; `vectors` (n, dimensions) float32, unit length."""
        with self._lock:
            self._remove(points)
            last = {_key(point): number for number, point in enumerate(points)}
            first, count = self._used, len(last)
            self._reserve(first + count)
            rows = np.arange(first, first + count)
            chosen = vectors[list(last.values())]
            self._recent.points[rows] = list(last)
            self._recent.codes.put(rows, chosen)
            self._recent.vectors[rows] = chosen
            self._recent_alive[rows] = True
            self._rows.update(zip(last, rows.tolist(), strict=True))
            self._used += count
            self._move_if(self._most_recent)

    def remove(self, points: Sequence[str]) -> None:
        """Forget these; unknown ones are no error."""
        with self._lock:
            self._remove(points)

    def align(self, wanted: Iterable[str], vectors_of: Callable[[list[str]], Matrix]) -> None:
        """Hold exactly `wanted`; `vectors_of` gives those that are missing, in their order."""
        keys = {_key(point) for point in wanted}
        with self._lock:
            held = set(self._base.points[self._alive].tolist())
            held = {key.ljust(POINT.itemsize, b"\0") for key in held} | self._rows.keys()
        self.remove([_point(key) for key in held - keys])
        missing = [_point(key) for key in sorted(keys - held)]
        for start in range(0, len(missing), _FETCHED):
            part = missing[start : start + _FETCHED]
            self.put(part, vectors_of(part))
        with self._lock:
            # What a start had to fetch is not fetched again by the next.
            self._move_if(_MOST_RECENT)

    def nearest(self, vector: Matrix, limit: int) -> list[Hit]:
        """The `limit` points of the greatest cosine, best first; `vector` (dimensions,) is any length."""
        if limit <= 0:
            return []
        unit = _unit(vector)
        # The codes are off by a little: some more are looked at again to find the true order, and more
        # of them where those are too near to each other to be sure.
        for wanted in (limit + limit // 4 + _MORE, 4 * limit + _MORE):
            with self._lock:
                found, least = self._rough(unit, wanted)
                hits = _best(unit, found, limit)
            if len(hits) < limit or least + _OFF < hits[-1].score:
                break
        return hits

    def _rough(self, unit: Matrix, wanted: int) -> tuple[list[tuple[Block, Rows]], float]:
        """The `wanted` best by their codes of each block; no other one's product is above the second."""
        found, least = [], -np.inf
        blocks = ((self._base, self._alive), (self._recent, self._recent_alive[: self._used]))
        for block, alive in blocks:
            if not len(alive):
                continue
            rows, products = block.codes.best(unit, wanted, alive)
            found.append((block, rows.astype(np.intp)))
            if len(rows) == wanted:
                least = max(least, float(products[-1]))
        return found, least

    def among(self, vector: Matrix, points: Sequence[str], limit: int) -> list[Hit]:
        """As `nearest`, of these points only."""
        keys = list(dict.fromkeys(map(_key, points)))
        with self._lock:
            old = self._in_base(keys)
            new = np.array([row for key in keys if (row := self._rows.get(key)) is not None], np.intp)
            return _best(_unit(vector), [(self._base, old), (self._recent, new)], limit)

    def _in_base(self, keys: Sequence[bytes]) -> Rows:
        """The rows of these in the file, where they are alive."""
        asked = np.frombuffer(b"".join(keys), POINT)
        rows = np.searchsorted(self._base.points, asked)
        there = rows < len(self._base)
        there[there] = self._base.points[rows[there]] == asked[there]
        found: Rows = rows[there]
        return found[self._alive[found]]

    def _remove(self, points: Sequence[str]) -> None:
        keys = [_key(point) for point in points]
        if len(self._base):
            self._alive[self._in_base(keys)] = False
        for key in keys:
            row = self._rows.pop(key, None)
            if row is not None:
                self._recent_alive[row] = False

    def _start_recent(self) -> None:
        self._rows: dict[bytes, int] = {}
        self._used = 0
        self._recent = _empty(self._dimensions, 0)
        self._recent_alive = np.zeros(0, np.bool_)
        self._most_recent = max(_MOST_RECENT, len(self._base) // 2)

    def _reserve(self, count: int) -> None:
        if count <= len(self._recent):
            return
        room = max(_FIRST, count, min(2 * len(self._recent), self._most_recent))
        old, new = self._recent, _empty(self._dimensions, room)
        new.points[: self._used] = old.points[: self._used]
        new.vectors[: self._used] = old.vectors[: self._used]
        old.codes.resize(room)
        self._recent = Block(new.points, old.codes, new.vectors)
        alive = np.zeros(room, np.bool_)
        alive[: self._used] = self._recent_alive[: self._used]
        self._recent_alive = alive

    def _move_if(self, most: int) -> None:
        """What is in memory into the file, when it is `most` or more."""
        if self._used < most:
            return
        old, new = np.flatnonzero(self._alive), np.flatnonzero(self._recent_alive[: self._used])
        try:
            vector_file.write(self._path, [(self._base, old), (self._recent, new)])
        except OSError as error:
            _log.warning("%s cannot be written (%s): its vectors stay in memory", self._path, error)
            self._most_recent *= 2
            return
        written = vector_file.load(self._path, self._dimensions)
        if written is None or len(written) != len(old) + len(new):
            _log.warning("%s is not what was written: its vectors stay in memory", self._path)
            self._most_recent *= 2
            return
        self._base, self._alive = written, np.ones(len(written), np.bool_)
        self._start_recent()


def _best(unit: Matrix, found: Sequence[tuple[Block, Rows]], limit: int) -> list[Hit]:
    """The best of these rows by their true cosines."""
    if not found:
        return []
    scores = np.concatenate([block.vectors[rows].astype(np.float32) @ unit for block, rows in found])
    points = np.concatenate([block.points[rows] for block, rows in found])
    order = np.lexsort((points, -scores))[: max(0, limit)]
    return [
        Hit(_point(key), score)
        for key, score in zip(points[order].tolist(), scores[order].tolist(), strict=True)
    ]


def _empty(dimensions: int, count: int) -> Block:
    codes = Codes(dimensions)
    codes.resize(count)
    return Block(np.zeros(count, POINT), codes, np.zeros((count, dimensions), np.float16))


def _unit(vector: Matrix) -> Matrix:
    length = np.linalg.norm(vector)
    unit: Matrix = (vector / length).astype(np.float32) if length > 0 else vector
    return unit


def _key(point: str) -> bytes:
    """The 16 bytes of a UUID."""
    return bytes.fromhex(point.replace("-", ""))


def _point(key: bytes) -> str:
    """The UUID of up to 16 bytes; NumPy leaves zeros at the end out."""
    text = key.hex().ljust(32, "0")
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
