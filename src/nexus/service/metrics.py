"""What the service has done: counters, bounded, whatever has passed through."""

from __future__ import annotations

import threading
import time


class Metrics:
    """Requests and the seconds that lanes have worked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._requests = self._failed = self._rejected = 0
        self._seconds: dict[str, float] = {}

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
