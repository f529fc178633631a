"""When a bounded buffer is trimmed: at 90 % of what it may hold, to 75 % (seed 002).

Knows nothing of what is in it: the replay buffer decides itself what it can do without, a history drops its
oldest. Invariant: trimming in large pieces, never one by one, so that a buffer at its limit costs nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from nexus.core.settings import HousekeepingSettings

T = TypeVar("T")


class Buffer(Protocol):
    """What can be trimmed. Sizes are in whatever it is counted in: bytes, items."""

    @property
    def used(self) -> int:
        """How much it holds."""

    @property
    def limit(self) -> int:
        """How much it may hold."""

    def trim(self, size: int) -> None:
        """Let go of what matters least until at most `size` is used."""


def trim_when_full(buffer: Buffer, settings: HousekeepingSettings, *, now: bool = False) -> int:
    """Trim a buffer that is full; with `now` also one that only holds more than is kept.

    Returns how much went. Call it from the thread that the buffer belongs to.
    """
    before, kept = buffer.used, int(buffer.limit * settings.buffer_trim_percent / 100)
    full = before * 100 >= buffer.limit * settings.buffer_full_percent
    if not full and not (now and before > kept):
        return 0
    buffer.trim(kept)
    return before - buffer.used


class History(Generic[T]):
    """The last things that happened, oldest first: at most `limit`, the rest is forgotten.

    May be added to and read by several threads.
    """

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque(maxlen=limit)
        self._limit = limit

    @property
    def used(self) -> int:
        return len(self._items)

    @property
    def limit(self) -> int:
        return self._limit

    def add(self, item: T) -> None:
        """The newest; at the limit the oldest goes."""
        self._items.append(item)

    def trim(self, size: int) -> None:
        """Keep the newest `size`."""
        while len(self._items) > size:
            self._items.popleft()

    def items(self) -> list[T]:
        """All of them, oldest first."""
        return list(self._items)
