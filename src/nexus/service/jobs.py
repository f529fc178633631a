"""Work that waits its turn: a bounded queue with priorities and lanes.

A lane is something of which only so many can run at once (the model, the indexer). Invariant: at most
`limit` jobs wait; one more is refused with `BusyError` at once, so a client learns it and memory does
not grow.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from nexus.core.errors import BusyError
from nexus.service.traffic import Caller


class Lane(StrEnum):
    """What a job needs."""

    ENGINE = "engine"
    KNOWLEDGE = "knowledge"
    DOWNLOAD = "download"


class Priority(IntEnum):
    """Smaller goes first."""

    INTERACTIVE = 0
    AGENT = 1
    INGEST = 2


@dataclass(eq=False, slots=True)
class Job:
    """One piece of work. `run` is called in a lane's thread and is expected to watch `cancel`.

    `caller` is the program that asked, where one did; `session` and `project` what it said of itself.
    What `background` work asks is nobody's conversation.
    """

    lane: Lane
    priority: Priority
    run: Callable[[Job], None]
    cancel: threading.Event = field(default_factory=threading.Event)
    caller: Caller | None = None
    session: str = ""
    project: str = ""
    background: bool = False


class JobQueue:
    """Jobs by priority, first come first served within one."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._jobs: list[tuple[int, int, Job]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()

    def put(self, job: Job) -> int:
        """Queue a job. Returns how many wait before it. Raises `BusyError` when the queue is full."""
        with self._changed:
            self._jobs = [entry for entry in self._jobs if not entry[2].cancel.is_set()]
            if len(self._jobs) >= self.limit:
                raise BusyError(
                    f"{self.limit} requests are waiting already", hint="try again in a few seconds"
                )
            entry = (int(job.priority), next(self._number), job)
            self._jobs.append(entry)
            self._changed.notify()
            return sum(1 for e in self._jobs if e[:2] < entry[:2] and e[2].lane == job.lane)

    def take(self, free: Collection[Lane], timeout: float) -> Job | None:
        """The first job whose lane is free, or None after `timeout` seconds."""
        with self._changed:
            entry = self._first(free)
            if entry is None:
                self._changed.wait(timeout)
                entry = self._first(free)
            if entry is None:
                return None
            self._jobs.remove(entry)
            return entry[2]

    def wake(self) -> None:
        """Let a waiting `take` look again (a lane has become free)."""
        with self._changed:
            self._changed.notify_all()

    def clear(self) -> list[Job]:
        """Take all waiting jobs out."""
        with self._changed:
            jobs = [entry[2] for entry in self._jobs]
            self._jobs.clear()
            return jobs

    def __len__(self) -> int:
        with self._changed:
            return sum(1 for entry in self._jobs if not entry[2].cancel.is_set())

    def _first(self, free: Collection[Lane]) -> tuple[int, int, Job] | None:
        self._jobs = [entry for entry in self._jobs if not entry[2].cancel.is_set()]
        return min((e for e in self._jobs if e[2].lane in free), key=lambda e: e[:2], default=None)
