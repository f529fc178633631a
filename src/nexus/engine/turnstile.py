"""First come, first served: callers of a model that answers one at a time.

Knows nothing of models. Invariant: at most one holder, and the longest waiting caller is next.
`threading.Lock` keeps no order, so with eight callers one could wait for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Event

POLL_SECONDS = 0.05


class Turnstile:
    """A fair lock whose wait can be cancelled and that any thread may release."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._line: deque[object] = deque()

    @contextmanager
    def turn(self, cancel: Event) -> Iterator[bool]:
        """Wait for the turn; gives False when `cancel` was set first."""
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            with self._changed:
                while self._line[0] is not ticket and not cancel.is_set():
                    self._changed.wait(POLL_SECONDS)
                granted = self._line[0] is ticket and not cancel.is_set()
            yield granted
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Callers inside, the holder included."""
        with self._changed:
            return len(self._line)
