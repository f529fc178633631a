"""Flow: a byte predictor that learns while it reads, and what one reading was like.

The face of this room: hands out surprise in bits, takes text as bytes, keeps itself in one file. It writes
no text and knows nothing of where text comes from. Invariant: every byte is predicted before it is learnt,
and learning the user's text (mixer 1) changes nothing that base text (mixer 0) is predicted from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.flowing import saved
from nexus.flowing.settings import FlowSettings

MIXERS = 2  # 0 base text, 1 the user's


class Core(Protocol):
    """What computes: the compiled core, or the reference that defines it."""

    totals: tuple[int, int]

    def begin(self) -> None:
        """The next byte begins a text."""

    def read(self, data: bytes, learn: bool, kind: int) -> tuple[NDArray[np.float32], int]:
        """Bits of surprise of each byte, and the relaxation steps of all."""

    def predict(self, kind: int) -> NDArray[np.float32]:
        """[256], what comes next."""

    def usable(self) -> bool:
        """Whether all its numbers are finite."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its state by name, not copied."""


def compiled(settings: FlowSettings) -> Core:
    """A new compiled core. Raises `MissingPartError` where NexusOS was installed without a compiler."""
    try:
        from nexus import _flowing
    except ImportError as error:
        raise MissingPartError(
            "the compiled part that learns (nexus._flowing) is missing",
            hint="apt-get install g++ python3-dev && make up",
        ) from error
    return _flowing.Core(**settings.as_dict())


@dataclass(frozen=True)
class Reading:
    """What reading some bytes was like."""

    bits: NDArray[np.float32]  # [bytes] surprise of each, predicted before it was learnt
    flow_depth: float  # mean relaxation steps a byte; 0 where nothing was learnt

    @property
    def bits_per_byte(self) -> float:
        """The mean surprise; 0 of nothing."""
        return float(self.bits.mean(dtype=np.float64)) if len(self.bits) else 0.0


class Flow:
    """A byte predictor that learns while it reads. One instance, one thread at a time."""

    def __init__(
        self, settings: FlowSettings | None = None, *, core: Callable[[FlowSettings], Core] = compiled
    ) -> None:
        """A Flow that has learnt nothing. `core` is what computes; `Reference` is the slow exact one.

        Raises `MissingPartError` where the compiled core is missing.
        """
        self.settings = settings or FlowSettings()
        self._core = core(self.settings)
        self._mixer = 0

    def read(self, data: bytes, *, learn: bool, mixer: int = 0) -> Reading:
        """Predict every byte and, where `learn`, learn it; goes on where the last reading stopped.

        `mixer` 0 is base text, 1 the user's. Raises `InvalidInputError` for another.
        """
        if mixer not in range(MIXERS):
            raise InvalidInputError(f"there is no mixer {mixer!r}", hint="0 is base text, 1 the user's")
        self._mixer = mixer
        bits, steps = self._core.read(bytes(data), learn, mixer)
        return Reading(bits, steps / len(data) if data else 0.0)

    def predict(self) -> NDArray[np.float32]:
        """[256] probabilities of the next byte, by the mixer of the last reading."""
        return self._core.predict(self._mixer)

    def begin(self) -> None:
        """Forget the context, not what was learnt: a new text begins."""
        self._core.begin()

    @property
    def bytes_learned(self) -> int:
        """How many bytes were learnt, base and user's together."""
        return sum(self._core.totals)

    def save(self, path: Path) -> None:
        """Write all that was learnt into `path`, which is the old file or the new one, never a part.

        The context is not kept. Raises `StorageError`.
        """
        for _ in self.saving(path):
            pass

    def saving(self, path: Path) -> Iterator[None]:
        """`save`, a slice of about ten milliseconds at each step. Nothing may be learnt before it ends.

        Whoever gives up half-way closes the generator: the old file stays. Raises `StorageError`.
        """
        return saved.writing(path, self.settings, self._core.totals, self._core.arrays())

    @classmethod
    def load(cls, path: Path, *, core: Callable[[FlowSettings], Core] = compiled) -> Flow:
        """The Flow that was saved in `path`, at the beginning of a text.

        Raises `NotFoundError`, `StorageError`, `MissingPartError`, or `ModelCorruptError` naming the file.
        """
        file = saved.Saved(path)
        flow = cls(file.settings, core=core)
        file.fill(flow._core.arrays())
        flow._core.totals = file.totals
        if not flow._core.usable():
            raise file.corrupt("it holds values that nothing can be computed with")
        return flow
