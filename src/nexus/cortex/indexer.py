"""The index: which stored passages are nearest to a question, by meaning and by words.

`VectorIndex` is the boundary; `nexus.cortex.qdrant` is the default, `nexus.cortex.exact` the obvious
implementation that is fallback and oracle, `nexus.cortex.qdrant_server` the one for many machines. An
index only multiplies vectors: what a word weighs is decided in `nexus.cortex.words`. It is a cache:
`synchronise` makes it hold exactly the ledger's points, whatever happened to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.cortex.ledger import FOREVER, ObjectKind

Matrix = NDArray[np.float32]
WordField = Literal["words", "context"]


class Sparse(NamedTuple):
    """A sparse vector: `values[i]` belongs to dimension `indices[i]`, each dimension once."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


class Hit(NamedTuple):
    """A point and its score: cosine similarity, or the product of two sparse vectors."""

    point: str
    score: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One point of the index with all that it is searched and filtered by.

    `words` are the words of the passage, `context` those of its surroundings and itself. `vector` has
    shape (d,), float32, L2-normalised, and is None while the passage is not embedded. `folders` are
    the file and every folder above it. Times are in unix seconds.
    """

    point: str
    kind: ObjectKind
    project: str
    domain: str
    folders: tuple[str, ...]
    changed: int
    valid_from: int
    valid_to: int
    words: Sparse
    context: Sparse
    vector: Matrix | None


class Scope(NamedTuple):
    """Which points a search may return: those of one kind, because what is rare differs by kind.

    `project` lets points of that project and of none pass; `after` <= changed < `before`; `at` asks
    for what is valid at that second (valid_from <= at < valid_to), -1 for all. `points`, when not
    None, restricts to these: to score chosen candidates.
    """

    kind: ObjectKind
    project: str = ""
    domain: str = ""
    path: str = ""
    after: int = 0
    before: int = FOREVER
    at: int = -1
    points: tuple[str, ...] | None = None


class VectorIndex(Protocol):
    """Points to search. Methods raise `StorageError` only, unless they say so."""

    name: str

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add or replace; found by the next search. The kind of a point never changes."""

    def delete(self, points: Sequence[str]) -> None:
        """Remove; unknown points are no error."""

    def nearest(self, vector: Matrix, limit: int, scope: Scope) -> list[Hit]:
        """The `limit` points nearest to `vector`, shape (d,), best first. Unembedded points are absent."""

    def matching(self, words: Sparse, field: WordField, limit: int, scope: Scope) -> list[Hit]:
        """The `limit` points with the greatest product with `words` in this field, all above 0."""

    def points(self) -> dict[str, bool]:
        """Every point held, and whether it has a vector."""

    def count(self) -> int:
        """How many points are held."""

    def require_room(self) -> None:
        """Raise `StorageError` where a change would be refused because the disk is full."""

    def pack(self, goes_on: Callable[[], bool]) -> bool:
        """Move what came lately to where it takes less memory. Whether anything was moved.

        Takes seconds; others search and change meanwhile, and a change is worth more than the packing.
        `goes_on` is asked often; once it says no, everything stays as it was.
        """

    def release(self) -> None:
        """Give back memory that only mirrors files; the next search maps it again, in milliseconds.

        Raises `MissingPartError` where the system cannot.
        """

    def close(self) -> None:
        """Write what is pending and let go of the files."""


class Difference(NamedTuple):
    """What an index lacks and holds too much of, compared with the ledger."""

    missing: list[str]
    unembedded: list[str]
    stale: list[str]

    def __bool__(self) -> bool:
        return any(self)


def compare(index: VectorIndex, wanted: Mapping[str, ObjectKind]) -> Difference:
    """Look at every point. Points are derived from content, so one that is there has the right content."""
    held = index.points()
    return Difference(
        missing=[p for p in wanted if p not in held],
        unembedded=[p for p in wanted if held.get(p) is False],
        stale=[p for p in held if p not in wanted],
    )


def synchronise(
    index: VectorIndex,
    wanted: Mapping[str, ObjectKind],
    entries_of: Callable[[Sequence[str], bool], Sequence[Entry]],
    *,
    on_step: Callable[[int, int], bool] = lambda done, total: True,
    step: int = 512,
) -> Difference:
    """Make `index` hold exactly `wanted`, and return what had to be done.

    `entries_of(points, embed)` gives the entries, with their vectors when `embed`. Words come first,
    because they are quick: keywords are found while the vectors follow. `on_step(done, total)` is
    called after each step and may return False to stop; the rest is done next time.
    """
    difference = compare(index, wanted)
    if difference.stale:
        index.delete(difference.stale)
    for start in range(0, len(difference.missing), step):
        index.upsert(entries_of(difference.missing[start : start + step], False))
    bare = [*difference.missing, *difference.unembedded]
    # Small steps, for embedding takes seconds where the rest takes milliseconds.
    width = max(1, step // 8)
    for start in range(0, len(bare), width):
        index.upsert(entries_of(bare[start : start + width], True))
        if not on_step(min(start + width, len(bare)), len(bare)):
            break
    return difference
