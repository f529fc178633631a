"""Chunks into the ledger and the index, words first and vectors after.

The ledger is written before the index, so that dying between the two leaves a difference that the
next start finds and repairs. Invariant: an object is wholly in the ledger or not at all, and whatever
is in the ledger gets into the index.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nexus.cortex.entries import entry, point_of
from nexus.cortex.indexer import Difference, Entry, VectorIndex, synchronise
from nexus.cortex.ledger import FOREVER, Ledger, NewChunk, ObjectKind
from nexus.cortex.vectors import Vectors
from nexus.cortex.words import terms

# Chunks embedded together: full batches for the model, a progress bar that moves every second or two.
_GROUP = 64


@dataclass(frozen=True, slots=True)
class NewObject:
    """A document, memory or transcript about to be stored. `chunks` need no points and terms yet.

    `includes` are the files that a page shows, with what they were read as (`Ledger.put`).
    """

    kind: ObjectKind
    path: str
    chunks: Sequence[NewChunk]
    root: str
    sha256: str
    size: int
    mtime_ns: int
    project: str = ""
    domain: str = ""
    title: str = ""
    valid_from: int = 0
    valid_to: int = FOREVER
    includes: Mapping[str, str] = field(default_factory=dict)


class Store:
    """The ledger and the index as one."""

    def __init__(self, ledger: Ledger, index: VectorIndex, vectors: Vectors) -> None:
        self._ledger, self._index, self._vectors = ledger, index, vectors

    def put(self, objects: Sequence[NewObject]) -> list[str]:
        """Store objects; their words are found on return. Returns the points that need vectors.

        Raises `StorageError`, on a full disk before anything was changed.
        """
        self._index.require_room()
        fresh: list[str] = []
        stale: list[str] = []
        for new in objects:
            chunks = [self._complete(new, number, chunk) for number, chunk in enumerate(new.chunks)]
            before = {row.point for row in self._ledger.chunks_of(new.path)}
            stale += self._ledger.put(
                new.kind,
                new.path,
                chunks,
                root=new.root,
                sha256=new.sha256,
                size=new.size,
                mtime_ns=new.mtime_ns,
                project=new.project,
                domain=new.domain,
                title=new.title,
                valid_from=new.valid_from,
                valid_to=new.valid_to,
                includes=new.includes,
            )
            fresh += [chunk.point for chunk in chunks if chunk.point not in before]
        if stale:
            self._index.delete(stale)
        if fresh:
            self._index.upsert(self.entries(fresh, embed=False))
        return fresh

    def embed(
        self,
        points: Sequence[str],
        on_group: Callable[[int], None] = lambda done: None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Give these points their vectors. Returns how many had to be made; what is left follows later."""
        made = 0
        for start in range(0, len(points), _GROUP):
            if cancel and cancel.is_set():
                break
            rows = list(self._ledger.chunks(points[start : start + _GROUP]).values())
            matrix, count = self._vectors.of(rows)
            made += count
            if rows:
                self._index.upsert([entry(row, vector) for row, vector in zip(rows, matrix, strict=True)])
            on_group(min(start + _GROUP, len(points)))
        return made

    def drop(self, path: str) -> int:
        """Take an object out. Returns how many chunks it had. Raises as `put`."""
        self._index.require_room()
        stale = self._ledger.drop(path)
        if stale:
            self._index.delete(stale)
        return len(stale)

    def entries(self, points: Sequence[str], embed: bool) -> list[Entry]:
        """What the index must hold for these points, with their vectors when `embed`."""
        rows = list(self._ledger.chunks(points).values())
        if not embed:
            return [entry(row, None) for row in rows]
        matrix, _ = self._vectors.of(rows)
        return [entry(row, vector) for row, vector in zip(rows, matrix, strict=True)]

    def repair(self, on_step: Callable[[int, int], bool] = lambda done, total: True) -> Difference:
        """Make the index hold exactly what the ledger says, words first. Returns what was wrong."""
        wanted = self._ledger.points()
        difference = synchronise(self._index, wanted, self.entries, on_step=on_step)
        if len(self._vectors) > 2 * len(wanted) + 1000:
            self._vectors.trim(list(self._ledger.chunks(list(wanted)).values()))
        return difference

    @staticmethod
    def _complete(new: NewObject, ordinal: int, chunk: NewChunk) -> NewChunk:
        """The chunk with its point and words. All that the index holds of it goes into the point."""
        found_by = (new.project, new.domain, str(new.valid_from), str(new.valid_to), chunk.said)
        point = point_of(new.kind, new.path, ordinal, *found_by, chunk.context, chunk.text)
        return replace(chunk, point=point, terms=terms(f"{chunk.context}\n{chunk.text}"))
