"""One answer for all who ask at the same time, made anew for who asks later.

Knows nothing of what is answered. Invariants: nobody gets an answer whose making had begun before he asked,
so what a client has changed it finds changed; only one is being made at a time; a client that goes takes
nothing from the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Belongs to one event loop. `make` runs in a thread."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """What `make` returned, begun after this was called. Raises what it raised."""
        if self._next is None:
            self._next = asyncio.create_task(self._in_turn())
            self._next.add_done_callback(_look)
        return await asyncio.shield(self._next)

    async def _in_turn(self) -> T:
        async with self._turn:
            self._next = None
            return await asyncio.to_thread(self._make)


def _look(task: asyncio.Task[T]) -> None:
    """A failure that nobody waits for any more is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
