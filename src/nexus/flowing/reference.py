"""Reference: what a Flow computes, as plain as it can be said in NumPy. About a kilobyte a second.

Two kinds of text, each with its own memory, energy cell and mixer: 0 the base, 1 the user's. Base text is
foreseen from the base alone. The user's text is foreseen from both, by mixing weights that are the base's
plus a correction; learning it changes the user's part only, so it cannot cost the base anything. The C core
(`native/flowing`) equals this to a small tolerance; `tests/unit/flowing` compares them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.flowing.contexts import Context
from nexus.flowing.energy import EnergyCell
from nexus.flowing.memory import INPUTS, Memory, second_half, stretch
from nexus.flowing.mixing import SURE, Floats, Mixer, squash
from nexus.flowing.settings import FlowSettings

# Beside what the memory says: what the energy cell says, and a constant.
_EACH = INPUTS + 2
MIXERS = 2


class Reference:
    """See above. One thread at a time."""

    def __init__(self, settings: FlowSettings) -> None:
        self.settings = settings
        self.context = Context()
        bits = (settings.base_bits, settings.user_bits)
        self.memories = [Memory(b, settings.match_bits) for b in bits]
        self.cells = [EnergyCell(settings) for _ in bits]
        self.mixers = [Mixer(_EACH, 0.2, 1 / 3), Mixer(2 * _EACH, 0.0, 0.0)]
        self.mixers[1].weights = [_user_weights(w) for w in self.mixers[1].weights]

    def begin(self) -> None:
        """A new text begins."""
        self.context.begin()
        for memory in self.memories:
            memory.begin()

    def read(self, data: bytes, learn: bool, mixer: int) -> tuple[Floats, int]:
        """Bits of surprise of every byte, and the relaxation steps of all."""
        bits, steps = np.zeros(len(data), np.float32), 0
        for number, byte in enumerate(data):
            bits[number] = self._byte(byte, learn, mixer)
            if learn:
                steps += self.cells[mixer].learn(byte)
            for memory in self.memories:
                memory.follow(byte)
            self.context.add(byte)
            if learn:
                self.memories[mixer].keep(byte, self.context)
        return bits, steps

    def predict(self, mixer: int) -> Floats:
        """[256] probabilities of the next byte; nothing is learnt."""
        hashes = self._foresee(mixer, learn=False)
        p = np.zeros(512, np.float32)
        p[1] = 1
        for node in range(1, 256):
            depth = node.bit_length() - 1
            if depth == 4:
                for memory in self.memories[: mixer + 1]:
                    memory.find(second_half(hashes, node), learn=False)
            if depth > 4:
                for memory in self.memories[: mixer + 1]:
                    memory.find(second_half(hashes, node >> (depth - 4)), learn=False)
            one = self._bit(node, depth, mixer)
            p[2 * node + 1], p[2 * node] = p[node] * one, p[node] * (1 - one)
        return np.asarray(p[256:] / p[256:].sum(), np.float32)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All that was learnt, by name, live: what is written into these is what the model then is."""
        found: dict[str, NDArray[np.generic]] = {}
        for kind, memory, cell, mixer in zip(
            ("base", "user"), self.memories, self.cells, self.mixers, strict=True
        ):
            for name in ("buckets", "guess", "tries", "text", "places", "match_guess", "match_tries"):
                found[f"{kind}.{name}"] = getattr(memory, name)
            for name in ("embedding", "readout", "bias"):
                found[f"{kind}.{name}"] = getattr(cell, name)
            for number, weights in enumerate(mixer.weights):
                found[f"{kind}.weights{number}"] = weights
            found[f"{kind}.shares"] = mixer.shares
        return found

    @property
    def totals(self) -> tuple[int, int]:
        """Bytes learnt of base text and of the user's."""
        return self.memories[0].total, self.memories[1].total

    @totals.setter
    def totals(self, totals: tuple[int, int]) -> None:
        for memory, total in zip(self.memories, totals, strict=True):
            memory.total = total

    def _foresee(self, mixer: int, learn: bool) -> list[int]:
        hashes = self.context.hashes()
        for kind in range(2):
            self.memories[kind].foresee(self.context)
        for kind in range(mixer + 1):
            self.memories[kind].find(hashes, learn and kind == mixer)
            self.cells[kind].foresee(hashes)
        return hashes

    def _byte(self, byte: int, learn: bool, mixer: int) -> np.float32:
        hashes, node, surprise = self._foresee(mixer, learn), 1, np.float32(0)
        for depth in range(8):
            if depth == 4:
                for kind in range(mixer + 1):
                    self.memories[kind].find(second_half(hashes, node), learn and kind == mixer)
            bit = byte >> (7 - depth) & 1
            one = self._bit(node, depth, mixer)
            surprise -= np.log2(one if bit else 1 - one)
            if learn:
                self._learn(bit, depth, mixer)
            node = 2 * node + bit
        return surprise

    def _bit(self, node: int, depth: int, mixer: int) -> np.float32:
        """The probability that the next bit is one."""
        said = []
        for kind in range(mixer + 1):
            energy = stretch(self.cells[kind].bit(node))
            said += [self.memories[kind].inputs(node, depth), np.array([energy, 0.3], np.float32)]
        self.values, last = np.concatenate(said), self.context.last & 0xFF
        self.chosen = [(memory.match, node, last) for memory in self.memories]
        self.dots = self.mixers[0].dots(self.values[:_EACH], self.chosen[0])
        shares = self.mixers[0].shares[node]
        if mixer:
            self.dots = self.dots + self.mixers[1].dots(self.values, self.chosen[1])
            shares = shares + self.mixers[1].shares[node]
        self.dots = np.clip(self.dots, -SURE, SURE)
        self.one = squash(np.float32(self.dots @ shares))
        return np.float32(self.one)

    def _learn(self, bit: int, depth: int, mixer: int) -> None:
        rates = (self.settings.mixer_rate, self.settings.gate_rate)
        missed = np.float32(bit) - squash(self.dots)
        self.mixers[mixer].learn(
            self.values, self.chosen[mixer], missed, rates, self.dots, np.float32(bit) - np.float32(self.one)
        )
        self.memories[mixer].learn(bit, depth)


def _user_weights(weights: Floats) -> Floats:
    """Corrections to the base's inputs begin at zero, weights of the user's own inputs at a fifth."""
    weights[:, _EACH:] = 0.2
    return weights
