"""The learner's lessons: a thread that asks the teacher, so that a slow one holds nothing up.

Knows when to ask, not what is done with a lesson. Invariants: at most one lesson waits, so a teacher is
asked no faster than is learnt; nobody is asked while training is off or the machine is wanted, and an
answer that is being given then is left at its next word.
"""

from __future__ import annotations

from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from nexus.core.breaker import Breaker
from nexus.core.errors import NexusError
from nexus.training.known_text import KnownText
from nexus.training.learner_settings import LearnerSettings
from nexus.training.sources import source
from nexus.training.teacher import Pair, Teacher

_POLL_SECONDS = 0.5


class Lessons:
    """Owns the teacher. All methods may be called by the learner's thread at any time."""

    def __init__(self, settings: LearnerSettings, taught: KnownText, own: KnownText) -> None:
        self._settings = settings
        self._known = (taught, own)
        self._breaker = Breaker("teacher")
        self._ready: Queue[Pair] = Queue(1)
        self._wanted, self._free, self._ended = Event(), Event(), Event()
        self._free.set()
        self._wake = Event()
        self._teacher: Teacher | None = None
        self._thread: Thread | None = None
        self.topic = ""
        self.trouble = ""
        self.learnt = 0

    @property
    def active(self) -> bool:
        """Whether lessons are wanted."""
        return self._wanted.is_set()

    def start(self, topic: str) -> None:
        """Ask from now on, about `topic` or anything. Without a teacher `trouble` says what is missing."""
        self.topic = topic
        self.trouble = ""
        self._wanted.set()
        self._wake.set()
        if self._settings.teacher == "none":
            self.trouble = "no teacher is set: see training.teacher"
            return
        if self._thread is None:
            self._thread = Thread(target=self._ask_on, name="teacher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ask no more; a lesson that waits is thrown away."""
        self._wanted.clear()
        self.take()

    def hold(self, held: bool) -> None:
        """The machine is wanted by somebody (True), or free again."""
        if held:
            self._free.clear()
        else:
            self._free.set()
            self._wake.set()

    def take(self) -> Pair | None:
        """The lesson that waits."""
        try:
            return self._ready.get_nowait()
        except Empty:
            return None

    def refuse(self, reason: str) -> None:
        """The learner does not want a lesson that it was given."""
        if self._teacher is not None:
            self._teacher.refuse(reason)

    def close(self) -> None:
        """End. A question under way is left."""
        self._ended.set()
        self._wanted.clear()
        self._wake.set()

    @property
    def breaker_state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN."""
        return self._breaker.state

    def as_dict(self) -> dict[str, Any]:
        """For the metrics."""
        teacher = self._teacher
        reasons = dict(teacher.refused) if teacher else {}
        return {
            "active": self.active,
            "topic": self.topic,
            "pairs": self.learnt,
            "refused": sum(reasons.values()),
            "reasons": reasons,
            "teacher": teacher.name if teacher else "",
            "trouble": (teacher.trouble if teacher else "") or self.trouble,
        }

    def _unwanted(self) -> bool:
        return self._ended.is_set() or not self._wanted.is_set() or not self._free.is_set()

    def _ask_on(self) -> None:
        while not self._ended.is_set():
            if self._unwanted() or self._ready.full():
                self._wake.wait(_POLL_SECONDS)
                self._wake.clear()
                continue
            pair = self._ask()
            if pair is not None and not self._ended.is_set() and self._wanted.is_set():
                try:
                    self._ready.put_nowait(pair)
                except Full:  # cannot be: only this thread puts
                    raise AssertionError("two lessons at once") from None
            # After trouble too: a teacher that fails at once must not be asked in a loop.
            self._ended.wait(max(self._settings.pause_seconds, 0.0 if pair else 0.05))
        if self._teacher is not None:
            self._teacher.close()

    def _ask(self) -> Pair | None:
        if self._teacher is None:
            s = self._settings
            try:
                asked = source(s.teacher, s.url, s.model, s.api_key, s.timeout_seconds, self._unwanted)
            except NexusError as error:
                self.trouble = str(error)
                self._ended.wait(_POLL_SECONDS)
                return None
            self._teacher = Teacher(asked, self._breaker, *self._known)
        return self._teacher.next_pair(self.topic)
