"""The exact index: every search looks at every point, in memory.

The obvious `VectorIndex`: fallback where Qdrant is missing, oracle of the tests, and fast enough for a
hundred thousand passages (bench/scan.py). A scan of int8 codes (native/cortex) picks candidates, their
float16 vectors decide. It keeps nothing on disk: `synchronise` fills it from the embedding cache.
Knows nothing of texts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from nexus.core.errors import StorageError
from nexus.cortex.indexer import Entry, Hit, Matrix, Scope, Sparse, WordField
from nexus.cortex.ledger import KINDS, ObjectKind
from nexus.cortex.table import Table


class ExactIndex:
    """All points in memory, a table for each kind. Threads take turns."""

    name = "exact"

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._lock = threading.Lock()
        self._tables: dict[ObjectKind, Table] = {kind: Table(dimensions) for kind in KINDS}

    def upsert(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.vector is not None:
                self._check(entry.vector, f"the vector of {entry.point}")
        # The last of several entries for one point counts, as if they had come one by one.
        last = {entry.point: entry for entry in entries}
        with self._lock:
            for kind, table in self._tables.items():
                own = [entry for entry in last.values() if entry.kind == kind]
                table.remove([e.point for e in last.values() if e.kind != kind and e.point in table])
                table.put(own)

    def delete(self, points: Sequence[str]) -> None:
        with self._lock:
            for table in self._tables.values():
                table.remove(points)

    def nearest(self, vector: Matrix, limit: int, scope: Scope) -> list[Hit]:
        self._check(vector, "the question's vector")
        length = np.linalg.norm(vector)
        unit = (vector / length).astype(np.float32) if length > 0 else vector
        with self._lock:
            return self._tables[scope.kind].nearest(unit, limit, scope)

    def matching(self, words: Sparse, field: WordField, limit: int, scope: Scope) -> list[Hit]:
        with self._lock:
            return self._tables[scope.kind].matching(words, field, limit, scope)

    def points(self) -> dict[str, bool]:
        with self._lock:
            return {p: e for table in self._tables.values() for p, e in table.embedded().items()}

    def count(self) -> int:
        with self._lock:
            return sum(map(len, self._tables.values()))

    def require_room(self) -> None:
        """Nothing: no file is mapped."""

    def pack(self, goes_on: Callable[[], bool]) -> bool:
        """Nothing: all of it is in memory."""
        return False

    def release(self) -> None:
        """Nothing: no file is mapped."""

    def close(self) -> None:
        pass

    def _check(self, vector: Matrix, what: str) -> None:
        if vector.shape != (self._dimensions,):
            raise StorageError(
                f"{what} has shape {vector.shape}, the index holds vectors of {self._dimensions} numbers",
                hint="nexus index rebuild",
            )
        if not np.isfinite(vector).all():
            raise StorageError(f"{what} is not finite", hint="nexus index rebuild")
