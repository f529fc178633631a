"""The thread on which the host functions of one run are called.

A function may block for ever, a run may not: it gives up on the thread and goes on. Knows nothing of frames.
Invariant: the thread of a run that is over ends as soon as what it called returns, and at most `LOST_MOST`
threads that were given up on exist at a time.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

LOST_MOST = 64

_lost = 0
_counting = threading.Lock()


class Calls:
    """Works one thing after the other; starts its thread with the first."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lost = False

    def submit(self, work: Callable[[], None]) -> str:
        """Does `work`, which does not raise, on the thread. Gives why that cannot be, or ""."""
        if self._thread is None:
            if _lost >= LOST_MOST:
                return f"{_lost} host functions of earlier runs have not returned yet"
            thread = threading.Thread(target=self._serve, name="sandbox host functions", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                return f"no thread for a host function: {error}"
            self._thread = thread
        self._work.put(work)
        return ""

    def close(self, *, give_up: bool) -> None:
        """Ends the thread; `give_up`: without waiting for what it works at."""
        global _lost
        if self._thread is None:
            return
        if give_up:
            with _counting:
                self._lost = True
                _lost += 1
        self._work.put(None)
        if not give_up:
            self._thread.join()
        self._thread = None

    def _serve(self) -> None:
        global _lost
        while (work := self._work.get()) is not None:
            work()
        with _counting:
            if self._lost:
                _lost -= 1
