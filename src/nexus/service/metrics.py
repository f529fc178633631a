"""What the service has done and how much of the machine it uses. Bounded, whatever has passed through."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 10.0
_SAMPLES = 360  # one hour
# So many different fields are counted by name; what comes later counts as "other".
MOST_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counters at one moment. `seconds` by lane, `tokens` by kind, `unknown` by field."""

    answered: int
    failed: int
    rejected: int
    seconds: Mapping[str, float]
    tokens: Mapping[str, int]
    unknown: Mapping[str, int]
    resident_bytes: int


class Metrics:
    """Counters and the memory curve of this process and its children."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = psutil.Process()
        self._started = time.monotonic()
        self._requests = self._failed = self._rejected = 0
        self._seconds: dict[str, float] = {}
        self._tokens = {"prompt": 0, "cached": 0, "completion": 0}
        self._unknown: dict[str, int] = {}
        self._memory: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._peak = 0.0
        self._cpu = 0.0
        psutil.cpu_percent(None)

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the service began."""
        return time.monotonic() - self._started

    def answered(self, ok: bool) -> None:
        """A question was answered, or not."""
        with self._lock:
            self._requests += 1
            self._failed += not ok

    def rejected(self) -> None:
        """A request was told to come back later."""
        with self._lock:
            self._rejected += 1

    def finished(self, lane: str, seconds: float) -> None:
        """A lane has worked for so long."""
        with self._lock:
            self._seconds[lane] = self._seconds.get(lane, 0.0) + seconds

    def tokens(self, prompt: int, cached: int, completion: int) -> None:
        """An answer took so many; `cached` of the prompt's were not computed again."""
        with self._lock:
            self._tokens["prompt"] += prompt
            self._tokens["cached"] += cached
            self._tokens["completion"] += completion

    def unknown_fields(self, names: Iterable[str]) -> None:
        """A request had these fields, which are not acted on."""
        with self._lock:
            for name in names:
                known = name in self._unknown or len(self._unknown) < MOST_FIELDS - 1
                name = name if known else "other"
                self._unknown[name] = self._unknown.get(name, 0) + 1

    def snapshot(self) -> Snapshot:
        """All counters. Memory is as `sample` last saw it."""
        with self._lock:
            return Snapshot(
                answered=self._requests - self._failed,
                failed=self._failed,
                rejected=self._rejected,
                seconds=dict(self._seconds),
                tokens=dict(self._tokens),
                unknown=dict(self._unknown),
                resident_bytes=int(self._memory[-1][1] * 2**20) if self._memory else 0,
            )

    def sample(self) -> None:
        """Look at the machine; called about once a second, keeps a point every ten."""
        now = time.monotonic()
        with self._lock:
            self._cpu = psutil.cpu_percent(None)
            if self._memory and now - self._memory[-1][0] < _SAMPLE_SECONDS:
                return
        memory = self.memory_mb()  # walks over all processes: not every second, not under the lock
        with self._lock:
            self._peak = max(self._peak, memory)
            self._memory.append((now, memory))

    def memory_mb(self) -> float:
        """Resident memory of the service and its children, in MiB."""
        total = 0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total / 2**20

    def requests(self) -> dict[str, float | int]:
        """For `/api/status`."""
        with self._lock:
            done = self._requests
            rate = 1.0 if not done else (done - self._failed) / done
            return {
                "total_requests": done,
                "success_rate": round(rate, 4),
                "rejected": self._rejected,
                **{f"{lane}_seconds": round(s, 3) for lane, s in self._seconds.items()},
            }

    def process(self) -> dict[str, float]:
        """Current, highest and hourly growth of memory."""
        current = self.memory_mb()
        with self._lock:
            growth = 0.0
            if len(self._memory) > 1:
                (t0, m0), (t1, m1) = self._memory[0], self._memory[-1]
                growth = (m1 - m0) / max(t1 - t0, 1.0) * 3600
            return {
                "current_mb": round(current, 1),
                "peak_mb": round(max(self._peak, current), 1),
                "growth_rate_mb_per_hour": round(growth, 1),
            }

    def machine(self) -> dict[str, float | int]:
        """How busy the whole machine is."""
        with self._lock:
            return {
                "cpu_percent": self._cpu,
                "memory_percent": psutil.virtual_memory().percent,
                "cores": psutil.cpu_count() or 1,
            }
