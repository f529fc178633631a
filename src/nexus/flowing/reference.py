"""Reference: what a Flow computes, as plain as it can be said in NumPy. About a kilobyte a second.

Two kinds of text, each with its own memory, energy cell and mixer: 0 the base, 1 the user's. Base text is
foreseen from the base alone. The user's text is foreseen from both, by mixing weights that are the base's
plus a correction; learning it changes the user's part only, so it cannot cost the base anything. The C core
(`native/flowing`) equals this to a small tolerance; `tests/unit/flowing` compares them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.flowing import states
from nexus.flowing.contexts import CONTEXTS, Context
from nexus.flowing.energy import EnergyCell
from nexus.flowing.memory import INPUTS, Memory, second_half, stretch
from nexus.flowing.mixing import SURE, Floats, Mixer, squash
from nexus.flowing.settings import FlowSettings

# Beside what the memory says: what the energy cell says, and a constant.
_EACH = INPUTS + 2


class Reference:
    """See above. One thread at a time."""

    def __init__(self, settings: FlowSettings) -> None:
        self.settings = settings
        self.context = Context()
        bits = (settings.base_bits, settings.user_bits)
        self.memories = [Memory(b, settings.match_bits) for b in bits]
        self.cells = [EnergyCell(settings) for _ in bits]
        # The user's corrections to the base begin at zero.
        self.mixers = [
            Mixer(_first_weights(), 1 / 3),
            Mixer(np.concatenate([np.zeros(_EACH, np.float32), _first_weights()]), 0),
        ]

    def begin(self) -> None:
        """A new text begins."""
        self.context.begin()
        for memory in self.memories:
            memory.begin()

    def read(self, data: bytes, learn: bool, kind: int) -> tuple[Floats, int]:
        """Bits of surprise of every byte, and the relaxation steps of all."""
        bits, steps = np.zeros(len(data), np.float32), 0
        for number, byte in enumerate(data):
            bits[number] = self._byte(byte, learn, kind)
            if learn:
                steps += self.cells[kind].learn(byte)
            self.context.add(byte)
            for memory in self.memories:
                memory.follow(byte, self.context)
            if learn:
                self.memories[kind].keep(byte, self.context)
        return bits, steps

    def predict(self, kind: int) -> Floats:
        """[256] probabilities of the next byte; nothing is learnt."""
        hashes = self._foresee(kind, learn=False)
        p = np.zeros(512, np.float32)
        p[1] = 1
        for node in range(1, 256):
            depth = node.bit_length() - 1
            if depth >= 4:
                for memory in self.memories[: kind + 1]:
                    memory.find(second_half(hashes, node >> (depth - 4)), learn=False)
            one = self._bit(node, depth, kind)
            p[2 * node + 1], p[2 * node] = p[node] * one, p[node] * (1 - one)
        return np.asarray(p[256:] / p[256:].sum(), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was learnt, by name, live: what is written into these is what the model then is."""
        found: dict[str, NDArray[Any]] = {}
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

    def usable(self) -> bool:
        """Whether what was written into `arrays` can be computed with; begins a new text."""
        self.begin()
        count = len(states.states()[0])
        for name, array in self.arrays().items():
            if name.endswith("buckets") and not (array[:, 1:] < count).all():
                return False
            if array.dtype == np.float32:
                least, most = (1 / 8192, 1 - 1 / 8192) if name.endswith("guess") else (-1e6, 1e6)
                if not ((array >= least) & (array <= most)).all():
                    return False
        return True

    @property
    def totals(self) -> tuple[int, int]:
        """Bytes learnt of base text and of the user's."""
        return self.memories[0].total, self.memories[1].total

    @totals.setter
    def totals(self, totals: tuple[int, int]) -> None:
        for memory, total in zip(self.memories, totals, strict=True):
            memory.total = total

    def _foresee(self, kind: int, learn: bool) -> list[int]:
        hashes = self.context.hashes()
        for each in range(2):
            self.memories[each].foresee()
        for each in range(kind + 1):
            self.memories[each].find(hashes, learn and each == kind)
            self.cells[each].foresee(hashes)
        return hashes

    def _byte(self, byte: int, learn: bool, kind: int) -> np.float32:
        hashes, node, surprise = self._foresee(kind, learn), 1, np.float32(0)
        for depth in range(8):
            if depth == 4:
                for each in range(kind + 1):
                    self.memories[each].find(second_half(hashes, node), learn and each == kind)
            bit = byte >> (7 - depth) & 1
            one = self._bit(node, depth, kind)
            surprise -= np.log2(one if bit else 1 - one)
            if learn:
                self._learn(bit, depth, kind)
            node = 2 * node + bit
        return surprise

    def _bit(self, node: int, depth: int, kind: int) -> np.float32:
        """The probability that the next bit is one."""
        said = []
        for each in range(kind + 1):
            energy = stretch(self.cells[each].bit(node))
            said += [self.memories[each].inputs(node, depth), np.array([energy, 0.3], np.float32)]
        self.values, last = np.concatenate(said), self.context.last & 0xFF
        self.chosen = [(memory.situation, node, last) for memory in self.memories[: kind + 1]]
        self.dots = self.mixers[0].dots(self.values[:_EACH], self.chosen[0])
        shares = self.mixers[0].shares[self.chosen[0][0]]
        if kind:
            self.dots = self.dots + self.mixers[1].dots(self.values, self.chosen[1])
            shares = shares + self.mixers[1].shares[self.chosen[1][0]]
        self.dots = np.clip(self.dots, -SURE, SURE)
        self.one = squash(np.float32(self.dots @ shares))
        return np.float32(self.one)

    def _learn(self, bit: int, depth: int, kind: int) -> None:
        settings, memory, learning = self.settings, self.memories[kind], self.mixers[kind]
        rate = np.float32(settings.user_mixer_rate if kind else settings.mixer_rate)
        missed = np.float32(bit) - squash(self.dots)
        learning.learn(self.values, self.chosen[kind], rate * missed, memory.familiar)
        together = np.float32(bit) - np.float32(self.one)
        learning.shares[memory.situation] += np.float32(settings.gate_rate) * together * self.dots
        memory.learn(bit, depth)


def _first_weights() -> Floats:
    """[_EACH] What is stretched counts a little, the rest nothing yet.

    Rows that are seldom chosen keep these; larger ones add up to more certainty than is right.
    """
    weights = np.zeros(_EACH, np.float32)
    weights[:CONTEXTS] = weights[INPUTS - 2] = weights[INPUTS] = 0.06
    return weights
