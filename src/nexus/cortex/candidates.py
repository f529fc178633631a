"""The candidates of one kind for one question: found by three lists, completed, with their neighbours.

Lists are by words, by words of the surroundings, and by meaning. What one list found is given its
exact scores of the others, too, because a fusion that must guess them measures worse. Turns of a
conversation bring their neighbours: the answer often stands next to the words of the question.
Does not know how scores become an order (`nexus.cortex.fusion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nexus.cortex import late, words
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import Hit, Matrix, Scope, Sparse, VectorIndex
from nexus.cortex.ledger import Ledger, ObjectKind, Place
from nexus.cortex.vectors import Vectors

# How many each list contributes, whose neighbours are looked at, and how far these reach.
LISTED, WITH_NEIGHBOURS, REACH = 100, 60, 2
# How many are compared word by word.
COMPARED = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the forms that the lists need. `rarity` is by word number."""

    vector: Matrix
    tokens: Matrix
    numbers: tuple[int, ...]


@dataclass(slots=True)
class Pool:
    """Candidates of one kind, all arrays of shape (n,); nan where a score does not exist."""

    kind: ObjectKind
    points: list[str]
    places: list[Place]
    words: NDArray[np.float32]
    context: NDArray[np.float32]
    meaning: NDArray[np.float32]
    late: NDArray[np.float32]
    rarity: dict[int, float]

    def __len__(self) -> int:
        return len(self.points)


class Gatherer:
    """Finds candidates."""

    def __init__(self, ledger: Ledger, index: VectorIndex, vectors: Vectors) -> None:
        self._ledger, self._index, self._vectors = ledger, index, vectors

    def gather(self, asked: Asked, kind: ObjectKind, where: Filter) -> Pool:
        """All candidates of this kind with all their scores."""
        scope = where.scope(kind)
        total, counts = self._ledger.frequencies(kind, asked.numbers)
        rarities = [words.rarity(total, count) for count in counts]
        sparse = words.weighted(asked.numbers, rarities)
        lists: tuple[dict[str, float], ...] = (
            dict(self._index.matching(sparse, "words", LISTED, scope)),
            dict(self._index.matching(sparse, "context", LISTED, scope)),
            dict(self._index.nearest(asked.vector, LISTED, scope)),
        )
        places = self._ledger.places(list({**lists[0], **lists[1], **lists[2]}))
        if kind == "transcript":
            places |= self._neighbours(lists, places)
        points = list(places)
        columns = [self._complete(found, points, asked, sparse, scope, n) for n, found in enumerate(lists)]
        pool = Pool(
            kind,
            points,
            list(places.values()),
            *columns,
            late=np.full(len(points), np.nan, np.float32),
            rarity=dict(zip(asked.numbers, rarities, strict=True)),
        )
        if kind != "document":
            self._compare(pool, asked)
        return pool

    def _neighbours(self, lists: Sequence[dict[str, float]], places: dict[str, Place]) -> dict[str, Place]:
        """The places around the best candidates that no list has found."""
        rough = np.sum([_scaled(np.array([found.get(p, 0.0) for p in places])) for found in lists], axis=0)
        best = np.argsort(-rough, kind="stable")[:WITH_NEIGHBOURS]
        held = list(places.values())
        around = {
            (held[i].object, held[i].ordinal + step)
            for i in best
            for step in range(-REACH, REACH + 1)
            if step
        }
        known = {(place.object, place.ordinal) for place in held}
        return self._ledger.places(list(self._ledger.at(around - known).values()))

    def _complete(
        self,
        found: dict[str, float],
        points: Sequence[str],
        asked: Asked,
        sparse: Sparse,
        scope: Scope,
        number: int,
    ) -> NDArray[np.float32]:
        """The scores of one list for all candidates."""
        missing = tuple(p for p in points if p not in found)
        hits: list[Hit] = []
        if missing:
            chosen = scope._replace(points=missing)
            if number == 2:
                hits = self._index.nearest(asked.vector, len(missing), chosen)
            elif len(found) >= LISTED:
                # A shorter list holds all that match at all.
                field = "words" if number == 0 else "context"
                hits = self._index.matching(sparse, field, len(missing), chosen)
        scores = {**found, **dict(hits)}
        absent = np.nan if number == 2 else 0.0
        return np.array([scores.get(p, absent) for p in points], np.float32)

    def _compare(self, pool: Pool, asked: Asked) -> None:
        """Word by word, for the most promising."""
        if not len(pool):
            return
        rough = _scaled(pool.words) + _scaled(pool.context) + _scaled(pool.meaning)
        best = np.argsort(-rough, kind="stable")[:COMPARED]
        rows = self._ledger.chunks([pool.points[i] for i in best])
        chosen = [(i, rows[pool.points[i]]) for i in best if pool.points[i] in rows]
        held = self._vectors.late([row for _, row in chosen])
        usable = [(i, tokens) for (i, _), tokens in zip(chosen, held, strict=True) if tokens is not None]
        if usable and len(asked.tokens):
            scores = late.max_similarity(asked.tokens, [tokens for _, tokens in usable])
            pool.late[[i for i, _ in usable]] = scores


def _scaled(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Min-max to 0..1; what does not exist counts as the least."""
    if not len(values) or np.isnan(values).all():
        return np.zeros(len(values), np.float32)
    low, high = np.nanmin(values), np.nanmax(values)
    if high <= low:
        return np.where(np.isnan(values), 0.0, 1.0 if high > 0 else 0.0).astype(np.float32)
    return np.nan_to_num((values - low) / (high - low), nan=0.0).astype(np.float32)
