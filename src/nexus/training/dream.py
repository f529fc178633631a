"""Dreaming: which passages are recalled when there is nothing new, and when that is enough.

Knows numbers of passages, not their text. A night is a run of passages drawn by surprise, of which those
are learnt again that were forgotten; after it the user's held-out passages are measured. Invariants: a
night ends; two nights that taught nothing end the dreaming until there is new text, so that an idle
machine comes to rest; a night that made things worse is reported as one to be undone.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Final, Protocol

NIGHT_BYTES: Final = 64 << 10
NIGHT_PIECES: Final = 256
WORTH_BITS: Final = 0.005  # bits per byte on held-out text that a night must gain
HARM_BITS: Final = 0.02
VAIN_NIGHTS: Final = 2
WAKING_BYTES: Final = 2048  # of new text, after which dreams may be worth it again


class Store(Protocol):
    """Where passages are drawn from."""

    def draw(self, count: int, upto: int, chance: random.Random) -> list[int]:
        """Ids of passages up to `upto`, the surprising ones more often."""


class Dream:
    """The nights of one learner."""

    def __init__(self, seed: int | None = None) -> None:
        self.nights = self.learnt_again = self.undone = self.vain = 0
        self.asleep = False
        self._random = random.Random(seed)  # noqa: S311 - a dream is no secret
        self._left: deque[int] = deque()
        self._before: float | None = None
        self._dreamt = self._new = 0

    @property
    def rested(self) -> bool:
        """Whether there is nothing to gain now."""
        return self.vain >= VAIN_NIGHTS

    def read_new(self, size: int) -> None:
        """So many bytes of new text were learnt."""
        self._new += size
        if self._new >= WAKING_BYTES:
            self.vain = self._new = 0

    def fall_asleep(self, store: Store, upto: int, held_out: float | None) -> bool:
        """Begin a night; `held_out` are bits per byte now, None without any. False where it is no use."""
        if self.rested:
            return False
        drawn = list(dict.fromkeys(store.draw(NIGHT_PIECES, upto, self._random)))
        if not drawn:
            return False
        self._left.extend(drawn)
        self._dreamt, self._before, self.asleep = 0, held_out, True
        return True

    def next(self) -> int | None:
        """The passage to read now; None at the end of the night."""
        if self._dreamt >= NIGHT_BYTES:
            self._left.clear()
        return self._left.popleft() if self._left else None

    def dreamt(self, size: int) -> None:
        """So many bytes were read again."""
        self._dreamt += size

    def wake(self, held_out: float | None) -> bool:
        """End the night. Returns whether it did harm and is to be undone."""
        self.disturbed()
        self.nights += 1
        if held_out is None or self._before is None:
            self.vain += 1
            return False
        gained = self._before - held_out
        self.vain = 0 if gained >= WORTH_BITS else self.vain + 1
        if gained <= -HARM_BITS:
            self.undone += 1
            self.vain = VAIN_NIGHTS
            return True
        return False

    def disturbed(self) -> None:
        """New text came in the middle of a night: it counts for nothing."""
        self.asleep = False
        self._left.clear()
