"""Half a day of traffic in a few minutes: memory does not grow with what has passed through.

`NEXUS_FLAT_HOURS` makes it longer; run with `-s` to see the figure of every hour.
"""

from __future__ import annotations

import os
import random
import statistics
from itertools import combinations

import httpx
import psutil
import pytest

from tests.running import Service, running

pytestmark = pytest.mark.slow

HOURS = int(os.environ.get("NEXUS_FLAT_HOURS", "12"))
# Caches and pools fill first; what counts is what grows when they are full.
WARM = HOURS // 3
MOST_MB_PER_HOUR = 10.0
WORDS = (
    "harbour crane tide ledger signal copper lantern meadow engine violet anchor cedar orbit velvet".split()
)


class Day:
    """What one user and two agents ask for in an hour, never twice the same."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._random = random.Random(20261120)
        self._number = 0

    def hour(self) -> None:
        for _ in range(12):
            self._post("/api/interact", {"prompt": f"What about {self._words(6)}?", "max_tokens": 16})
            self._post("/v1/chat/completions", self._chat(stream=False))
            self._stream("/v1/chat/completions", self._chat(stream=True))
        for _ in range(60):
            event = {"hook_event_name": "UserPromptSubmit", "prompt": self._words(12), "cwd": "/tmp"}
            self._post("/api/hooks", {**event, "session_id": f"session-{self._number % 97}"})
        kept = [self._post("/api/memories", {"learning": f"The {self._words(8)}."}) for _ in range(10)]
        for memory in kept[1:]:
            self._http.delete(f"/api/memories/{memory['id']}", headers=JSON).raise_for_status()
        for _ in range(30):
            self._post("/api/context", {"prompt": self._words(9)})
            self._http.get("/api/status").raise_for_status()
            # Nonsense costs nothing, either.
            assert self._http.post("/v1/chat/completions", json={"model": self._words(2)}).status_code == 400

    def _words(self, count: int) -> str:
        self._number += 1
        return " ".join([*self._random.choices(WORDS, k=count), str(self._number)])

    def _chat(self, *, stream: bool) -> dict[str, object]:
        messages = [{"role": "user", "content": f"Say something about {self._words(40)}."}]
        return {"model": "smollm2-135m", "messages": messages, "max_tokens": 12, "stream": stream}

    def _post(self, path: str, body: dict[str, object]) -> dict[str, str]:
        reply = self._http.post(path, json=body)
        reply.raise_for_status()
        found: dict[str, str] = reply.json()
        return found

    def _stream(self, path: str, body: dict[str, object]) -> None:
        with self._http.stream("POST", path, json=body) as reply:
            for _ in reply.iter_lines():
                pass


JSON = {"content-type": "application/json"}


def memory_mb(service: Service) -> float:
    """Resident memory of the service and all its children, in MB."""
    assert service.process
    whole = psutil.Process(service.process.pid)
    return sum(each.memory_info().rss for each in [whole, *whole.children(recursive=True)]) / 1e6


def slope(values: list[float]) -> float:
    """The median of the slopes between all pairs (Theil-Sen): one odd hour does not move it."""
    points = list(enumerate(values))
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in combinations(points, 2))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_does_not_grow_over_half_a_day_of_traffic(tmp_path, models_folder):
    # Small pools, so that they are full early and what is measured is not their filling.
    small = {"NEXUS_ENGINE_RAM_MIB": "64", "NEXUS_ENGINE_DISK_GIB": "1", "NEXUS_SERVICE_QUEUE": "64"}
    with running(tmp_path / "home", models_folder, **small) as service, service.client() as http:
        day, curve = Day(http), []
        for hour in range(HOURS):
            day.hour()
            curve.append(memory_mb(service))
            print(f"hour {hour + 1}: {curve[-1]:.0f} MB")
    growth = slope(curve[WARM:])
    print(f"growth after hour {WARM}: {growth:+.2f} MB an hour")
    assert growth < MOST_MB_PER_HOUR
