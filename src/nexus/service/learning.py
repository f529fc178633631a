"""Learning beside serving: when the learner may run, what it hears, what is known of it (seed 002).

Knows neither the model nor how it learns; the learner's process does the work. Invariants: nobody who calls
this waits for it; it holds while somebody is served; only what has passed the gate for secrets reaches it;
its process is there only while there is something to learn; a sentence is judged before it is learnt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Literal

from nexus.core.buffers import Buffer, History
from nexus.core.config import Config
from nexus.core.errors import BusyError, InvalidInputError
from nexus.cortex import secrets
from nexus.service.novelty import Novelty, Sentence
from nexus.service.resource import ResourceGovernor
from nexus.training.learner_client import Learner
from nexus.training.learner_settings import learner_settings

Action = Literal["pause", "resume", "train_start", "train_stop"]
# A learner that has nothing more to learn ends after so long: it holds some 60 MB.
REST_SECONDS = 600.0
HISTORY_SECONDS, HISTORY_POINTS = 10.0, 720
# A process that starts reads its checkpoint first; one that is asked runs only when nobody else does.
READY_SECONDS, ASK_SECONDS = 20.0, 10.0
_CURVES = ("experience_factor", "flow_depth", "bits_per_byte")
_THOUGHTS = 60


class Learning:
    """May be called from any thread."""

    def __init__(self, config: Config, governor: ResourceGovernor) -> None:
        settings = config.settings.training
        self._settings = settings
        self._home = config.home
        self._governor = governor
        self._learner = Learner(
            learner_settings(settings, config.home), gate=secrets.blacked_out, on_event=self._heard
        )
        self.novelty = Novelty(self._newness, self._learn)
        self._lock = threading.Lock()
        self._started = self._resting = self._stopped = False
        self._told = 0  # how often there was something for the process
        self._busy = 0.0  # when it was last told something, or had something to do
        self._paused = False
        self._held = False
        self._share: float | None = None
        self._topic: str | None = None
        self._thoughts: History[tuple[int, dict[str, Any]]] = History(_THOUGHTS)
        self._thought = 0
        self._history: History[dict[str, float]] = History(HISTORY_POINTS)
        self._next_point = 0.0
        governor.listen(self._serving)

    @property
    def enabled(self) -> bool:
        """Whether there is anything that it could learn from."""
        return self._settings.enabled or self._settings.teacher != "none"

    @property
    def buffers(self) -> dict[str, Buffer]:
        """What the service's memory manager may trim."""
        return {"thoughts": self._thoughts, "curves": self._history}

    @property
    def paused(self) -> bool:
        """Whether the user has told it to wait."""
        return self._paused

    @property
    def pid(self) -> int | None:
        """The learner's process, while it lives."""
        return self._learner.pid

    def start(self) -> None:
        """Go on from where an earlier run was, if there was one."""
        known = self._home.training / "replay.db"
        if self.enabled and (self._settings.bootstrap or known.exists()):
            self._begin()
        if self._settings.bootstrap:
            self._train(self._settings.topic)

    def stop(self) -> None:
        """Let it save and end, for good."""
        self.novelty.stop()
        with self._lock:
            self._stopped = True
        self._learner.close()

    def observe(self, text: str, source_id: str = "", sentences: Sequence[Sentence] = ()) -> None:
        """What was said in the conversation `source_id`; how new `sentences` are is found out before."""
        if self._settings.enabled and (text.strip() or sentences):
            self.novelty.put(text, source_id, sentences)

    def forget(self, source_id: str | None = None) -> None:
        """Delete what was said in `source_id`, or everything, and what was learnt from it."""
        known = self._home.training / "replay.db"

        def forget() -> None:
            if self._started or known.exists():
                self._learner.forget(source_id)
                self._begin()

        self.novelty.forget(source_id, forget)

    def control(self, action: Action, topic: str = "") -> None:
        """What `POST /api/control` may ask for. Raises `InvalidInputError` where it cannot be done."""
        if not self.enabled and action != "train_stop":
            raise InvalidInputError(
                "learning is switched off", hint="set training.enabled or training.teacher, and restart"
            )
        match action:
            case "pause":
                self._paused = True
                self._learner.pause()
            case "resume":
                self._paused = False
                self._learner.resume()
            case "train_start":
                self._train(topic)
            case "train_stop":
                self._topic = None
                self._learner.train_stop()

    def tick(self) -> None:
        """Once a second: follow what the governor allows."""
        share = self._governor.share
        if share != self._share:
            self._share = share
            self._learner.share(share)
        if (
            self._started
            and not self._resting
            and self._idle()
            and time.monotonic() - self._busy >= REST_SECONDS
        ):
            threading.Thread(target=self._rest, name="learner-rest", daemon=True).start()

    def thoughts_since(self, number: int) -> tuple[int, list[dict[str, Any]]]:
        """The thoughts after the one called `number`, and the number of the last; bounded."""
        with self._lock:
            return self._thought, [thought for at, thought in self._thoughts.items() if at > number]

    def history(self) -> list[dict[str, float]]:
        """The curves of the last two hours, oldest first."""
        with self._lock:
            return self._history.items()

    def as_dict(self) -> dict[str, Any]:
        """For `/api/status`."""
        metrics = self._learner.metrics
        process = metrics.pop("state")
        return {
            **metrics,
            "state": self._state(process, metrics),
            "detail": self._detail(process),
            "judged": self.novelty.as_dict(),
        }

    def checkpoints(self) -> dict[str, Any]:
        """For `/api/status`, as the seed has it."""
        return {"count": 0, "total_size_mb": 0.0, **self._learner.metrics.get("checkpoints", {})}

    def breakers(self) -> dict[str, str]:
        """State of the learner's own breakers, by name."""
        return {"learning": "CLOSED", "teacher": "CLOSED", **self._learner.metrics.get("breakers", {})}

    def _learn(self, text: str, source_id: str) -> None:
        if text.strip():
            self._learner.observe(text, "conversation", source_id)
            self._begin()

    def _newness(self, sentence: str) -> float | None:
        """How new it is to the learner; None where that has learnt nothing yet. Waits, within bounds."""
        if not (self._home.training / "replay.db").exists():
            return None
        self._begin()
        deadline = time.monotonic() + READY_SECONDS
        while self._learner.state != "running":
            if time.monotonic() >= deadline:
                raise BusyError(f"the learner is not ready after {READY_SECONDS:g} s")
            if self.novelty.stopping.wait(0.05):
                return None
        return self._learner.surprise(sentence, ASK_SECONDS).novelty

    def _begin(self) -> None:
        with self._lock:
            self._busy = time.monotonic()
            self._told += 1
            if self._started or self._stopped:
                return
            self._started = True
        self._learner.start()

    def _rest(self) -> None:
        """End the process until there is something to learn again; waits until it has saved."""
        with self._lock:
            if self._resting or not self._started:
                return
            self._resting, known = True, self._told
        self._learner.close()
        with self._lock:
            self._resting = self._started = False
            told = self._told != known
        self._governor.release()
        if told:  # meanwhile
            self._begin()

    def _idle(self) -> bool:
        metrics = self._learner.metrics
        idle = metrics["state"] == "running" and bool(metrics.get("dreams", {}).get("rested"))
        if not idle or self._topic is not None:
            self._busy = time.monotonic()
            return False
        return True

    def _train(self, topic: str) -> None:
        if self._settings.teacher == "none":
            raise InvalidInputError(
                "no teacher is configured",
                hint="training.teacher in config.toml (`nexus config path`): ollama, or openai with its url",
            )
        self._topic = topic
        self._learner.train_start(topic)
        self._begin()

    def _state(self, process: str, metrics: dict[str, Any]) -> str:
        if not self.enabled:
            return "off"
        if self._paused:
            return "paused"
        if not self._started:
            return "idle"
        if process != "running":
            return "starting" if process == "starting" else "failed"
        if self._held:
            return "waiting"
        return "idle" if metrics.get("dreams", {}).get("rested") and self._topic is None else "learning"

    def _detail(self, process: str) -> str:
        last = self._learner.warnings[-1] if self._learner.warnings else ""
        return last if process == "restarting" else ""

    def _serving(self, begins: bool) -> None:
        """Somebody is being served from now on, or nobody any more."""
        self._held = begins
        if begins:
            self._learner.yield_now()
        else:
            self._learner.go()

    def _heard(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "ready" and (pid := self._learner.pid) is not None:
            self._governor.govern(pid)
        now = time.monotonic()
        with self._lock:
            if kind == "thought":
                self._thought += 1
                self._thoughts.add((self._thought, {k: v for k, v in event.items() if k != "event"}))
            elif kind == "metrics" and now >= self._next_point:
                self._next_point = now + HISTORY_SECONDS
                self._history.add({key: float(event[key]) for key in _CURVES})
