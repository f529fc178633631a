"""How much of the machine background work may take, and who makes it keep to that (seed 002).

Percent are of the whole machine: all cores that this process may use, all memory. The limits are for work
that nobody waits for, never for answers. Three means, from the gentle to the hard: the child paces itself
(`nexus.core.pace`, the share is said here), the scheduler lets everything else go first, and the kernel
holds a quota and a limit of memory. Knows nothing of what the child does. Invariant: what the system does
not allow is left out and said in `as_dict`, and the gentle means hold the limit alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import psutil

from nexus.core.settings import BackgroundSettings
from nexus.service.cgroup import ControlGroup

Mode = Literal["active", "idle"]
_log = logging.getLogger(__name__)

# The quota is the guard behind the pace, so it leaves room for a step: points of the machine.
_QUOTA_MARGIN = 3.0
# A child that holds more than the limit when the limit falls keeps what it has, and this much to give
# things back with; else its next allocation, however small, would fail.
_SLACK_BYTES = 32 * 2**20


class ResourceGovernor:
    """Mode, limits, and at most one child that is held to them. Any thread may use it."""

    def __init__(
        self,
        settings: BackgroundSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        group: ControlGroup | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._group = group or ControlGroup()
        self._lock = threading.RLock()
        self._listeners: list[Callable[[bool], None]] = []
        self._open = 0  # requests that are being served
        self._touched = clock() - settings.active_seconds
        self._child: psutil.Process | None = None
        self._scheduling = "none"
        self._applied: tuple[float, int] | None = None
        self._last: tuple[float, float] | None = None  # when, and how many CPU seconds the child had used
        self._child_cpu = self._child_memory = self._cpu = 0.0
        self.cores = _cores()
        self.memory_bytes = psutil.virtual_memory().total
        psutil.cpu_percent(None)

    # What requests say.

    def touched(self) -> None:
        """Somebody asked for something just now."""
        self._touched = self._clock()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Somebody is being served as long as the context is open."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def listen(self, called: Callable[[bool], None]) -> None:
        """Have `called` told True when the first of several requests begins, False when the last has ended.

        It is called in the thread of the request, one call at a time, and must return at once.
        """
        with self._lock:
            self._listeners.append(called)

    # What background work asks.

    @property
    def mode(self) -> Mode:
        """ "active" while somebody is being served and `active_seconds` after, else "idle"."""
        recent = self._clock() - self._touched < self._settings.active_seconds
        return "active" if self._open or recent else "idle"

    @property
    def limit_percent(self) -> float:
        """The limit of the CPU in force now, in percent of the whole machine."""
        return self._settings.active_percent if self.mode == "active" else self._settings.idle_percent

    @property
    def share(self) -> float:
        """The same as a share of one core, for `DutyCycle`. 0.0: no background work, the child must pause."""
        return self.limit_percent / 100 * self.cores

    @property
    def memory_limit_bytes(self) -> int:
        """The limit of memory in force now, in bytes."""
        settings = self._settings
        percent = settings.active_memory_percent if self.mode == "active" else settings.idle_memory_percent
        return int(self.memory_bytes * percent / 100)

    def start(self) -> int:
        """Remove what a killed service left behind. Returns how many control groups that were."""
        removed = self._group.remove_stale() if self._settings.cgroup else []
        if removed:
            _log.info("removed %d control groups that a killed service had left", len(removed))
        return len(removed)

    def govern(self, pid: int) -> None:
        """Hold this child from now on, by all means that the system allows.

        It replaces the one before. A child that has ended already is no error.
        """
        with self._lock:
            self._child, self._applied, self._last = None, None, None
            with suppress(psutil.NoSuchProcess):
                self._child = psutil.Process(pid)
                self._scheduling = _go_last(pid)
                self._apply()

    def release(self) -> None:
        """The child has ended: nothing is held any more."""
        with self._lock:
            self._child = self._applied = self._last = None
            self._child_cpu = self._child_memory = 0.0
            self._scheduling = "none"
            if not self._group.remove():
                _log.warning("control group: %s", self._group.reason)

    stop = release

    def tick(self) -> None:
        """Measure, and follow the mode. Called about once a second."""
        self._cpu = psutil.cpu_percent(None)
        with self._lock:
            if self._child is None:
                return
            try:
                self._measure(self._child)
                self._apply()
            except psutil.NoSuchProcess:
                self.release()

    def as_dict(self) -> dict[str, Any]:
        """`resources` of `/api/status`. Percent are of the whole machine, limits those in force now."""
        with self._lock:
            return {
                "mode": self.mode,
                "cpu_percent": self._cpu,
                "memory_percent": psutil.virtual_memory().percent,
                "cores": self.cores,
                "limit_percent": self.limit_percent,
                "memory_limit_mb": round(self.memory_limit_bytes / 2**20),
                "background_cpu_percent": round(self._child_cpu, 1),
                "background_memory_mb": round(self._child_memory / 2**20, 1),
                "scheduling": self._scheduling,
                "cgroup": self._group.version,
                "cgroup_reason": self._reason(),
            }

    def _reason(self) -> str:
        if not self._settings.cgroup:
            return "background.cgroup is false"
        return "" if self._group.version != "none" else self._group.reason

    def _count(self, change: int) -> None:
        with self._lock:
            before, self._open = self._open, self._open + change
            self.touched()
            if bool(before) != bool(self._open):
                for called in self._listeners:
                    called(bool(self._open))

    def _measure(self, child: psutil.Process) -> None:
        now, times = self._clock(), child.cpu_times()
        used = times.user + times.system
        if self._last and now > self._last[0]:
            self._child_cpu = (used - self._last[1]) / (now - self._last[0]) / self.cores * 100
        self._last = now, used
        self._child_memory = child.memory_info().rss

    def _apply(self) -> None:
        """Set the hard limits where the mode has changed them."""
        wanted = self.limit_percent, self.memory_limit_bytes
        child = self._child
        if child is None or wanted == self._applied:
            return
        percent, memory = wanted
        if self._settings.cgroup:
            self._group.hold(child.pid, (percent + _QUOTA_MARGIN) / 100 * self.cores)
        # The limit is one of what is allocated, which a child can answer (MemoryError); a limit of what is
        # resident kills it.
        if hasattr(child, "rlimit"):
            with suppress(psutil.AccessDenied):
                soft = max(memory, child.memory_info().data + _SLACK_BYTES)
                child.rlimit(psutil.RLIMIT_DATA, (soft, psutil.RLIM_INFINITY))
        self._applied = wanted


def _go_last(pid: int) -> str:
    """Have the scheduler prefer everything else to this process. Returns how, or "none"."""
    if hasattr(os, "SCHED_IDLE"):
        try:
            # The class is a thread's own; those that begin later inherit it.
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(ProcessLookupError):
                    os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))
            return "SCHED_IDLE"
        except OSError:
            pass  # a sandbox may forbid it: the next way
    try:
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    except OSError:
        return "none"
    return "nice 19"


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
