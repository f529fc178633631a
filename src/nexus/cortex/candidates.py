"""The candidates of one kind for one question: found by three lists, completed, with their neighbours.

Lists are by words, by words of the surroundings, and by meaning. What one list found is given its
exact scores of the others, too, because a fusion that must guess them measures worse. Turns of a
conversation bring their neighbours: the answer often stands next to the words of the question.
Does not know how scores become an order (`nexus.cortex.fusion`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nexus.cortex import late, words
from nexus.cortex.embedder import Question
from nexus.cortex.entries import FIELDS, seconds
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import Hit, Matrix, Scope, Sparse, VectorIndex
from nexus.cortex.ledger import Ledger, ObjectKind, Place
from nexus.cortex.vectors import Vectors

ListName = Literal["meaning", "words", "context"]
# How many each list contributes; fewer turns, for these bring their neighbours (.1 of recall at 10).
LISTED: Mapping[ObjectKind, int] = {"document": 100, "memory": 50, "transcript": 50}
# Whose neighbours are looked at, and how far these reach.
WITH_NEIGHBOURS, REACH = 30, 2
# Equals at the end of a list among which is chosen: mostly a few, seldom very many.
_EQUAL, _MOST_EQUAL = 16, 1000
# How many are compared word by word.
COMPARED = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the forms that the lists need; `numbers` are those of its words."""

    question: Question
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
        lists: dict[ListName, dict[str, float]] = {"meaning": self._list("meaning", asked, sparse, scope)}
        lists |= {field: self._list(field, asked, sparse, scope) for field in FIELDS[kind]}
        places = self._ledger.places([point for found in lists.values() for point in found])
        if kind == "transcript":
            places |= self._neighbours(list(lists.values()), places, scope)
        points = list(places)
        columns = {name: self._complete(name, lists[name], points, asked, sparse, scope) for name in lists}
        pool = Pool(
            kind=kind,
            points=points,
            places=list(places.values()),
            words=columns.get("words", columns["context"]),
            context=columns["context"],
            meaning=columns["meaning"],
            late=np.full(len(points), np.nan, np.float32),
            rarity=dict(zip(asked.numbers, rarities, strict=True)),
        )
        if kind != "document":
            self._compare(pool, asked)
        return pool

    def _list(self, name: ListName, asked: Asked, sparse: Sparse, scope: Scope) -> dict[str, float]:
        """The best by meaning or by a field of words."""
        if name == "meaning":
            return _listed(
                lambda limit: self._index.nearest(asked.question.vector, limit, scope), LISTED[scope.kind]
            )
        return _listed(lambda limit: self._index.matching(sparse, name, limit, scope), LISTED[scope.kind])

    def _neighbours(
        self, lists: Sequence[dict[str, float]], places: dict[str, Place], scope: Scope
    ) -> dict[str, Place]:
        """The places around the best candidates that no list has found."""
        columns = (np.array([found.get(p, 0.0) for p in places], np.float32) for found in lists)
        rough = np.sum([_scaled(column) for column in columns], axis=0)
        best = np.argsort(-rough, kind="stable")[:WITH_NEIGHBOURS]
        held = list(places.values())
        steps = [step for step in range(-REACH, REACH + 1) if step]
        around = {(held[i].object, held[i].ordinal + step) for i in best for step in steps}
        known = {(place.object, place.ordinal) for place in held}
        found = self._ledger.at(around - known)
        # A neighbour is of the same session, but may be of another time than was asked for.
        return {
            p: place for p, place in found.items() if scope.after <= seconds(place.changed) < scope.before
        }

    def _complete(
        self,
        name: ListName,
        found: dict[str, float],
        points: Sequence[str],
        asked: Asked,
        sparse: Sparse,
        scope: Scope,
    ) -> NDArray[np.float32]:
        """The scores of one list for all candidates."""
        missing = tuple(p for p in points if p not in found)
        hits: list[Hit] = []
        if missing:
            # These have passed the scope's conditions, and testing them again costs as much as scoring.
            chosen = Scope(scope.kind, points=missing)
            if name == "meaning":
                hits = self._index.nearest(asked.question.vector, len(missing), chosen)
            elif len(found) >= LISTED[scope.kind]:
                # A shorter list holds all that match at all.
                hits = self._index.matching(sparse, name, len(missing), chosen)
        scores = {**found, **dict(hits)}
        absent = np.nan if name == "meaning" else 0.0
        return np.array([scores.get(p, absent) for p in points], np.float32)

    def _compare(self, pool: Pool, asked: Asked) -> None:
        """Word by word, for the most promising."""
        if not len(pool):
            return
        rough = _scaled(pool.words) + _scaled(pool.context) + _scaled(pool.meaning)
        best = np.argsort(-rough, kind="stable")[:COMPARED]
        held = self._vectors.late([pool.points[i] for i in best])
        usable = [i for i in best if pool.points[i] in held]
        if usable and len(asked.question.tokens):
            weighed = self._telling(pool.kind, asked.question)
            pool.late[usable] = late.max_similarity(weighed, [held[pool.points[i]] for i in usable])

    def _telling(self, kind: ObjectKind, question: Question) -> Matrix:
        """The question's tokens (q, 64), each scaled by how telling the word is that it is a piece of.

        The mean that late interaction takes becomes a weighted one: the greatest product with a
        scaled row is the scaled greatest product.
        """
        parts = [words.terms(word) for word in question.around]
        numbers = sorted({number for part in parts for number in part})
        total, counts = self._ledger.frequencies(kind, numbers)
        rarity = {n: words.rarity(total, count) for n, count in zip(numbers, counts, strict=True)}
        weights = np.array([1 + max((rarity[n] for n in part), default=0.0) for part in parts], np.float32)
        scaled: Matrix = question.tokens * (weights / weights.mean())[:, None]
        return scaled


def _listed(ask: Callable[[int], list[Hit]], most: int) -> dict[str, float]:
    """The best of a list. Of equals at its end the same are taken in every index, however it counts."""
    hits = ask(most + _EQUAL)
    if len(hits) == most + _EQUAL and round(hits[most - 1].score, 5) == round(hits[-1].score, 5):
        hits = ask(_MOST_EQUAL)
    order = sorted([(-round(score, 5), point, score) for point, score in hits])
    return {point: score for _, point, score in order[:most]}


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    real = values[~np.isnan(values)]
    return between(values, float(real.min(initial=0)), float(real.max(initial=0)))


def between(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """`values` scaled so that `low` is 0 and `high` is 1; what does not exist counts as the least."""
    if high <= low:
        return np.where(np.isnan(values) | (values <= 0), 0.0, 1.0).astype(np.float32)
    scaled: NDArray[np.float32] = np.nan_to_num((values - low) / (high - low), nan=0.0).astype(np.float32)
    return scaled
