"""One text on its way through the student, a slice at a time, and what it looked like.

Knows the student as a Protocol. Invariant: a slice takes about `SLICE_SECONDS` of this thread's CPU,
whatever the student's speed, so that whoever needs the machine waits no longer than that.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy import float32
from numpy.typing import NDArray

from nexus.training.replay import Piece
from nexus.training.student import Student
from nexus.training.teacher import Pair

SLICE_SECONDS: Final = 0.02
LEAST_BYTES, MOST_BYTES = 4, 4096
THOUGHT_CHARS: Final = 600
THOUGHT_PIECES: Final = 120
_WORD = re.compile(rb"\s*[^\s]+|\s+")

Purpose = Literal["base", "reading", "recall", "dream", "teacher", "judging", "now", "frozen", "base check"]


@dataclass(slots=True)
class Task:
    """A text and what it is read for. `bits` grows with it."""

    purpose: Purpose
    data: bytes
    learn: bool
    mixer: int
    piece: Piece | None = None
    pair: Pair | None = None
    at: int = 0
    bits: list[NDArray[float32]] = field(default_factory=list)
    steps: float = 0.0

    @property
    def done(self) -> bool:
        """Whether all of it was read."""
        return self.at >= len(self.data)

    @property
    def total_bits(self) -> float:
        """Surprise of all that was read."""
        return float(sum(part.sum(dtype=np.float64) for part in self.bits))

    @property
    def bits_per_byte(self) -> float:
        """The mean of that."""
        return self.total_bits / self.at if self.at else 0.0


class Slices:
    """Reads tasks with one student; the size of a slice follows its speed."""

    def __init__(self, student: Student) -> None:
        self.student = student
        self.size = 256
        self._reading: Task | None = None

    def read_on(self, task: Task) -> int:
        """Read the next slice of `task`. Returns its bytes."""
        if task is not self._reading:
            # Another text was read in between, or this one begins.
            self.student.begin()
            self._reading = task
        part = task.data[task.at : task.at + self.size]
        started = time.thread_time()
        found = self.student.read(part, learn=task.learn, mixer=task.mixer)
        used = time.thread_time() - started
        task.at += len(part)
        task.bits.append(found.bits)
        task.steps += found.flow_depth * len(part)
        self._follow(len(part), used)
        if task.done:
            self._reading = None
        return len(part)

    def interrupted(self) -> None:
        """Something else was read with the student."""
        self._reading = None

    def _follow(self, size: int, used: float) -> None:
        if size < self.size and used < SLICE_SECONDS:
            return  # the short end of a text says little
        wanted = size * SLICE_SECONDS / max(used, 1e-6)
        grown = min(2.0 * self.size, max(0.25 * self.size, wanted))
        self.size = int(min(MOST_BYTES, max(LEAST_BYTES, grown)))


def words_with_bits(data: bytes, bits: NDArray[float32]) -> list[tuple[str, float]]:
    """The words at the beginning of `data`, each with its surprise in bits, for people to look at.

    At most `THOUGHT_CHARS` bytes and `THOUGHT_PIECES` words: a thought is a glimpse, not the text.
    """
    found = []
    for match in _WORD.finditer(data, 0, THOUGHT_CHARS):
        start, end = match.span()
        found.append((match[0].decode("utf-8", "replace"), round(float(bits[start:end].sum()), 2)))
        if len(found) == THOUGHT_PIECES:
            break
    return found
