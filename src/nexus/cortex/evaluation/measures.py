"""The measures of retrieval and of scores: recall, nDCG, recall within a budget, AUC, how sure a mean is.

A ranking is a sequence of results, best first; a result is the ids that it shows, because one passage
may hold two turns. Knows no data and no index.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ranking = Sequence[Sequence[str]]
_DRAWS = 2000


class Interval(NamedTuple):
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def recall(ranking: Ranking, wanted: Collection[str], depth: int) -> float:
    """The share of `wanted` (not empty) that the first `depth` results show."""
    shown = {name for result in ranking[:depth] for name in result}
    return len(shown.intersection(wanted)) / len(wanted)


def recall_within(ranking: Ranking, sizes: Sequence[int], wanted: Collection[str], budget: int) -> float:
    """The share of `wanted` in the first results that together have at most `budget` tokens.

    It ends at the first result that does not fit: a reader is given the best ones, not the short ones.
    """
    filled = depth = 0
    for size in sizes:
        filled += size
        if filled > budget:
            break
        depth += 1
    return recall(ranking, wanted, depth)


def ndcg(names: Sequence[str], gains: Mapping[str, float], depth: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002), gains taken as they are.

    0 where nothing is worth finding.
    """
    found = sum(gains.get(name, 0.0) / math.log2(rank + 2) for rank, name in enumerate(names[:depth]))
    best = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:depth]
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(best))
    return found / ideal if ideal else 0.0


def interval(values: Sequence[float]) -> Interval:
    """The mean of `values` (not empty) and the interval that 95 % of redrawn samples' means lie in."""
    sample = np.asarray(values, np.float64)
    draw = np.random.default_rng(0)
    means = [sample[draw.integers(0, len(sample), len(sample))].mean() for _ in range(_DRAWS)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(sample.mean()), float(low), float(high))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` percent of `values` (not empty) do not exceed."""
    return float(np.percentile(np.asarray(values, np.float64), share))


def auc(scores: NDArray[np.float64], good: NDArray[np.bool_]) -> float:
    """The share of pairs of a good and another one in which the good one scores higher; ties count half.

    Both kinds must be there.
    """
    difference = scores[good][:, None] - scores[~good]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)
