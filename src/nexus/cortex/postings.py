"""Which rows hold a word, and how much it weighs there: the inverted lists of the exact index.

Rows are only ever added, with ascending numbers; what is deleted goes when `keep` renumbers. New rows
wait until somebody asks; then they are sorted into a segment, and segments of like size are merged, so
that n additions cost about n log n in all and a question looks into few of them. Knows neither points
nor filters. Invariant: a product does not depend on how the rows are spread over segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nexus.cortex.indexer import Sparse

Rows = NDArray[np.uint32]
Weights = NDArray[np.float32]


class _Segment(NamedTuple):
    """Weights ordered by word, then by row: those of `terms[i]` are `starts[i]` to `starts[i + 1]`."""

    terms: NDArray[np.uint32]
    starts: NDArray[np.int64]
    rows: Rows
    weights: Weights

    @classmethod
    def of(cls, terms: NDArray[np.uint32], rows: Rows, weights: Weights) -> _Segment:
        """Of one entry for each word of each row, rows ascending within a word after a stable sort."""
        order = np.argsort(terms, kind="stable")
        distinct, starts = np.unique(terms[order], return_index=True)
        return cls(distinct, np.append(starts, len(terms)), rows[order], weights[order])

    def all_terms(self) -> NDArray[np.uint32]:
        """The word of each weight."""
        return np.repeat(self.terms, np.diff(self.starts))

    def __add__(self, later: object) -> _Segment:
        if not isinstance(later, _Segment):
            return NotImplemented
        return _Segment.of(
            np.concatenate([self.all_terms(), later.all_terms()]),
            np.concatenate([self.rows, later.rows]),
            np.concatenate([self.weights, later.weights]),
        )


class Postings:
    """Sparse vectors by row, eight bytes for each number."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Sparse]] = []
        self._segments: list[_Segment] = []

    def add(self, row: int, words: Sparse) -> None:
        """The words of a new row; its number is greater than all before."""
        if len(words.indices):
            self._waiting.append((row, words))

    def products(self, question: Sparse, count: int) -> NDArray[np.float64]:
        """The product of `question` with each of the rows 0 to `count` - 1, shape (count,)."""
        self._settle()
        rows: list[Rows] = []
        weights: list[NDArray[np.float64]] = []
        for term, weight in zip(question.indices, question.values, strict=True):
            for segment in self._segments:
                at = int(np.searchsorted(segment.terms, term))
                if at < len(segment.terms) and segment.terms[at] == term:
                    part = slice(segment.starts[at], segment.starts[at + 1])
                    rows.append(segment.rows[part])
                    weights.append(segment.weights[part] * np.float64(weight))
        if not rows:
            return np.zeros(count, np.float64)
        total: NDArray[np.float64] = np.zeros(count, np.float64)
        total += np.bincount(np.concatenate(rows), np.concatenate(weights), count)
        return total

    def keep(self, rows: NDArray[np.intp], count: int) -> None:
        """Leave these rows of the `count`, ascending, only: the i-th of them is row i from now on."""
        self._settle()
        renumbered = np.full(count, -1, np.int64)
        renumbered[rows] = np.arange(len(rows))
        kept = []
        for segment in self._segments:
            new = renumbered[segment.rows]
            there = new >= 0
            terms = segment.all_terms()[there]
            if len(terms):
                kept.append(_Segment.of(terms, new[there].astype(np.uint32), segment.weights[there]))
        self._segments = kept
        self._merge()

    def __len__(self) -> int:
        """How many numbers are held."""
        waiting = sum(len(words.indices) for _, words in self._waiting)
        return waiting + sum(len(segment.rows) for segment in self._segments)

    def _settle(self) -> None:
        if self._waiting:
            self._segments.append(_segment(self._waiting))
            self._waiting = []
            self._merge()

    def _merge(self) -> None:
        held = self._segments
        while len(held) > 1 and len(held[-2].rows) < 2 * len(held[-1].rows):
            held[-2:] = [held[-2] + held[-1]]


def _segment(waiting: Sequence[tuple[int, Sparse]]) -> _Segment:
    sizes = [len(words.indices) for _, words in waiting]
    return _Segment.of(
        np.concatenate([words.indices for _, words in waiting]).astype(np.uint32, copy=False),
        np.repeat(np.array([row for row, _ in waiting], np.uint32), sizes),
        np.concatenate([words.values for _, words in waiting]).astype(np.float32, copy=False),
    )
