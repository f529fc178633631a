"""What the service has done: counters, bounded, whatever has passed through."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


class Metrics:
    """Requests and the seconds that lanes have worked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._requests = self._failed = self._rejected = 0
        self._seconds: dict[str, float] = {}
        self._tokens = {"prompt": 0, "cached": 0, "completion": 0}
        self._unknown: dict[str, int] = {}

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
        """All counters."""
        with self._lock:
            return Snapshot(
                answered=self._requests - self._failed,
                failed=self._failed,
                rejected=self._rejected,
                seconds=dict(self._seconds),
                tokens=dict(self._tokens),
                unknown=dict(self._unknown),
            )

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
