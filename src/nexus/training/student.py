"""What this room asks of a model that learns while it reads; `nexus.flowing.Flow` is one.

Knows nothing of how it learns. Invariant: nothing here needs gradients or torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from numpy import float32
from numpy.typing import NDArray

BASE_MIXER, USER_MIXER = 0, 1


class Reading(Protocol):
    """What a student found while it read some bytes."""

    @property
    def bits(self) -> NDArray[float32]:
        """[bytes] surprise of every byte in bits, predicted before it was learnt."""

    @property
    def flow_depth(self) -> float:
        """Mean relaxation steps, 0 where nothing was learnt."""


class Student(Protocol):
    """A byte predictor; one thread at a time."""

    def read(self, data: bytes, *, learn: bool, mixer: int = 0) -> Reading:
        """Predict every byte and, where told so, learn it; goes on where the last read ended."""

    def predict(self) -> NDArray[Any]:
        """[256] probabilities of the next byte."""

    def begin(self) -> None:
        """Forget the context, not what was learnt: a new text begins."""

    def saving(self, path: Path) -> Iterator[None]:
        """Write everything learnt to `path`, atomically, a slice at each step; meanwhile learn nothing."""


Birth = Callable[[], Student]
"""Makes a student that has learnt nothing."""

Loader = Callable[[Path], Student]
"""Reads one that was saved. Raises `NexusError` for a damaged file."""
