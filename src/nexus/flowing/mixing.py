"""Mixer: gated linear mixing of what the inputs say of the next bit. NumPy, exact, slow.

Three sets of weights, each with one row chosen by where we are (the memory's situation, which bits of the
byte are known, the last byte); each row predicts by itself and learns from its own miss, a convex problem;
a fourth row, chosen by the situation, weighs the three. Knows no contexts. Invariant: a mixer learns only
when it is told to; another one on top of it adds a correction and leaves it as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.flowing.memory import SITUATIONS

Floats = NDArray[np.float32]
ROWS = (SITUATIONS, 256, 256)  # by situation, by node, by last byte
Chosen = tuple[int, int, int]
SURE = np.float32(11.5)  # no bit is foreseen more surely than 1 - 1 / 98717


def squash(value: Floats | np.float32) -> Floats:
    """1 / (1 + exp(-value))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -SURE, SURE))), np.float32)


class Mixer:
    """The weights of one kind of text."""

    def __init__(self, first: Floats, share: float) -> None:
        """Every row begins as `first`, [inputs]."""
        self.weights = [np.tile(first, (rows, 1)) for rows in ROWS]
        self.shares = np.full((SITUATIONS, len(ROWS)), share, np.float32)

    def dots(self, values: Floats, chosen: Chosen) -> Floats:
        """[3] what each set says, in the stretched domain."""
        said = [weights[row] @ values for weights, row in zip(self.weights, chosen, strict=True)]
        return np.array(said, np.float32)

    def learn(self, values: Floats, chosen: Chosen, steps: Floats, familiar: bool) -> None:
        """Each row goes its step, [3], along the inputs; of a repetition only the first set learns, whose
        rows know that it is one."""
        for weights, row, step in list(zip(self.weights, chosen, steps, strict=True))[
            : 1 if familiar else None
        ]:
            weights[row] += step * values
