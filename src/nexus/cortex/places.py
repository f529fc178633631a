"""Where every chunk stands, in memory: a search asks this of hundreds of chunks, of each a few numbers.

Twenty-odd bytes a chunk in arrays ordered by the hash of the point, read from the ledger at the first
search. What changes later is read again and kept beside them; when that has become much, all is read
again. Knows nothing of texts. Invariant: an answer is what the ledger said when the last change had
been committed that was told to `refresh`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nexus.cortex.database import Database

_MOST_CHANGED = 4096
_AT_ONCE = 500
# All that is asked for lies in one index, so the rows with their texts are not read.
_COLUMNS = (
    "c.point, c.object, c.ordinal, c.hits, iif(c.said = '', o.changed, c.said), o.valid_from, o.valid_to"
)


class Place(NamedTuple):
    """Where a chunk stands, and what is needed to rank it without reading it."""

    object: int
    ordinal: int
    hits: int
    changed: str
    valid_from: int
    valid_to: int


class Places:
    """Places by point."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._lock = threading.Lock()
        self._loaded = False
        self._changed: dict[str, Place | None] = {}

    def of(self, points: Sequence[str]) -> dict[str, Place]:
        """Where these stand; points unknown to the ledger are absent."""
        points = list(dict.fromkeys(points))
        with self._lock:
            if not self._loaded:
                self._load()
            found = self._known(points)
            for point in self._changed.keys() & set(points):
                place = self._changed[point]
                if place:
                    found[point] = place
                else:
                    found.pop(point, None)
        return found

    def at(self, places: Iterable[tuple[int, int]]) -> dict[str, Place]:
        """The points at these places (object, ordinal); places that do not exist are absent."""
        wanted = sorted(set(places))
        found: dict[str, Place] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ",".join(["(?, ?)"] * len(part))
            # A join in this order searches the index; `(object, ordinal) IN (...)` reads the table.
            sql = (
                f"WITH wanted (o, n) AS (VALUES {marks}) SELECT {_COLUMNS} FROM wanted"
                " CROSS JOIN chunks c ON c.object = o AND c.ordinal = n JOIN objects o ON o.id = c.object"
            )
            values = [number for place in part for number in place]
            found.update((row[0], Place._make(row[1:])) for row in self._db.rows(sql, values))
        return found

    def refresh(self, points: Sequence[str]) -> None:
        """What the ledger says of these has changed, and is committed."""
        with self._lock:
            if not self._loaded:
                return
            if len(self._changed) + len(points) > _MOST_CHANGED:
                self._loaded = False
                return
            self._changed.update(dict.fromkeys(points))
            for start in range(0, len(points), _AT_ONCE):
                part = points[start : start + _AT_ONCE]
                marks = ",".join("?" * len(part))
                sql = f"SELECT {_COLUMNS} FROM chunks c JOIN objects o ON o.id = c.object"
                rows = self._db.rows(f"{sql} WHERE c.point IN ({marks})", part)
                self._changed.update((row[0], Place._make(row[1:])) for row in rows)

    def _known(self, points: Sequence[str]) -> dict[str, Place]:
        """As it was when all was read."""
        # Of 64 bits: that a point unknown here has the hash of a known one does not happen.
        asked = np.fromiter(map(hash, points), np.int64, len(points))
        rows = np.searchsorted(self._hashes, asked)
        there = rows < len(self._hashes)
        there[there] = self._hashes[rows[there]] == asked[there]
        objects, said = self._objects, self._said
        numbers = self._table[rows[there]].tolist()
        return {
            points[i]: Place(number, ordinal, hits, said[time] or objects[number][0], *objects[number][1:])
            for i, (number, ordinal, hits, time) in zip(np.flatnonzero(there).tolist(), numbers, strict=True)
        }

    def _load(self) -> None:
        rows = self._db.rows("SELECT point, object, ordinal, hits, said FROM chunks")
        times: dict[str, int] = {"": 0}
        hashes = np.fromiter((hash(row[0]) for row in rows), np.int64, len(rows))
        table = np.array(
            [(row[1], row[2], row[3], times.setdefault(row[4], len(times))) for row in rows], np.int64
        ).reshape(-1, 4)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._table = hashes[order], table[order].astype(np.int32)
        self._said = list(times)
        objects = self._db.rows("SELECT id, changed, valid_from, valid_to FROM objects")
        self._objects: dict[int, tuple[str, int, int]] = {row[0]: row[1:] for row in objects}
        self._changed = {}
        self._loaded = True
