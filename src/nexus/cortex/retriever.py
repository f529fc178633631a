"""Which chunks, memories and turns belong to a question.

Candidates of each kind come from three lists (`nexus.cortex.candidates`); their scores are scaled to
0..1 over all kinds and added. Rank fusion (RRF) throws the scores away and measured worse. Within its
kind the order is then the better one of `nexus.cortex.fusion`: it hands the scores out anew among the
candidates of the kind, so that kinds stay comparable. Two small bounded bonuses follow, recency and
frequency (seed 004). Every result says how its score came about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nexus.core import clock
from nexus.cortex import fusion, words
from nexus.cortex.candidates import Asked, Gatherer, Pool, between
from nexus.cortex.embedders import Embedders
from nexus.cortex.entries import seconds
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import VectorIndex
from nexus.cortex.ledger import KINDS, ChunkRow, Ledger, ObjectKind, Place
from nexus.cortex.vectors import Vectors

Scoring = Literal["hybrid", "seed004"]
_RECENCY, _RECENCY_HALF_LIFE_DAYS = 0.03, 30.0
_FREQUENCY, _FREQUENCY_HALF = 0.03, 10.0
_COVERED, _TOUCHED, _SURE = 0.8, 0.25, 0.12
# How far below "about the question" a passage may lie that shares a third of the telling words.
_NEARLY, _SHARED = 0.15, 0.3
# A memory is a sentence: it shares less with a question than a passage that explains.
_SHORTER = 0.05
# Texts that differ in no more than this share of their words beyond the first ones say the same, unless
# a number differs: variants of one example are one result.
_DIFFERENT, _SHORT = 0.3, 10
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Scores:
    """The parts of a score.

    `words`, `context` and `meaning` are scaled to 0..1 within the candidates of all kinds; `late` is
    the word-by-word similarity, 0 where there is none; `cosine` and `coverage` (the share of the
    question's telling words) are absolute. `total` is what the results are ordered by. `likelihood` is the
    question's behind this text, in nats a token, where a model was asked (`nexus.cortex.likelihood`), and
    `expected` what the search for the expected answer gave it (`nexus.cortex.expected`); else both are 0.
    """

    words: float
    context: float
    meaning: float
    late: float
    recency: float
    frequency: float
    cosine: float
    coverage: float
    total: float
    likelihood: float = 0.0
    expected: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {name: round(float(getattr(self, name)), 4) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Result:
    """A retrieved chunk. `scores` explain its place; `chunk` has the rest: kind, heading, lines, time."""

    chunk: ChunkRow
    scores: Scores

    @property
    def text(self) -> str:
        """The passage, memory or turn itself."""
        return self.chunk.text

    @property
    def path(self) -> str:
        """The file it stands in."""
        return self.chunk.path

    @property
    def score(self) -> float:
        """What results are ordered by; comparable within one search only."""
        return self.scores.total


class Retriever:
    """Hybrid search over the ledger and the index."""

    def __init__(
        self,
        ledger: Ledger,
        embedders: Embedders,
        index: VectorIndex,
        vectors: Vectors,
        scoring: Scoring = "hybrid",
    ) -> None:
        self._ledger, self._embedders, self._scoring = ledger, embedders, scoring
        self._gatherer = Gatherer(ledger, index, vectors)

    def search(
        self,
        query: str,
        limit: int = 10,
        kinds: Sequence[ObjectKind] = KINDS,
        where: Filter | None = None,
    ) -> list[Result]:
        """The best chunks for `query`, best first, repeated text left out. Empty for no words."""
        if not query.strip():
            return []
        pools = self.pools(query, kinds, where or Filter())
        if not pools:
            return []
        if self._scoring == "seed004":
            return self._seed_formula(query, pools, limit)
        return self._fused(pools, limit)

    def relevant(
        self,
        query: str,
        limit: int = 10,
        kinds: Sequence[ObjectKind] = KINDS,
        where: Filter | None = None,
    ) -> list[Result]:
        """As `search`, but only what is about the question at all; may be empty."""
        found = self.search(query, 2 * limit, kinds, where)
        return [result for result in found if self.is_relevant(result, query)][:limit]

    def pools(self, query: str, kinds: Sequence[ObjectKind], where: Filter) -> list[Pool]:
        """The candidates of each kind with all their scores; kinds without any are absent."""
        numbers = tuple(words.number(word) for word in words.question(query))
        # Each model reads the question once.
        asked: dict[str, Asked] = {}
        found = []
        for kind in dict.fromkeys(kinds):
            if not self._ledger.frequencies(kind, ())[0]:
                continue
            embedder = self._embedders.of(kind)
            if embedder.model_id not in asked:
                asked[embedder.model_id] = Asked(embedder.question(query), numbers)
            found.append(self._gatherer.gather(asked[embedder.model_id], kind, where))
        return [pool for pool in found if len(pool)]

    def is_relevant(self, result: Result, query: str) -> bool:
        """Whether a result is about the question at all: by its meaning and its words.

        The bounds part the questions of bench/answers.py that a manual answers from those it does
        not. "How does X charge for GPU hours?" is near all that is said about X; that the passage
        holds none of the telling words gives it away.
        """
        scores, reader = result.scores, self._embedders.of(result.chunk.kind)
        least = reader.relevant
        if result.chunk.kind == "memory":
            return scores.cosine >= least - _SHORTER or scores.coverage >= _COVERED
        if scores.cosine >= least + _SURE:
            return True
        if scores.cosine >= least and scores.coverage >= _TOUCHED:
            return True
        nearly = least - _NEARLY * (least - reader.unrelated)
        if scores.cosine >= nearly and scores.coverage >= _SHARED:
            return True
        # One shared word says little; nearly all of several say much, whatever the vectors think.
        return scores.coverage >= _COVERED and len(set(words.question(query))) > 1

    def _fused(self, pools: Sequence[Pool], limit: int) -> list[Result]:
        scaled = self._scaled(pools)
        ranked: list[tuple[float, str, Pool, int, int]] = []
        now = clock.now().timestamp()
        for number, (pool, parts) in enumerate(zip(pools, scaled, strict=True)):
            base = sum(fusion.ACROSS[name] * parts[name] for name in fusion.ACROSS)
            shares = np.empty_like(base)
            # The best of the kind by fusion is given the best score of the kind, and so on.
            shares[np.argsort(-fusion.scores(pool), kind="stable")] = np.sort(base)[::-1]
            extra = _bonuses(pool.places, now)
            # An index adds up in an order of its own: what differs by less goes by its point.
            totals = np.round(shares + extra, _DIGITS).tolist()
            ranked += [(-totals[i], point, pool, number, i) for i, point in enumerate(pool.points)]
        ranked.sort(key=itemgetter(0, 1))
        rows: dict[str, ChunkRow] = {}
        results: list[Result] = []
        kept: list[set[str]] = []
        for rank, (minus_total, point, pool, number, row) in enumerate(ranked):
            if len(results) == limit:
                break
            if point not in rows:
                # Read as many as are wanted and some that may turn out to be repetitions.
                rows = self._ledger.chunks([entry[1] for entry in ranked[rank : rank + limit + 10]])
            chunk = rows.get(point)
            if chunk is None:
                continue
            said_words = set(words.words_of(chunk.text))
            if any(alike(said_words, other) for other in kept):
                continue
            kept.append(said_words)
            scores = Scores(
                **{name: float(column[row]) for name, column in scaled[number].items()},
                late=float(np.nan_to_num(pool.late[row])),
                recency=_recency(pool.places[row], now),
                frequency=_frequency(pool.places[row]),
                cosine=float(np.nan_to_num(pool.meaning[row])),
                coverage=_coverage(pool.rarity, set(chunk.terms)),
                total=-minus_total,
            )
            results.append(Result(chunk, scores))
        return results

    def _scaled(self, pools: Sequence[Pool]) -> list[dict[str, NDArray[np.float32]]]:
        """The three scores of each pool, min-max scaled to 0..1 over the candidates of all of them."""
        columns = []
        for pool in pools:
            reader = self._embedders.of(pool.kind)
            # Each model's cosines live in a band of their own; from here on 1 is "about the question".
            meaning = (pool.meaning - reader.unrelated) / (reader.relevant - reader.unrelated)
            columns.append({"words": pool.words, "context": pool.context, "meaning": meaning})
        scaled: list[dict[str, NDArray[np.float32]]] = [{} for _ in pools]
        for name in ("words", "context", "meaning"):
            values = np.concatenate([column[name] for column in columns])
            real = values[~np.isnan(values)]
            low, high = float(real.min(initial=0)), float(real.max(initial=0))
            for number, column in enumerate(columns):
                scaled[number][name] = between(column[name], low, high)
        return scaled

    def _seed_formula(self, query: str, pools: Sequence[Pool], limit: int) -> list[Result]:
        """Seed 004 to the letter: .6 cosine + .2 shared keywords + .1 recency + .1 frequency."""
        asked = {words.number(word) for word in words.question(query)}
        now = clock.now().timestamp()
        results = []
        for pool, parts in zip(pools, self._scaled(pools), strict=True):
            rows = self._ledger.chunks(pool.points)
            for row, point in enumerate(pool.points):
                if point not in rows:
                    continue
                numbers = set(rows[point].terms)
                cosine = float(np.nan_to_num(pool.meaning[row]))
                place = pool.places[row]
                recency, frequency = _recency(place, now) / _RECENCY, _frequency(place) / _FREQUENCY
                overlap = len(asked & numbers) / len(asked) if asked else 0.0
                scores = Scores(
                    **{name: float(column[row]) for name, column in parts.items()},
                    late=0.0,
                    recency=0.1 * recency,
                    frequency=0.1 * frequency,
                    cosine=cosine,
                    coverage=_coverage(pool.rarity, numbers),
                    total=0.6 * cosine + 0.2 * overlap + 0.1 * recency + 0.1 * frequency,
                )
                results.append(Result(rows[point], scores))
        results.sort(key=lambda result: (-round(result.scores.total, _DIGITS), result.chunk.point))
        return results[:limit]


def _recency(place: Place, now: float) -> float:
    # A clock that went backwards makes things new, not newer than new.
    days = max(0.0, (now - seconds(place.changed)) / 86400)
    return _RECENCY * math.pow(0.5, days / _RECENCY_HALF_LIFE_DAYS)


def _bonuses(places: Sequence[Place], now: float) -> NDArray[np.float64]:
    """`_recency` and `_frequency` of each, added."""
    moments = np.array([seconds(place.changed) for place in places], np.float64)
    halves = np.maximum(0.0, (now - moments) / (86400 * _RECENCY_HALF_LIFE_DAYS))
    hits = np.array([place.hits for place in places], np.float64)
    bonuses: NDArray[np.float64] = _RECENCY * np.exp2(-halves) + _FREQUENCY * hits / (hits + _FREQUENCY_HALF)
    return bonuses


def _frequency(place: Place) -> float:
    return _FREQUENCY * place.hits / (place.hits + _FREQUENCY_HALF)


def _coverage(rarity: dict[int, float], numbers: set[int]) -> float:
    """The share of the question's telling words that a chunk holds, weighted by how telling."""
    total = sum(rarity.values())
    return sum(weight for word, weight in rarity.items() if word in numbers) / total if total else 0.0


def alike(some: set[str], other: set[str]) -> bool:
    """Whether two texts say the same: nearly all words in common, and every word with a digit."""
    if min(len(some), len(other)) < (1 - _DIFFERENT) * max(len(some), len(other)):
        return False
    differ = some ^ other
    # In a short text each word counts: "the gate is open" is not "the gate is closed".
    most = _DIFFERENT * max(0, len(some | other) - _SHORT)
    return len(differ) <= most and all(word.isalpha() for word in differ)
