"""How many threads the model may use: the cores that others leave free, at least one.

The threads of llama.cpp meet at spinning barriers after every layer: one of them that has to
share its core holds up all others. On two cores with two foreign busy processes two threads
generated 10 tokens/s and one thread 26; on an idle machine two gave 36 and one 22
(docs/decisions/0005-llamacpp-worker.md). Knows nothing of engines.
Invariant: between 1 and `usable_cores()`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

# Below this use a core still counts as free: timers, a browser, our own service.
NEGLIGIBLE_CORES = 0.35
SETTLE_SECONDS = 60.0
IDLE_SECONDS = 10.0


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores this process may run on: affinity, real cores and the cgroup's quota."""
    cores = len(os.sched_getaffinity(0))
    # Hyper-threads share the vector units the matrix products need; they only add barriers.
    real = psutil.cpu_count(logical=False)
    if real:
        cores = min(cores, real)
    quota = _quota(cgroup)
    return max(1, min(cores, int(quota)) if quota else cores)


def _quota(cgroup: Path) -> float | None:
    """Cores allowed by cgroup v2 or v1, None where there is no limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        return int(limit) / int(period) if int(limit) > 0 else None
    except ValueError:  # v2 writes "max" where there is no limit
        return None


def threads_for(cores: int, others: float) -> int:
    """Threads on `cores` cores of which other processes keep `others` busy."""
    free = cores - others
    return max(1, min(cores, int(free + NEGLIGIBLE_CORES)))


class LoadMeter:
    """CPU use of everybody but this process and the worker, in cores."""

    def __init__(self) -> None:
        self._last: tuple[float, float, float] | None = None

    def read(self, worker: int | None = None) -> float | None:
        """Use by others since the last call; None on the first call or within 0.2 s of it."""
        now = time.monotonic()
        system, own = _busy_seconds(), _own_seconds(worker)
        last = self._last
        if last is not None and now - last[0] < 0.2:
            return None
        self._last = (now, system, own)
        if last is None:
            return None
        # A worker that has been replaced since makes `own` shrink; that says nothing of others.
        if own < last[2]:
            return None
        return max(0.0, (system - last[1]) - (own - last[2])) / (now - last[0])

    def sample(self, seconds: float = 0.5) -> float:
        """Measure for `seconds`, blocking."""
        self._last = None
        self.read()
        time.sleep(max(seconds, 0.25))
        return self.read() or 0.0


class ThreadPlan:
    """Decides when the thread count should change: load differs for 60 s, engine idle for 10 s."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._since: float | None = None

    def observe(self, current: int, others: float, idle_seconds: float, now: float) -> int | None:
        """The new count, or None to stay. `now` is a monotonic clock in seconds."""
        wanted = threads_for(self._cores, others)
        if wanted == current:
            self._since = None
            return None
        if self._since is None:
            self._since = now
        if now - self._since < SETTLE_SECONDS or idle_seconds < IDLE_SECONDS:
            return None
        self._since = None
        return wanted


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    # Linux counts guests inside user and nice already.
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - guests)


def _own_seconds(worker: int | None) -> float:
    total = 0.0
    for pid in (os.getpid(), worker):
        if pid is None:
            continue
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total
