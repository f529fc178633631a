"""The vector index: which stored vectors are nearest to a question.

`VectorIndex` is the boundary; `ExactIndex` is the slow, obvious implementation (every vector, in
memory), the fallback and the oracle of the tests; `nexus.cortex.qdrant` is the default. An index is a
cache: `synchronise` makes it hold exactly the ledger's points, whatever happened to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.cortex.ledger import ObjectKind

Matrix = NDArray[np.float32]


class Hit(NamedTuple):
    """A point and its cosine similarity to the question."""

    point: str
    score: float


class VectorIndex(Protocol):
    """Points with a unit vector and a kind. Methods raise `StorageError` only."""

    name: str

    def upsert(self, points: Sequence[str], kinds: Sequence[ObjectKind], vectors: Matrix) -> None:
        """Add or replace; `vectors` has shape (n, d), float32, L2-normalised."""

    def delete(self, points: Sequence[str]) -> None:
        """Remove; unknown points are no error."""

    def search(self, vector: Matrix, limit: int, kinds: Sequence[ObjectKind]) -> list[Hit]:
        """The `limit` nearest points of these kinds, best first; `vector` has shape (d,)."""

    def points(self) -> set[str]:
        """Every point held."""

    def close(self) -> None:
        """Write what is pending and let go of the files."""


class ExactIndex:
    """All vectors in one matrix; a search looks at each."""

    name = "exact"

    def __init__(self, dimensions: int) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, int] = {}
        self._points: list[str] = []
        self._kinds: list[ObjectKind] = []
        self._matrix: Matrix = np.zeros((64, dimensions), np.float32)

    def upsert(self, points: Sequence[str], kinds: Sequence[ObjectKind], vectors: Matrix) -> None:
        with self._lock:
            for point, kind, vector in zip(points, kinds, vectors, strict=True):
                row = self._rows.setdefault(point, len(self._points))
                if row == len(self._points):
                    self._points.append(point)
                    self._kinds.append(kind)
                    if row == len(self._matrix):
                        self._matrix = np.concatenate([self._matrix, np.zeros_like(self._matrix)])
                self._kinds[row] = kind
                self._matrix[row] = vector

    def delete(self, points: Sequence[str]) -> None:
        with self._lock:
            for point in points:
                row = self._rows.pop(point, None)
                if row is None:
                    continue
                # The last row takes the free place, so the matrix stays dense.
                last_point, last_kind = self._points.pop(), self._kinds.pop()
                if row < len(self._points):
                    self._matrix[row] = self._matrix[len(self._points)]
                    self._points[row], self._kinds[row] = last_point, last_kind
                    self._rows[last_point] = row

    def search(self, vector: Matrix, limit: int, kinds: Sequence[ObjectKind]) -> list[Hit]:
        with self._lock:
            scores = self._matrix[: len(self._points)] @ vector
            rows = [r for r in np.argsort(-scores, kind="stable") if self._kinds[r] in kinds]
            return [Hit(self._points[r], float(scores[r])) for r in rows[:limit]]

    def points(self) -> set[str]:
        with self._lock:
            return set(self._points)

    def close(self) -> None:
        pass


def synchronise(
    index: VectorIndex,
    wanted: Mapping[str, ObjectKind],
    vectors_of: Callable[[Sequence[str]], Matrix],
    *,
    step: int = 512,
) -> tuple[int, int]:
    """Make `index` hold exactly `wanted`. Returns how many points were added and removed.

    Points are derived from content, so a point that is there has the right vector.
    """
    held = index.points()
    stale = [p for p in held if p not in wanted]
    missing = [p for p in wanted if p not in held]
    if stale:
        index.delete(stale)
    for start in range(0, len(missing), step):
        part = missing[start : start + step]
        index.upsert(part, [wanted[p] for p in part], vectors_of(part))
    return len(missing), len(stale)
