"""EnergyCell: one latent z for the next byte, no layers. NumPy, exact, slow.

    F(z; contexts, byte) = 1/2 |z - sum of E[context]|^2 - log softmax(R z + b)[byte]

Predicting is z = sum of E. Learning lets z come to rest on F with the byte nudged in, then moves the rows E
towards where z rests and R by the outer product of what was missed and z. Nothing is propagated through
layers, because there are none. Source: DESIGN's FlowingNEXUS; how deep z flows is shown, and buys nothing.
Invariant: without `learn` nothing changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.flowing.contexts import _MASK, ORDERS, mixed
from nexus.flowing.settings import FlowSettings

Floats = NDArray[np.float32]
WIDTH = 48
_FARTHEST = np.float32(16)  # of a coordinate of z: while z is bounded, everything stays finite


def first_readout() -> Floats:
    """[WIDTH, 256] small numbers, the same everywhere: R may not begin at zero, or z would never move."""
    values = [mixed((number + 1) * 0x2545F4914F6CDD1D & _MASK) >> 40 for number in range(WIDTH * 256)]
    table = (np.array(values, np.float32) / np.float32(1 << 23) - np.float32(1)) * np.float32(0.3)
    return table.reshape(WIDTH, 256)


def softmax(values: Floats) -> Floats:
    """Probabilities from logits."""
    risen = np.exp(values - values.max())
    total: np.float32 = risen.sum(dtype=np.float32)
    return np.asarray(risen / total, np.float32)


class EnergyCell:
    """The rows of the contexts of orders 1 to 6, and the readout."""

    def __init__(self, settings: FlowSettings) -> None:
        self.settings = settings
        self.embedding = np.zeros((1 << settings.energy_bits, WIDTH), np.float32)
        self.readout = first_readout()
        self.bias = np.zeros(256, np.float32)

    def foresee(self, hashes: list[int]) -> Floats:
        """[256] probabilities of the next byte; `hashes` are those of `Context`."""
        self.rows = [value >> (64 - self.settings.energy_bits) for value in hashes[1 : ORDERS + 1]]
        self.z = self.embedding[self.rows].sum(axis=0, dtype=np.float32).clip(-_FARTHEST, _FARTHEST)
        self.p = softmax(self.z @ self.readout + self.bias)
        # tree[node] is the probability of all bytes below the node: 1 the root, 256 + byte the leaves.
        self.tree = np.zeros(512, np.float32)
        self.tree[256:] = self.p
        for first in (128, 64, 32, 16, 8, 4, 2, 1):
            self.tree[first : 2 * first] = self.tree[2 * first : 4 * first].reshape(-1, 2).sum(axis=1)
        return self.p

    def bit(self, node: int) -> np.float32:
        """The probability that the next bit below `node` is one."""
        one, zero = self.tree[2 * node + 1], self.tree[2 * node]
        return np.float32(np.clip((one + 1e-9) / (one + zero + 2e-9), 1e-4, 1 - 1e-4))

    def learn(self, byte: int) -> int:
        """Learn what came; returns the steps until z rested."""
        settings = self.settings
        missed = -self.p
        missed[byte] += 1
        z, pull, steps = self.z.copy(), missed, 0
        while True:
            step = np.float32(0.5) * (self.z - z + self.readout @ pull)
            z = (z + step).clip(-_FARTHEST, _FARTHEST)
            steps += 1
            if steps >= settings.relaxation_steps or step @ step < settings.relaxation_stop:
                break
            pull = -softmax(z @ self.readout + self.bias)
            pull[byte] += 1
        self.readout += np.float32(settings.readout_rate) * np.outer(self.z, missed)
        self.bias += np.float32(settings.readout_rate) * missed
        move = np.float32(settings.row_rate) * (z - self.z)
        for row in self.rows:
            self.embedding[row] += move
        return steps
