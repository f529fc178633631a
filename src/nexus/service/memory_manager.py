"""Keeps the service small over months: collects, empties caches, trims, and says when it grows (seed 002).

What is judged is the service and its children without the process of the model: weights are as large as
the model is, by the user's choice, and a model of 4 GB must not make the service critical for ever. That
process is shown beside. Knows nothing of what is in the buffers. Invariant: nothing it does loses anything
that is not made again by itself, and all it did is told in `as_dict`.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import psutil

from nexus.core import platform
from nexus.core.buffers import Buffer, trim_when_full
from nexus.core.errors import MissingPartError
from nexus.core.settings import HousekeepingSettings
from nexus.service.growth import Growth

State = Literal["ok", "warning", "critical"]
_log = logging.getLogger(__name__)
_SAMPLE_SECONDS = 10.0
# What could be let go was let go; to try it more often only takes time from those who are served.
_AGGRESSIVE_SECONDS = 60.0


class MemoryManager:
    """Called once a second by the conductor; everything else may be called by any thread."""

    def __init__(
        self,
        settings: HousekeepingSettings,
        *,
        model_pid: Callable[[], int | None] = lambda: None,
        relieve: Callable[[], object] = lambda: None,
        measure: Callable[[int | None], tuple[float, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`model_pid` tells the process that is not judged, `relieve` has the rooms let go of what they can.

        `measure` gives the megabytes of everything but that process, and of it.
        """
        self._settings = settings
        self._model_pid, self._relieve = model_pid, relieve
        self._measure, self._clock = measure or resident_mb, clock
        self._lock = threading.Lock()
        self._buffers: dict[str, Buffer] = {}
        now = clock()
        self._sampled = -_SAMPLE_SECONDS + now
        self._collected = self._emptied = now
        self._relieved = now - _AGGRESSIVE_SECONDS
        self._growth = Growth()
        self._now = self._model = self._peak = self._freed = 0.0
        self._state: State = "ok"
        self._told_of_leak = False
        self._counts = {"collections": 0, "cache_cleanups": 0, "aggressive_cleanups": 0}
        self._trimmed: dict[str, int] = {}

    def keep(self, name: str, buffer: Buffer) -> None:
        """Trim this buffer too, in the conductor's thread, from now on; another of that name is replaced."""
        with self._lock:
            self._buffers[name] = buffer

    def tick(self) -> None:
        """Do what is due. Takes milliseconds, and some hundred when a large heap is collected."""
        now, settings = self._clock(), self._settings
        if now - self._sampled >= _SAMPLE_SECONDS:
            self._sampled = now
            self._sample()
        self._trim()
        if now - self._emptied >= settings.cache_minutes * 60:
            self._emptied = now
            self._empty_caches()
        if now - self._collected >= settings.gc_minutes * 60:
            self._collect()
        if self._state == "critical" and now - self._relieved >= _AGGRESSIVE_SECONDS:
            self._relieved = now
            self._let_go()

    @property
    def state(self) -> State:
        """How its memory was when it was measured last."""
        return self._state

    def issues(self) -> list[str]:
        """What a user should know, in whole sentences; empty when all is well."""
        found = []
        if self._state != "ok":
            limit = self._settings.warning_mb if self._state == "warning" else self._settings.critical_mb
            found.append(f"the service holds {self._now:.0f} MB of memory, more than {limit} MB")
        if self.leaking:
            found.append(f"the service's memory grows by {self._growth.per_hour:.0f} MB an hour")
        return found

    @property
    def leaking(self) -> bool:
        """Whether memory has grown steadily, faster than the setting allows."""
        return self._growth.leaks(self._settings.leak_mb_per_hour)

    def as_dict(self) -> dict[str, Any]:
        """`memory` of `/api/status`. MB are 2**20 bytes of resident memory."""
        if not self._peak:
            self._sample()
        now = self._clock()
        with self._lock:
            return {
                "process": {
                    "current_mb": round(self._now, 1),
                    "peak_mb": round(self._peak, 1),
                    "growth_rate_mb_per_hour": round(self._growth.per_hour, 1),
                },
                "model_mb": round(self._model, 1),
                "state": self._state,
                "leaking": self.leaking,
                "warning_mb": self._settings.warning_mb,
                "critical_mb": self._settings.critical_mb,
                **self._counts,
                "last_collection_seconds_ago": round(now - self._collected),
                "freed_mb": round(self._freed, 1),
                "trimmed": dict(self._trimmed),
            }

    def _sample(self) -> None:
        now, (service, model) = self._clock(), self._measure(self._model_pid())
        with self._lock:
            self._now, self._model, self._peak = service, model, max(self._peak, service)
            self._growth.add(now, service)
        before, self._state = self._state, self._judged(service)
        if self._state not in ("ok", before):
            _log.warning("%s: %s", self._state, self.issues()[0])
        if self.leaking != self._told_of_leak:
            self._told_of_leak = self.leaking
            if self._told_of_leak:
                _log.warning("%s", self.issues()[-1])

    def _judged(self, megabytes: float) -> State:
        settings = self._settings
        if megabytes >= settings.critical_mb:
            return "critical"
        return "warning" if megabytes >= settings.warning_mb else "ok"

    def _trim(self, *, now: bool = False) -> None:
        with self._lock:
            buffers = list(self._buffers.items())
        for name, buffer in buffers:
            if gone := trim_when_full(buffer, self._settings, now=now):
                with self._lock:
                    self._trimmed[name] = self._trimmed.get(name, 0) + gone

    def _collect(self) -> None:
        self._collected = self._clock()
        before, model = self._measure(self._model_pid())
        gc.collect()
        # Without this the C library keeps what Python has freed: collecting alone gives nothing back.
        with suppress(MissingPartError):
            platform.trim_heap()
        after, model = self._measure(self._model_pid())
        with self._lock:
            self._now, self._model = after, model
            self._counts["collections"] += 1
            self._freed += max(0.0, before - after)
        self._state = self._judged(after)

    def _empty_caches(self) -> None:
        empty_torch_caches()
        with self._lock:
            self._counts["cache_cleanups"] += 1

    def _let_go(self) -> None:
        """Critical: everything that is made again by itself goes at once."""
        self._trim(now=True)
        self._relieve()
        self._empty_caches()
        self._collect()
        with self._lock:
            self._counts["aggressive_cleanups"] += 1
        _log.warning("let go of what can be made again: %.0f MB are held now", self._now)


def resident_mb(apart: int | None) -> tuple[float, float]:
    """Resident MB of this process with its children, and of the child `apart` with its own."""
    own, other, apart_too = 0, 0, {apart}
    process = psutil.Process()
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            size = each.memory_info().rss
            # Parents come before their children.
            if each.pid != process.pid and (each.pid in apart_too or each.ppid() in apart_too):
                apart_too.add(each.pid)
                other += size
            else:
                own += size
    return own / 2**20, other / 2**20


def empty_torch_caches() -> list[str]:
    """Give back what torch keeps of device memory, where a room has loaded it. Returns the devices."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []  # to load it only for this would cost more than it gives
    emptied = []
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        emptied.append("cuda")
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
        emptied.append("mps")
    return emptied
