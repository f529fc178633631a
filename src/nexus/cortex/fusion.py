"""From the scores of candidates to their order: which numbers count, and how much.

The candidates of one kind are compared with each other only: every score becomes its distance from
their mean, in standard deviations, and what does not exist is the mean. A turn is judged by its
neighbours, too, because the answer often stands beside the words of the question, and by the best turn
of its session. The sum of the features with the weights below is the score; one document is
lifted past it (`NEAREST_WITHIN`).

Knows no index, no model and no text. Invariant: scores depend on nothing but the candidates given, and
are finite for any of them, however many or few.

`WEIGHTS` is the one table. bench/fit_weights.py fits the row of turns to judged conversations
(listwise softmax, measured on conversations that were not fitted), rounds it, and prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nexus.cortex.candidates import Pool
from nexus.cortex.indexer import Matrix
from nexus.cortex.ledger import ObjectKind

Vector = NDArray[np.float32]

FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "words": "BM25 of the text",
        "context": "BM25 of the surroundings and the text: document and headings, or date and turn before",
        "meaning": "cosine of the question's and the passage's vector",
        "late": "word by word: mean over the question's tokens of the nearest token of the passage",
        "late_before_2": "late of the turn two before: what the same speaker said last",
        "words_before": "words of the turn before, which context counts, too",
        "words_before_2": "words of the turn two before",
        "words_after_2": "words of the turn two after",
        "meaning_before": "meaning of the turn before",
        "meaning_after": "meaning of the turn after",
        "session_best": "greatest mean of words, context, meaning and late in the session, times two",
        "words_meaning": "words times meaning, divided by four: what both find is not twice as sure",
    }
)
"""Every feature by name; all are of z-scored values."""

WEIGHTS: Mapping[ObjectKind, Mapping[str, float]] = MappingProxyType(
    {
        # Chosen among thirteen on Cranfield and the Claude documentation, which differ by up to .015 nDCG.
        "document": MappingProxyType({"words": 0.3, "context": 0.3, "meaning": 1.0}),
        # Facts drawn from the talks of bench/sets/locomo.py; a memory has no surroundings but its words.
        "memory": MappingProxyType({"words": 0.15, "context": 0.15, "meaning": 0.6, "late": 0.7}),
        "transcript": MappingProxyType(
            {
                "words": -0.35,
                "context": 0.85,
                "meaning": 0.55,
                "late": 0.75,
                "late_before_2": 0.25,
                "words_before": -0.25,
                "words_before_2": 0.1,
                "words_after_2": 0.1,
                "meaning_before": 0.1,
                "meaning_after": 0.1,
                "session_best": 0.35,
                "words_meaning": -0.35,
            }
        ),
    }
)
"""What each feature counts for, by kind; absent is 0."""

ACROSS: Mapping[str, float] = MappingProxyType({"words": 0.2, "context": 0.2, "meaning": 0.6})
"""Weights of the lists scaled to 0..1, for comparing candidates of different kinds."""

NEAREST_WITHIN: Mapping[ObjectKind, int] = MappingProxyType({"document": 3})
"""By kind, the place below which the candidate nearest in meaning never falls. A question in other words
than the text's shares none that tell with its answer; words of no weight must not outvote the one list
that understood it."""

# Below this spread all are the same: what differs is rounding.
_FLAT = 1e-6
# And cosines that are the same to so many digits.
_EQUAL_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one question, all arrays of shape (n,).

    Scores are float32, nan where there is none. `session[i]` numbers the object that candidate i is
    part of, `ordinal[i]` is its place there; no two candidates have both in common.
    """

    words: Vector
    context: Vector
    meaning: Vector
    late: Vector
    session: NDArray[np.int64]
    ordinal: NDArray[np.int64]

    @classmethod
    def of(cls, pool: Pool) -> Candidates:
        """Those of a pool."""
        numbers: dict[int, int] = {}
        session = [numbers.setdefault(place.object, len(numbers)) for place in pool.places]
        return cls(
            pool.words,
            pool.context,
            pool.meaning,
            pool.late,
            np.array(session, np.int64),
            np.array([place.ordinal for place in pool.places], np.int64),
        )

    def __len__(self) -> int:
        return len(self.words)


def features(candidates: Candidates) -> Matrix:
    """All features, shape (n, len(FEATURES)), columns in the order of `FEATURES`."""
    word, context = standard(candidates.words), standard(candidates.context)
    meaning, late = standard(candidates.meaning), standard(candidates.late)
    neighbours = {step: _neighbours(candidates, step) for step in (-2, -1, 1, 2)}

    def beside(values: Vector, step: int) -> Vector:
        # A neighbour that is no candidate is the mean: nothing is known for or against it.
        rows = neighbours[step]
        return np.where(rows >= 0, values[rows], np.float32(0))

    half = np.float32(0.5)
    columns: dict[str, Vector] = {
        "words": word,
        "context": context,
        "meaning": meaning,
        "late": late,
        "late_before_2": beside(late, -2),
        "words_before": beside(word, -1),
        "words_before_2": beside(word, -2),
        "words_after_2": beside(word, 2),
        "meaning_before": beside(meaning, -1),
        "meaning_after": beside(meaning, 1),
        "session_best": _best_of_session(candidates.session, (word + context + meaning + late) * half),
        "words_meaning": word * meaning * half * half,
    }
    return np.stack([columns[name] for name in FEATURES], axis=1).astype(np.float32)


def combined(found: Matrix, weights: Mapping[str, float]) -> Vector:
    """The scores, shape (n,), of features (n, len(FEATURES)). Raises `KeyError` for an unknown name."""
    column = {name: number for number, name in enumerate(FEATURES)}
    row = np.zeros(len(FEATURES), np.float32)
    for name, weight in weights.items():
        row[column[name]] = weight
    product: Vector = found @ row
    return product


def scores(pool: Pool) -> Vector:
    """The order of a pool, shape (n,): greater is better. Comparable within the pool only."""
    found = combined(features(Candidates.of(pool)), WEIGHTS[pool.kind])
    if pool.kind in NEAREST_WITHIN:
        _raise_nearest(found, pool.meaning, NEAREST_WITHIN[pool.kind])
    return found


def standard(values: Vector) -> Vector:
    """Distances from the mean of those that exist, in standard deviations; 0 for those that do not."""
    real = ~np.isnan(values)
    if not real.any():
        return np.zeros(len(values), np.float32)
    spread = float(values[real].std(dtype=np.float64))
    if spread < _FLAT:
        return np.zeros(len(values), np.float32)
    mean = float(values[real].mean(dtype=np.float64))
    return np.where(real, (values - mean) / spread, 0).astype(np.float32)


def _raise_nearest(found: Vector, meaning: Vector, place: int) -> None:
    """Put the nearest in meaning just before whoever stands at this place, unless it is above."""
    near = np.round(np.nan_to_num(meaning, nan=-2), _EQUAL_DIGITS)
    if len(found) < place or np.isnan(meaning).all():
        return
    # Of equals the one that is best anyway, so that rounding in an index does not choose.
    nearest = int(np.argmax(np.where(near == near.max(), found, -np.inf)))
    bar = np.partition(found, -place)[-place]
    if found[nearest] < bar:
        found[nearest] = np.nextafter(bar, np.float32(np.inf))


def _neighbours(candidates: Candidates, step: int) -> NDArray[np.int64]:
    """The row of the candidate `step` places further in the same session, -1 where there is none."""
    row = {key: i for i, key in enumerate(_keys(candidates, 0))}
    return np.array([row.get(key, -1) for key in _keys(candidates, step)], np.int64)


def _keys(candidates: Candidates, step: int) -> list[tuple[int, int]]:
    return list(zip(candidates.session.tolist(), (candidates.ordinal + step).tolist(), strict=True))


def _best_of_session(session: NDArray[np.int64], values: Vector) -> Vector:
    best = np.full(int(session.max(initial=-1)) + 1, -np.inf, np.float32)
    np.maximum.at(best, session, values)
    return best[session]
