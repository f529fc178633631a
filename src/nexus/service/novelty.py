"""Between what was said and what is learnt: the learner is asked how new a sentence is before it reads it.

One thread, working off a bounded list; knows neither the learner nor the proposals, only how to ask, whom to
tell and whom to hand the text. Invariants: nobody who puts something here waits; a text is handed on whether
or not anything could be asked, in order, and after its sentences were; a learner that is dead or slow is
asked no more for a minute; what was forgotten meanwhile is handed on to nobody.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nexus.core.breaker import Breaker
from nexus.core.errors import NexusError

MOST_WAITING: Final = 256
MOST_CHARS: Final = 1 << 20
_log = logging.getLogger(__name__)

Tell = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words to be asked about, and who wants to know how new they are (0 known by heart, 1 new)."""

    words: str
    tell: Tell


@dataclass(slots=True)
class _Heard:
    text: str
    source: str
    sentences: Sequence[Sentence]
    forgotten: bool = False


class Novelty:
    """Methods may be called from any thread."""

    def __init__(
        self,
        ask: Callable[[str], float | None],
        learn: Callable[[str, str], object],
        *,
        breaker: Breaker | None = None,
    ) -> None:
        """`ask` gives how new a sentence is, or None where that cannot be said; it raises `NexusError` when
        the learner does not answer in time. `learn` takes a text and the name of its session."""
        self._ask, self._learn = ask, learn
        self._breaker = breaker or Breaker("asking the learner", failures=2)
        self._waiting: deque[_Heard] = deque()
        self._chars = 0
        self._changed = threading.Condition()
        self._working: _Heard | None = None
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.asked = self.unasked = 0

    def put(self, text: str, source: str, sentences: Sequence[Sentence] = ()) -> None:
        """Note a text that was said in `source`, and the sentences to ask about before it is learnt.

        Where too much waits already, the sentences are not asked about.
        """
        with self._changed:
            heard = _Heard(text, source, tuple(sentences))
            full = len(self._waiting) >= MOST_WAITING or self._chars + len(text) > MOST_CHARS
            idle = not self._waiting and self._working is None
            if not self.stopping.is_set() and not full and (heard.sentences or not idle):
                self._waiting.append(heard)
                self._chars += len(text)
                self._start()
                self._changed.notify_all()
                return
            self.unasked += len(heard.sentences)
            self._learn(text, source)

    def forget(self, source: str | None, then: Callable[[], None]) -> None:
        """Drop what was said in `source` (None: everything), then call `then`; nothing of it is handed on."""
        with self._changed:
            gone = [h for h in self._waiting if source is None or h.source == source]
            for heard in gone:
                self._waiting.remove(heard)
                self._chars -= len(heard.text)
            if self._working and (source is None or self._working.source == source):
                self._working.forgotten = True
            then()

    def stop(self, seconds: float = 1.0) -> None:
        """Ask nothing more, hand on what waits, and end; a question that is open is waited for so long."""
        self.stopping.set()
        with self._changed:
            thread = self._thread
            self._changed.notify_all()
        if thread:
            thread.join(seconds)

    @property
    def waiting(self) -> int:
        """Texts that are not handed on yet."""
        with self._changed:
            return len(self._waiting) + (self._working is not None)

    def as_dict(self) -> dict[str, int]:
        """For `/api/status`: sentences that were judged and that were not, and texts that wait."""
        return {"asked": self.asked, "unasked": self.unasked, "waiting": self.waiting}

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="nexus-novelty", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self.stopping.is_set())
                if not self._waiting:
                    return
                heard = self._working = self._waiting.popleft()
                self._chars -= len(heard.text)
            try:
                self._ask_about(heard)
            except Exception:
                # Whoever wanted to know could not be told; what was said is learnt all the same.
                _log.exception("what the learner said of a sentence was not kept")
            with self._changed:
                self._working = None
                if not heard.forgotten:
                    self._learn(heard.text, heard.source)

    def _ask_about(self, heard: _Heard) -> None:
        for place, sentence in enumerate(heard.sentences):
            if self.stopping.is_set() or heard.forgotten or not self._breaker.allow():
                self.unasked += len(heard.sentences) - place
                return
            try:
                found = self._ask(sentence.words)
            except NexusError as error:
                self._breaker.failed(error)
                self.unasked += 1
                continue
            if found is None:
                self._breaker.undecided()
                self.unasked += 1
                continue
            self._breaker.succeeded()
            self.asked += 1
            if not heard.forgotten:
                sentence.tell(found)
