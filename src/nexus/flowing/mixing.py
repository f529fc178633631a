"""Mixer: gated linear mixing of what the inputs say of the next bit. NumPy, exact, slow.

Three sets of weights, each with one row chosen by the situation (how long the match is, which bits of the
byte are known, the last byte); each row predicts by itself and learns from its own miss, a convex problem;
a fourth row weighs the three. Knows no contexts. Invariant: a mixer learns only when it is told to; another
one on top of it adds a correction and leaves it as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.flowing.memory import MATCHES

Floats = NDArray[np.float32]
ROWS = (MATCHES, 256, 256)  # by match, by node, by last byte
SURE = np.float32(11.5)  # no bit is foreseen more surely than 1 - 1 / 98717


def squash(value: Floats | np.float32) -> Floats:
    """1 / (1 + exp(-value))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -SURE, SURE))), np.float32)


class Mixer:
    """The weights of one kind of text."""

    def __init__(self, inputs: int, weight: float, share: float) -> None:
        self.weights = [np.full((rows, inputs), weight, np.float32) for rows in ROWS]
        self.shares = np.full((256, len(ROWS)), share, np.float32)

    def dots(self, values: Floats, chosen: tuple[int, int, int]) -> Floats:
        """[3] what each set says, in the stretched domain."""
        said = [weights[row] @ values for weights, row in zip(self.weights, chosen, strict=True)]
        return np.array(said, np.float32)

    def learn(
        self,
        values: Floats,
        chosen: tuple[int, int, int],
        missed: Floats,
        rates: tuple[float, float],
        dots: Floats,
        missed_together: np.float32,
    ) -> None:
        """Each row by what it missed itself; the shares by what was missed together."""
        for weights, row, miss in zip(self.weights, chosen, missed, strict=True):
            weights[row] += np.float32(rates[0]) * miss * values
        self.shares[chosen[1]] += np.float32(rates[1]) * missed_together * dots
