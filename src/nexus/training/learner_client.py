"""The learner as the service sees it: started, watched, restarted, told and asked.

Loads nothing heavy and computes nothing. Invariants: no method but `surprise` waits for the learner, and
that one no longer than it is told; at most `WAITING_BYTES` of text wait for it, more is dropped and counted;
text reaches the learner only through `gate`; a new process is told everything that the dead one was.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Condition, Event, Thread
from typing import Any, Final, Literal

from nexus.core.errors import BusyError, InvalidInputError, NotRunningError
from nexus.training.learner_life import LearnerLife
from nexus.training.learner_settings import LearnerSettings
from nexus.training.novelty import novelty

WAITING_BYTES: Final = 4 << 20
MOST_TEXT: Final = 256 << 10  # characters of one text; JSON may need four times as many bytes
MOST_SURPRISE: Final = 32 << 10
THOUGHTS, WARNINGS = 200, 50
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 300.0
HEALTHY_SECONDS: Final = 60.0

State = Literal["stopped", "starting", "running", "restarting"]
OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Surprise:
    """Bits of every byte of a text in UTF-8, and their mean; `base` is the mean for the base alone.

    `known` says whether anything of the user's was read before.
    """

    bits: Sequence[float]
    mean: float
    base: float
    known: bool

    @property
    def novelty(self) -> float | None:
        """How new the text is to who has read the user; None where nothing was read, or no text given."""
        return novelty(self.mean, self.base) if self.known and self.bits else None


class Learner:
    """All methods may be called by any thread. `gate` takes the secrets out of a text, or raises."""

    def __init__(
        self, settings: LearnerSettings, *, gate: Callable[[str], str], on_event: OnEvent | None = None
    ) -> None:
        """`on_event` is called by the learner's own thread with each thought, metrics and warning."""
        self.settings = settings
        self.thoughts: deque[dict[str, Any]] = deque(maxlen=THOUGHTS)
        self.warnings: deque[str] = deque(maxlen=WARNINGS)
        self.restored: dict[str, Any] | None = None
        self.dropped: Counter[str] = Counter()
        self.restarts = 0
        self.state: State = "stopped"
        self._gate = gate
        self._on_event = on_event
        self._metrics: dict[str, Any] = {}
        self._changed = Condition()
        self._ended = Event()
        # What a new process must know, in the order in which it is told.
        self._wanted: dict[str, dict[str, Any]] = {}
        self._orders: deque[dict[str, Any]] = deque()
        self._texts: deque[dict[str, Any]] = deque()
        self._text_size = 0
        self._questions: dict[int, Future[Surprise]] = {}
        self._asked = 0
        self._life: LearnerLife | None = None
        self._tender: Thread | None = None

    def start(self) -> None:
        """Start the process, and a thread that keeps it alive. Twice is once."""
        with self._changed:
            if self._tender is not None:
                return
            self._ended.clear()
            self.state = "starting"
            # The kernel ends the child with the thread that made it, so one thread makes all of them.
            self._tender = Thread(target=self._tend, name="learner", daemon=True)
            self._tender.start()

    def close(self, timeout: float = 20.0) -> None:
        """Let it save and end; it is killed after `timeout` seconds."""
        with self._changed:
            tender, self._tender = self._tender, None
            self._ended.set()
            self._order({"do": "stop"})
            life = self._life
        if life is not None:
            life.hurry()
        if tender is None:
            return
        tender.join(timeout)
        if tender.is_alive() and (life := self._life) is not None:
            life.kill()
            tender.join(5.0)

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        life = self._life
        return life.pid if life else None

    # What it is told

    def observe(self, text: str, source: str = "conversation", source_id: str = "") -> bool:
        """Hand over what was said, in the conversation or file `source_id`. False where it was dropped."""
        if not self.settings.replay:
            return False
        if not text.strip():
            return False
        if len(text) > MOST_TEXT:
            self.dropped["too long"] += 1
            return False
        with self._changed:
            if self._text_size + len(text) > WAITING_BYTES:
                self.dropped["too many"] += 1
                return False
            self._text_size += len(text)
            self._texts.append({"do": "observe", "source": source, "id": source_id, "text": text})
            self._changed.notify_all()
        return True

    def forget(self, source_id: str | None) -> None:
        """Delete what was said in `source_id` (None: everything), in what was learnt from it too."""
        with self._changed:
            kept = [m for m in self._texts if source_id is not None and m["id"] != source_id]
            self._texts = deque(kept)
            self._text_size = sum(len(m["text"]) for m in kept)
            self._order({"do": "forget", "id": source_id})

    def share(self, value: float) -> None:
        """Use at most this share of one core; 0 is nothing."""
        self._want("share", {"do": "share", "value": value})

    def pause(self) -> None:
        """Learn nothing until `resume`."""
        self._want("pause", {"do": "pause"})

    def resume(self) -> None:
        """Learn again."""
        self._want("pause", {"do": "resume"})

    def yield_now(self) -> None:
        """Somebody needs the machine: learn nothing until `go`."""
        self._want("yield", {"do": "yield"})

    def go(self) -> None:
        """The machine is free again."""
        self._want("yield", {"do": "go"})

    def train_start(self, topic: str = "") -> None:
        """Ask the teacher, about `topic` or anything."""
        self._want("train", {"do": "train_start", "topic": topic})

    def train_stop(self) -> None:
        """Ask no more."""
        self._want("train", {"do": "train_stop"})

    def checkpoint(self) -> None:
        """Save now."""
        with self._changed:
            self._order({"do": "checkpoint"})

    def surprise(self, text: str, timeout: float = 5.0) -> Surprise:
        """How surprising `text` is to the learner. Not for an event loop: it waits.

        Raises `InvalidInputError` for a text that is too long, `NotRunningError` when there is no
        learner, `BusyError` after `timeout` seconds, and what the gate raises.
        """
        if len(text) > MOST_SURPRISE:
            raise InvalidInputError(
                f"{len(text)} characters are too many to judge", hint=f"at most {MOST_SURPRISE}"
            )
        text = self._gate(text)
        with self._changed:
            if self.state != "running":
                raise NotRunningError(f"the learner is {self.state}", hint="ask again in a while")
            self._asked += 1
            number = self._asked
            future = self._questions[number] = Future()
            self._order({"do": "surprise", "id": number, "text": text})
        try:
            return future.result(timeout)
        except TimeoutError:
            raise BusyError(f"the learner did not answer within {timeout:g} s") from None
        finally:
            with self._changed:
                self._questions.pop(number, None)

    # What it says

    @property
    def metrics(self) -> dict[str, Any]:
        """The last that it reported, with the state of the process."""
        with self._changed:
            return {
                **self._metrics,
                "state": self.state,
                "restarts": self.restarts,
                "not_taken": dict(self.dropped),
                "restored": self.restored,
            }

    def _want(self, key: str, message: dict[str, Any]) -> None:
        with self._changed:
            self._wanted[key] = message
            self._order(message)

    def _order(self, message: dict[str, Any]) -> None:
        if self._life is not None or message["do"] == "forget":
            self._orders.append(message)
            self._changed.notify_all()

    def _tend(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ended.is_set():
            began = time.monotonic()
            life = LearnerLife(replace(self.settings, parent=os.getpid()))
            with self._changed:
                forgets = [m for m in self._orders if m["do"] == "forget"]
                self._orders = deque([*forgets, *self._wanted.values()])
                self._life = life
                if self._ended.is_set():
                    break
            life.run(self._next_message, self._heard)
            with self._changed:
                self._life = None
                for future in self._questions.values():
                    future.set_exception(NotRunningError("the learner ended", hint="ask again in a while"))
                self._questions.clear()
                if self._ended.is_set():
                    break
                self.restarts += 1
                self.state = "restarting"
            self._warn(f"the learner ended ({life.ending()}); it is started again")
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > HEALTHY_SECONDS else pause * 2
            self._ended.wait(min(pause, LONGEST_PAUSE_SECONDS))
        with self._changed:
            self._life = None
            self.state = "stopped"

    def _next_message(self, life: LearnerLife) -> dict[str, Any] | None:
        """The next thing to send, waiting for it; None at the end of this life. Orders go first."""
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._texts or life.ended.is_set())
            if life.ended.is_set():
                return None
            if self._orders:
                return self._orders.popleft()
            message = self._texts.popleft()
            self._text_size -= len(message["text"])
        try:
            return {**message, "text": self._gate(message["text"])}
        except Exception as error:  # the gate is a stranger's; what it cannot judge is not learnt
            self.dropped[f"refused by the gate: {type(error).__name__}"] += 1
            return {}

    def _heard(self, life: LearnerLife, event: dict[str, Any]) -> None:
        """One event of the process, or {} at its end."""
        kind = event.get("event")
        with self._changed:
            if kind == "ready":
                self.state = "running"
                self.restored = event.get("restored")
            elif kind == "metrics":
                self._metrics = {k: v for k, v in event.items() if k != "event"}
            elif kind == "thought":
                self.thoughts.append(event)
            elif kind == "surprise":
                future = self._questions.pop(event["id"], None)
                if future is not None:
                    future.set_result(Surprise(event["bits"], event["mean"], event["base"], event["known"]))
            self._changed.notify_all()
        if kind == "warning":
            self._warn(str(event["message"]))
        elif kind and kind != "surprise":
            self._tell(event)

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self._tell({"event": "warning", "message": message})

    def _tell(self, event: dict[str, Any]) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception as error:  # a listener's fault must not end the learner's supervision
            self.warnings.append(f"a listener failed: {type(error).__name__}: {error}")
