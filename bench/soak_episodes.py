"""What happens to a service in the course of a soak: kills, a full disk, jumps of the clock, many clients.

Each episode runs while the agents work, gives its figures, and ends when the service is whole again. What an
episode finds wrong is told in `wrong`; it raises only where the service does not come back at all.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx
import psutil
from soak_agents import JSON, World
from soak_check import reachable
from soak_sampler import Sampler

from tests.moved_clock import Clock
from tests.small_disk import Disk

JUMPS = (timedelta(hours=6), timedelta(hours=-8), timedelta(days=40), timedelta())
CLIENTS = 48
# Long enough that the learner, the index and the mount meet the full disk, too.
FULL_SECONDS = 45.0
# By when AgentMem has written what it acknowledged, on a machine that has other things to do.
UNWRITTEN_SECONDS = 15.0
VICTIMS = ("service", "model", "learner", "grammars", "broker", "mount", "all")


class Episodes:
    """They share what they break. `clock` and `disk` are None where there is none to break."""

    def __init__(
        self, world: World, sampler: Sampler, clock: Clock | None, disk: Disk | None, seed: int
    ) -> None:
        self._world, self._sampler, self._clock, self._disk = world, sampler, clock, disk
        self._draw = random.Random(seed)
        self._killed: Counter[str] = Counter(dict.fromkeys(VICTIMS, 0))
        self.wrong: list[str] = []

    def of(self, name: str) -> Callable[[float], dict[str, Any]]:
        """The episode of this name; it takes the seconds that it may last."""
        found: dict[str, Callable[[float], dict[str, Any]]] = {
            "client storm": self.client_storm,
            "clock jumps": self.clock_jumps,
            "full disk": self.full_disk,
            "kill storm": self.kill_storm,
            "kill": lambda seconds: self.kill_storm(0, 1),
        }
        return found[name]

    def possible(self, name: str) -> str:
        """Why it cannot be had here; empty where it can."""
        if name == "clock jumps" and self._clock is None:
            return "there is no C compiler to make a clock with"
        if name == "full disk" and self._disk is None:
            return "only root can mount a small file system to fill"
        return ""

    def kill_storm(self, seconds: float, least: int = 8) -> dict[str, Any]:
        """kill -9 of the service and of its workers, one after the other, at random moments."""
        began, starts, kills = time.monotonic(), list[float](), 0
        while kills < least or time.monotonic() - began < seconds:
            time.sleep(self._draw.choice([self._draw.uniform(0, 0.5), self._draw.uniform(1, 8)]))
            living = self._sampler.processes()
            kinds = ["service"] if least == 1 else [k for k in VICTIMS if k == "all" or k in living]
            victim = min(self._draw.sample(kinds, len(kinds)), key=lambda kind: self._killed[kind])
            self._killed[victim] += 1
            kills += 1
            if victim in ("service", "all"):
                starts.append(self._kill_service(living if victim == "all" else {}))
            else:
                for process in living[victim][-1:]:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
        self._whole()
        return {
            "kills": {kind: number for kind, number in self._killed.items() if number},
            "ready_after_seconds": {
                "median": round(statistics.median(starts), 1),
                "most": round(max(starts), 1),
            }
            if starts
            else {},
        }

    def _kill_service(self, others: dict[str, list[psutil.Process]]) -> float:
        service = self._world.service
        assert service.process
        children = psutil.Process(service.process.pid).children(recursive=True)
        everybody = [process for group in others.values() for process in group]
        for process in self._draw.sample(everybody, len(everybody)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        service.kill()
        if others:
            # Both processes of the broker at once, which is what a power cut does to them: what they had not
            # written yet is gone (SPEC S137). One of them alone loses nothing.
            for kind in ("unit", "conversation"):
                self._world.ledger.recent_may_be_gone(kind, UNWRITTEN_SECONDS)
        # The mount outlives the service on purpose and is nobody's child.
        _, alive = psutil.wait_procs(children, 60)
        if alive:
            self.wrong.append(f"{len(alive)} children outlived their service")
        began = time.monotonic()
        service.start(120)
        took = time.monotonic() - began
        with service.client() as http:
            recovery = http.get("/api/status").raise_for_status().json()["recovery"]
        if recovery["last_stop"] != "killed":
            self.wrong.append(f"after a kill the service said {recovery['last_stop']!r} of its last life")
        return took

    def clock_jumps(self, seconds: float) -> dict[str, Any]:
        """The time of day goes forward and back by hours and weeks."""
        assert self._clock
        off = []
        for number, jump in enumerate(JUMPS):
            before = self._world.ledger.answered()
            self._clock.move(jump)
            time.sleep(seconds / len(JUMPS))
            made = self._said(f"the clock was moved for the {number}th time")
            if made is not None:
                off.append(abs(made - self._clock.now()).total_seconds())
            standing = [k for k, n in before.items() if n > 20 and self._world.ledger.answered()[k] == n]
            if standing and seconds / len(JUMPS) > 20:
                self.wrong.append(f"after a jump by {jump} nothing was answered of {', '.join(standing)}")
        if not off or max(off) > 60:
            self.wrong.append(f"memories had another time than the clock: {off}")
        self._whole()
        return {"jumps_hours": [jump.total_seconds() / 3600 for jump in JUMPS], "memories_dated": len(off)}

    def _said(self, text: str) -> datetime | None:
        with self._world.service.client() as http:
            for _ in range(20):
                with suppress(httpx.TransportError):
                    reply = http.post("/api/memories", json={"learning": text})
                    if reply.status_code == 201:
                        made = reply.json()
                        http.delete(f"/api/memories/{made['id']}", headers=JSON)
                        return datetime.fromisoformat(made["updated"])
                time.sleep(0.5)
        return None

    def full_disk(self, seconds: float) -> dict[str, Any]:
        """No byte is left on the disk of the home; then there is room again."""
        assert self._disk
        before = len(self._world.ledger.requests)
        self._disk.fill()
        began, refilled = time.monotonic(), 0
        while time.monotonic() - began < min(seconds, FULL_SECONDS):
            time.sleep(1)
            # What the service let go of meanwhile is taken again.
            self._disk.fill()
            refilled += 1
        refused = Counter(
            one.outcome for one in self._world.ledger.requests[before:] if one.outcome.startswith("refused")
        )
        self._disk.free()
        self._whole()
        return {
            "full_seconds": round(min(seconds, FULL_SECONDS)),
            "refused": {outcome.removeprefix("refused: "): n for outcome, n in refused.most_common()},
        }

    def client_storm(self, seconds: float) -> dict[str, Any]:
        """Many clients at once, each asking again as soon as it was answered."""
        ended = time.monotonic() + min(seconds, 20)
        found: Counter[str] = Counter()
        lock = threading.Lock()

        def client(number: int) -> None:
            with self._world.service.client() as http:
                asked = 0
                while time.monotonic() < ended:
                    asked += 1
                    try:
                        reply = _ask(http, number, asked)
                        outcome = str(reply.status_code)
                        if reply.status_code == 503 and "retry-after" not in reply.headers:
                            outcome = "503 without retry-after"
                    except httpx.TransportError as error:
                        outcome = type(error).__name__
                    with lock:
                        found[outcome] += 1
                    if outcome != "200":
                        time.sleep(0.2)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for outcome in set(found) - {"200", "503"}:
            self.wrong.append(f"client storm: {found[outcome]} times {outcome}")
        self._whole()
        return {"clients": CLIENTS, "answers": dict(found)}

    def _whole(self) -> None:
        """Wait until all parts answer, the model and the learner as well."""

        def back(http: httpx.Client) -> bool:
            with suppress(httpx.TransportError):
                said = http.get("/api/status")
                return said.status_code == 200 and said.json()["model"]["state"] == "ready"
            return False

        with self._world.service.client() as http:
            reachable(self._world, http)
            deadline = time.monotonic() + 120
            while not back(http):
                assert time.monotonic() < deadline, "the model does not come back"
                time.sleep(0.3)


def _ask(http: httpx.Client, number: int, asked: int) -> httpx.Response:
    if number % 3 == 0:
        return http.get("/api/status")
    if number % 3 == 1:
        return http.post("/api/recall", json={"query": f"crane {number} {asked}", "limit": 3})
    event = {"hook_event_name": "UserPromptSubmit", "session_id": f"storm-{number}", "cwd": "/tmp"}
    return http.post("/api/hooks", json={**event, "prompt": f"Where is crane {number} of berth {asked}?"})
