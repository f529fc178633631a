"""Weights of features from judged questions: listwise softmax, solved by Newton's method.

The score of a candidate is the product of its features with the weights; the softmax of the scores is
to be the share of the evidence that each candidate holds. With few weights and a small quadratic
penalty the problem is convex and a handful of steps finds its one solution. Knows no text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PENALTY = 10.0
"""Chosen on conversations that were not fitted; 1 to 30 measure alike."""
_STEPS = 50
_ENOUGH = 1e-6


class Judged(NamedTuple):
    """A question: `features` of its candidates (n, f), and `shares` (n,) of the evidence, sum 1."""

    features: NDArray[np.floating]
    shares: NDArray[np.floating]


def loss(weights: Array, questions: Sequence[Judged], penalty: float) -> float:
    """The sum of the cross entropies of the questions, and half the penalty times the squared weights."""
    total = 0.5 * penalty * float(weights @ weights)
    for features, shares in questions:
        scores = features @ weights
        top = scores.max()
        total += float(np.log(np.exp(scores - top).sum()) + top - shares @ scores)
    return total


def fit(questions: Sequence[Judged], penalty: float = PENALTY) -> Array:
    """The weights, float64 (f,), with the least loss. Raises `ValueError` when there is no question."""
    if not questions:
        raise ValueError("nothing to fit weights to")
    size = questions[0].features.shape[1]
    weights = np.zeros(size)
    now = loss(weights, questions, penalty)
    for _ in range(_STEPS):
        slope, bend = penalty * weights, penalty * np.eye(size)
        for features, shares in questions:
            scores = features @ weights
            chances = np.exp(scores - scores.max())
            chances /= chances.sum()
            mean = chances @ features
            centred = features - mean
            slope = slope + mean - shares @ features
            bend += (centred * chances[:, None]).T @ centred
        step = np.linalg.solve(bend, slope)
        length = 1.0
        while (then := loss(weights - length * step, questions, penalty)) > now and length > _ENOUGH:
            length /= 2
        if then > now:
            break
        weights, gained, now = weights - length * step, now - then, then
        if gained < _ENOUGH * abs(now):
            break
    return weights
