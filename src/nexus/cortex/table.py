"""The points of one kind in memory: their vectors, words and what they are filtered by.

A point is a row. Replacing one whose words changed makes a new row; the old one is dead, and when a
quarter is dead the table is packed. Knows nothing of threads. Invariant: a search returns the true
cosines and products, best first, equal ones by point, whatever was added and removed before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nexus.cortex.indexer import Entry, Hit, Matrix, Scope, Sparse, WordField
from nexus.cortex.ledger import FOREVER
from nexus.cortex.postings import Postings
from nexus.cortex.scan import Codes

Rows = NDArray[np.intp]
_FIRST = 64
_COLUMNS = np.dtype(
    [
        ("project", "i4"), ("domain", "i4"), ("folders", "i4"),
        ("changed", "i8"), ("valid_from", "i8"), ("valid_to", "i8"),
        ("words", "u8"), ("alive", "?"), ("embedded", "?"),
    ],
    align=True,
)  # fmt: skip


class Table:
    """Rows of one kind. The caller sees to it that one thread at a time is inside."""

    def __init__(self, dimensions: int) -> None:
        self._rows: dict[str, int] = {}
        self._points: list[str] = []
        self._columns = np.zeros(_FIRST, _COLUMNS)
        self._projects = _Numbers()
        self._domains = _Numbers()
        self._folders = _Folders()
        self._postings: dict[WordField, Postings] = {"words": Postings(), "context": Postings()}
        # One byte a number to look at all, two to look at the best again.
        self._codes = Codes(dimensions)
        self._codes.resize(_FIRST)
        self._vectors = np.zeros((_FIRST, dimensions), np.float16)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, point: str) -> bool:
        return point in self._rows

    def embedded(self) -> dict[str, bool]:
        """Every point, and whether it has a vector."""
        embedded = self._columns["embedded"].tolist()
        return {point: embedded[row] for point, row in self._rows.items()}

    def put(self, entries: Sequence[Entry]) -> None:
        """Add or replace; vectors are finite, float32, unit length, of the table's dimensions."""
        rows = np.array([self._place(entry) for entry in entries], np.intp)
        with_vector = [i for i, entry in enumerate(entries) if entry.vector is not None]
        if with_vector:
            vectors = np.array([entries[i].vector for i in with_vector], np.float32)
            self._vectors[rows[with_vector]] = vectors
            self._codes.put(rows[with_vector], vectors)
        self._pack_if_worth_it()

    def remove(self, points: Sequence[str]) -> None:
        """Forget these; unknown ones are no error."""
        for point in points:
            self._forget(point)
        self._pack_if_worth_it()

    def nearest(self, vector: Matrix, limit: int, scope: Scope) -> list[Hit]:
        """As `VectorIndex.nearest`; `vector` has unit length."""
        if scope.points is not None:
            rows = self._among(scope.points)
            rows = rows[self._passing(scope, rows) & self._columns["embedded"][rows]]
        else:
            everywhere = slice(0, len(self._points))
            allowed = self._passing(scope, everywhere) & self._columns["embedded"][everywhere]
            # The codes are off by a little: enough of them are looked at again to find the true order.
            found, _ = self._codes.best(vector, max(40, 4 * limit), allowed)
            rows = found.astype(np.intp)
        return self._best(rows, self._vectors[rows].astype(np.float32) @ vector, limit)

    def matching(self, words: Sparse, field: WordField, limit: int, scope: Scope) -> list[Hit]:
        """As `VectorIndex.matching`."""
        products = self._postings[field].products(words, len(self._points)).astype(np.float32)
        if scope.points is not None:
            rows = self._among(scope.points)
            rows = rows[self._passing(scope, rows) & (products[rows] > 0)]
        else:
            rows = np.flatnonzero(self._passing(scope, slice(0, len(products))) & (products > 0))
        return self._best(rows, products[rows], limit)

    def _place(self, entry: Entry) -> int:
        """The row of this entry with all but its vector filled in."""
        words = _digest(entry.words, entry.context)
        row = self._rows.get(entry.point, -1)
        if row < 0 or self._columns["words"][row] != words:
            self._forget(entry.point)
            row = self._rows[entry.point] = len(self._points)
            self._points.append(entry.point)
            self._postings["words"].add(row, entry.words)
            self._postings["context"].add(row, entry.context)
            if row == len(self._columns):
                self._grow(2 * row)
        self._columns[row] = (
            self._projects.number(entry.project), self._domains.number(entry.domain),
            self._folders.number(entry.folders), entry.changed, entry.valid_from, entry.valid_to,
            words, True, entry.vector is not None,
        )  # fmt: skip
        return row

    def _forget(self, point: str) -> None:
        row = self._rows.pop(point, None)
        if row is not None:
            self._columns["alive"][row] = False

    def _among(self, points: Sequence[str]) -> Rows:
        held = {row for point in points if (row := self._rows.get(point)) is not None}
        return np.array(sorted(held), np.intp)

    def _passing(self, scope: Scope, rows: Rows | slice) -> NDArray[np.bool_]:
        """Which of these rows the scope lets through (its kind and points aside)."""
        held = self._columns[rows]
        passing: NDArray[np.bool_] = held["alive"].copy()
        if scope.project:
            of_none, own = self._projects.known(""), self._projects.known(scope.project)
            passing &= (held["project"] == of_none) | (held["project"] == own)
        if scope.domain:
            passing &= held["domain"] == self._domains.known(scope.domain)
        if scope.path:
            passing &= self._folders.within(scope.path)[held["folders"]]
        if scope.after > 0:
            passing &= held["changed"] >= scope.after
        if scope.before < FOREVER:
            passing &= held["changed"] < scope.before
        if scope.at >= 0:
            passing &= (held["valid_from"] <= scope.at) & (held["valid_to"] > scope.at)
        return passing

    def _best(self, rows: Rows, scores: Matrix, limit: int) -> list[Hit]:
        if limit <= 0:
            return []
        if len(rows) > limit:
            # Everything as good as the last one that fits, so that the points decide between equals.
            last = np.partition(scores, -limit)[-limit]
            rows, scores = rows[scores >= last], scores[scores >= last]
        hits = [Hit(self._points[row], float(score)) for row, score in zip(rows, scores, strict=True)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.point))[:limit]

    def _grow(self, count: int) -> None:
        for name in ("_columns", "_vectors"):
            old = getattr(self, name)
            new = np.zeros((count, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        self._codes.resize(count)

    def _pack_if_worth_it(self) -> None:
        """Drop the dead rows where they are many; the others keep their order."""
        if len(self._points) - len(self._rows) <= _FIRST + len(self._points) // 4:
            return
        rows = np.flatnonzero(self._columns["alive"][: len(self._points)])
        for postings in self._postings.values():
            postings.keep(rows, len(self._points))
        self._points = [self._points[row] for row in rows]
        self._rows = {point: row for row, point in enumerate(self._points)}
        count = max(_FIRST, len(rows) + len(rows) // 4)
        columns = np.zeros(count, _COLUMNS)
        columns[: len(rows)] = self._columns[rows]
        vectors = np.zeros((count, self._vectors.shape[1]), np.float16)
        vectors[: len(rows)] = self._vectors[rows]
        self._columns, self._vectors = columns, vectors
        self._codes.keep(rows, count)
        self._columns["folders"][: len(rows)] = self._folders.pack(self._columns["folders"][: len(rows)])


class _Numbers:
    """Names as small numbers."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self._held.setdefault(name, len(self._held))

    def known(self, name: str) -> int:
        """-1, which no row has, for a name never seen."""
        return self._held.get(name, -1)


class _Folders:
    """Files as small numbers, each with the folders it lies in."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, ...], int] = {}
        self._inside: dict[str, list[int]] = {}

    def number(self, folders: tuple[str, ...]) -> int:
        number = self._held.get(folders)
        if number is None:
            number = self._held[folders] = len(self._held)
            for folder in folders:
                self._inside.setdefault(folder, []).append(number)
        return number

    def within(self, folder: str) -> NDArray[np.bool_]:
        """For each number whether its file lies in (or is) `folder`."""
        inside = np.zeros(len(self._held), np.bool_)
        inside[self._inside.get(folder, [])] = True
        return inside

    def pack(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Forget files that none of `numbers` names; returns the new numbers in their place."""
        files = list(self._held)
        used, places = np.unique(numbers, return_inverse=True)
        self._held, self._inside = {}, {}
        new = np.array([self.number(files[number]) for number in used], np.int32)
        return new[places] if len(new) else numbers


def _digest(*texts: Sparse) -> int:
    """Tells whether words changed, without keeping them a second time."""
    whole = hashlib.blake2b(digest_size=8)
    for words in texts:
        whole.update(len(words.indices).to_bytes(8, "little"))
        whole.update(np.ascontiguousarray(words.indices, np.uint32).tobytes())
        whole.update(np.ascontiguousarray(words.values, np.float32).tobytes())
    return int.from_bytes(whole.digest(), "little")
