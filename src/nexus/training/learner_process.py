"""The process that learns: `python -P -m nexus.training.learner_process FD`, spoken to over a socket.

Paces the learning loop and answers the service; knows neither. The first line it reads are its settings.
Invariants: it never outlives its parent; after `yield` it ends the slice it is in and learns nothing until
`go`; it uses no more than its share of a core; killed at any moment, it goes on from its last checkpoint.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any, Final

from nexus.core import platform
from nexus.core.breaker import Breaker
from nexus.core.errors import MissingPartError, NexusError
from nexus.core.pace import DutyCycle
from nexus.training.learner import LearningLoop, student_pair
from nexus.training.learner_settings import LearnerSettings
from nexus.training.messages import Messages

EXIT_MEMORY, EXIT_ERROR = 12, 3
INBOX_BYTES: Final = 8 << 20
THOUGHTS_A_SECOND: Final = 4


class LearnerProcess:
    """One life: messages in, slices of learning, events out."""

    def __init__(self, messages: Messages, settings: LearnerSettings, inbox: Inbox) -> None:
        self._messages = messages
        self._inbox = inbox
        self._settings = settings
        self._duty = DutyCycle(settings.share)
        self._breaker = Breaker("learning")
        self._paused = self._starved = self._ended = False
        self._trouble = ""
        started = time.monotonic()
        self._next_metrics = started
        self._next_checkpoint = started + settings.checkpoint_seconds
        self._thoughts_left = THOUGHTS_A_SECOND
        self._loop = LearningLoop(settings, *student_pair())

    def run(self) -> None:
        """Until the service says stop or is gone."""
        restored = self._loop.restored
        report = {
            "checkpoint": restored.name,
            "seconds_old": round(restored.age_seconds, 1),
            "bytes_learned": self._loop.progress.bytes_learned,
            "unread": self._loop.replay.unread(self._loop.progress.read_upto),
            "skipped": list(restored.skipped),
        }
        self._send({"event": "ready", "restored": report if restored.name or restored.skipped else None})
        if self._settings.bootstrap:
            self._train("")
        while not self._ended:
            self._answer_all()
            self._report()
            # Everything that came was heard; what comes from here on ends the pause.
            self._duty.pause_after_step(self._inbox.wake)
            if self._inbox.wake.is_set():
                self._inbox.wake.clear()
                continue
            if not self._learn():
                self._inbox.wake.wait(min(0.5, max(0.0, self._next_metrics - time.monotonic())))
        with suppress(NexusError):  # the disk may be why we stop; the last checkpoint stays
            self._loop.checkpoint()
        self._loop.close()

    def _learn(self) -> bool:
        """One slice. False where there is nothing to do, or not now."""
        if self._loop.saving:
            return self._save_on()
        if self._held or not self._breaker.allow():
            return False
        try:
            worked = self._loop.step()
        except NexusError as error:
            self._breaker.failed(error)
            self._warn(str(error))
            return False
        self._breaker.succeeded()
        self._inbox.steps = self._loop.steps
        return worked

    def _save_on(self) -> bool:
        """One slice of a checkpoint: when told to pause, too, but not while somebody is served."""
        if self._inbox.yielded.is_set():
            return False
        for_a_dream = self._loop.dream.asleep
        try:
            self._loop.save_on()
        except NexusError as error:
            if for_a_dream:
                self._breaker.failed(error)
            self._warn(f"no checkpoint: {error}")
        self._inbox.steps = self._loop.steps
        return True

    def _answer_all(self) -> None:
        while not self._ended and (message := self._inbox.take()) is not None:
            try:
                self._answer(message)
            except NexusError as error:
                self._warn(str(error))
            except (LookupError, TypeError, ValueError) as error:
                self._warn(f"a message could not be used: {type(error).__name__} {error}")
        if self._inbox.ended.is_set():
            self._ended = True

    def _answer(self, message: dict[str, Any]) -> None:
        loop = self._loop
        match message["do"]:
            case "observe":
                source = str(message.get("id", ""))
                loop.observe(str(message["text"]), str(message.get("source", "conversation")), source)
            case "share":
                value = float(message["value"])
                self._starved = value <= 0
                if not self._starved:
                    self._duty.share = value
                self._hold_lessons()
            case "pause" | "resume" as do:
                self._paused = do == "pause"
                self._hold_lessons()
            case "yield":
                self._hold_lessons()
                waited = 1000 * (time.monotonic() - message["heard"])
                slices = loop.steps - message["steps"]
                self._send({"event": "yielded", "steps_after": slices, "milliseconds": round(waited, 1)})
            case "go":
                self._hold_lessons()
            case "train_start":
                self._train(str(message.get("topic", "")))
            case "train_stop":
                loop.lessons.stop()
            case "surprise":
                self._surprise(message["id"], str(message["text"]))
            case "forget":
                what = message.get("id")
                gone = loop.forget(None if what is None else str(what))
                self._send({"event": "forgotten", "id": what, "pieces": gone})
            case "checkpoint":
                self._checkpoint()
            case "stop":
                self._ended = True
            case other:
                self._warn(f"the learner does not know {str(other)[:40]!r}")

    def _surprise(self, number: int, text: str) -> None:
        bits = self._loop.surprise(text)
        mean = sum(bits) / len(bits) if bits else 0.0
        base = self._loop.base_surprise(text)
        known = self._loop.progress.read_upto > 0
        figures = {"mean": round(mean, 4), "base": round(base, 4), "known": known}
        self._send({"event": "surprise", "id": number, "bits": bits, **figures})

    def _train(self, topic: str) -> None:
        lessons = self._loop.lessons
        lessons.start(topic or self._settings.topic)
        if lessons.trouble:
            self._warn(lessons.trouble)

    @property
    def _held(self) -> bool:
        return self._paused or self._starved or self._inbox.yielded.is_set()

    def _hold_lessons(self) -> None:
        self._loop.lessons.hold(self._held)

    def _report(self) -> None:
        loop = self._loop
        while loop.warnings:
            self._warn(loop.warnings.popleft())
        while loop.thoughts and self._thoughts_left:
            self._thoughts_left -= 1
            self._send(loop.thoughts.popleft())
        now = time.monotonic()
        if now >= self._next_checkpoint:
            self._checkpoint()
        if now < self._next_metrics:
            return
        self._next_metrics = now + self._settings.metrics_seconds
        self._thoughts_left = THOUGHTS_A_SECOND
        loop.thoughts.clear()  # what was thought meanwhile is over; nobody could read that fast
        metrics = loop.metrics()
        metrics["breakers"] = {"learning": self._breaker.state, "teacher": loop.lessons.breaker_state}
        metrics["rss_mb"] = round(_rss_bytes() / 1e6, 1)
        metrics["paused"] = self._paused
        metrics["yielded"] = self._inbox.yielded.is_set()
        metrics["steps"] = loop.steps
        metrics["dropped"] = self._inbox.dropped + self._messages.refused
        self._send({"event": "metrics", **metrics})

    def _checkpoint(self) -> None:
        self._next_checkpoint = time.monotonic() + self._settings.checkpoint_seconds
        self._loop.begin_checkpoint()

    def _warn(self, message: str) -> None:
        if message != self._trouble:  # a full disk would say so a hundred times
            self._trouble = message
            self._send({"event": "warning", "message": message})

    def _send(self, event: dict[str, Any]) -> None:
        try:
            self._messages.send(event)
        except OSError:
            self._ended = True


class Inbox:
    """What the service said and was not answered yet; filled by a thread of its own.

    `yielded` is set the moment the word is heard, not when its turn comes. Texts beyond `INBOX_BYTES`
    are dropped and counted; every other message is kept.
    """

    def __init__(self, lines: Iterator[dict[str, Any]]) -> None:
        self.wake, self.yielded, self.ended = Event(), Event(), Event()
        self.dropped = self.steps = 0
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        self._bytes = 0
        self._lock = Lock()
        self._lines = lines

    def take(self) -> dict[str, Any] | None:
        """The oldest."""
        with self._lock:
            if not self._waiting:
                return None
            size, message = self._waiting.popleft()
            self._bytes -= size
            return message

    def fill(self) -> None:
        """Until the service is gone."""
        for message in self._lines:
            do = message.get("do")
            if do == "yield":
                message["heard"], message["steps"] = time.monotonic(), self.steps
                self.yielded.set()
            elif do == "go":
                self.yielded.clear()
            size = 200 + len(str(message.get("text", "")))
            with self._lock:
                if self._bytes + size <= INBOX_BYTES or do not in ("observe", "surprise"):
                    self._waiting.append((size, message))
                    self._bytes += size
                else:
                    self.dropped += 1
            self.wake.set()
        self.ended.set()
        self.wake.set()


def give_way(settings: LearnerSettings) -> None:
    """End with the parent, run only when nobody else would, be the first to go when RAM is short."""
    with suppress(MissingPartError):
        platform.die_with_parent(settings.parent)
    with suppress(OSError, AttributeError):  # not on this system; the duty cycle holds the share anyway
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("800")
    if settings.ram_mib:
        limit = settings.ram_mib << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _rss_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def main() -> None:
    """The child process: settings, then requests, on the socket whose number is its argument."""
    messages = Messages(socket.socket(fileno=int(sys.argv[1])))
    lines = messages.receive()
    first = next(lines, None)
    if first is None:
        os._exit(EXIT_ERROR)
    settings = LearnerSettings(**first)
    give_way(settings)
    inbox = Inbox(lines)
    try:
        Thread(target=inbox.fill, name="inbox", daemon=True).start()
        LearnerProcess(messages, settings, inbox).run()
    except MemoryError:
        _memory_ran_out(messages, settings)
    except RuntimeError as error:
        if not settings.ram_mib or "thread" not in str(error):
            raise
        _memory_ran_out(messages, settings)  # a thread's stack is memory too
    except NexusError as error:
        with suppress(OSError):
            messages.send({"event": "warning", "message": str(error)})
        os._exit(EXIT_ERROR)
    # A question to the teacher may still be open; nobody waits for its answer.
    os._exit(0)


def _memory_ran_out(messages: Messages, settings: LearnerSettings) -> None:
    limit = f"training.ram_mib = {settings.ram_mib}" if settings.ram_mib else "there is"
    with suppress(OSError, MemoryError):
        messages.send({"event": "warning", "message": f"the learner needs more memory than {limit}"})
    os._exit(EXIT_MEMORY)


if __name__ == "__main__":
    main()
