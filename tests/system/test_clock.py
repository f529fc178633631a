"""The clock jumps by hours, the machine sleeps: nothing fires in a burst, nothing waits for the time to come.

The time of day of the service and all its processes is moved while they run (`data/clock.c`); the monotonic
clock goes on, as it does on a real machine. Sleep is SIGSTOP to all of them while the time of day moves: that
is what a suspended machine looks like from inside, where CLOCK_MONOTONIC counts no sleep.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.moved_clock import MISSING, Clock, made_clock
from tests.running import Service, running
from tests.system.mixed_load import Load
from tests.system.supervisor_socket import Heard, supervisor

pytestmark = pytest.mark.slow

JUMPS = (timedelta(hours=6), timedelta(hours=-8), timedelta(days=40), timedelta())
ALIVE_SECONDS = 3.0
# Longer than most of the service's own patience, which a sleeping machine must not use up.
STOPPED_SECONDS = 12.0


@pytest.fixture
def clock() -> Iterator[Clock]:
    with made_clock() as clock:
        yield clock or pytest.skip(MISSING)


@contextmanager
def served(root: Path, models: Path, clock: Clock) -> Iterator[tuple[Service, Heard]]:
    with (
        tempfile.TemporaryDirectory(prefix="notify-") as folder,
        supervisor(Path(folder) / "n", ALIVE_SECONDS) as heard,
        running(root, models, 120, **clock.env, **heard.env, NEXUS_SERVICE_QUEUE="64") as service,
    ):
        yield service, heard


def _nothing() -> str:
    return "it did not happen"


def until(true: Callable[[], Any], what: Callable[[], str] = _nothing, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
    return found


def status(service: Service) -> dict[str, Any]:
    with service.client() as http:
        found: dict[str, Any] = http.get("/api/status").raise_for_status().json()
    return found


def at_work(service: Service, load: Load) -> bool:
    """Whether everything has begun: each kind was answered, and the learner lives."""
    return len(load.answered) == 6 and bool(status(service)["learning"].get("breakers"))


def goes_on(load: Load, before: dict[str, int]) -> bool:
    """Whether all that is asked for has been answered since."""
    return all(load.answered[kind] > before[kind] for kind in before)


def called_alive(heard: Heard, before: int) -> bool:
    return heard.alive() > before


def remembered(service: Service, text: str) -> datetime:
    """When the service says that it was told this."""
    with service.client() as http:
        made = http.post("/api/memories", json={"learning": text}).raise_for_status().json()
        http.delete(f"/api/memories/{made['id']}", headers={"content-type": "application/json"})
    assert made["updated"] >= made["created"]
    return datetime.fromisoformat(made["created"])


def as_before(now: dict[str, Any], then: dict[str, Any], seconds: float) -> None:
    """The service goes on as if nothing had happened to the time of day in these seconds."""
    assert now["daemon"]["state"] == "ready"
    assert now["health"]["healthy"], now["health"]
    assert set(now["circuit_breakers"].values()) == {"CLOSED"}, now["circuit_breakers"]
    assert all(now["model"][fact] == then["model"][fact] for fact in ("pid", "restarts"))
    assert now["learning"]["restarts"] == then["learning"]["restarts"]
    assert now["learning"]["state"] in ("learning", "waiting", "idle")
    # What is done every few minutes was not done for every few minutes of a clock that jumped.
    for count in ("collections", "cache_cleanups"):
        assert now["memory"][count] - then["memory"][count] <= 1 + seconds / 300
    assert now["checkpoints"]["count"] - then["checkpoints"]["count"] <= 2 + seconds / 300
    assert now["daemon"]["uptime_seconds"] - then["daemon"]["uptime_seconds"] <= seconds + 2


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_time_of_day_jumps_by_hours_and_days(clock, tmp_path, models_folder, smollm2_path):
    with served(tmp_path / "home", models_folder, clock) as (service, heard):
        load = Load(service, tmp_path / "documents")
        with load.going():
            until(partial(at_work, service, load))
            for number, jump in enumerate(JUMPS):
                then, began, said = status(service), time.monotonic(), heard.alive()
                clock.move(jump)
                assert abs(remembered(service, f"jump {number}") - clock.now()) < timedelta(minutes=5)
                until(
                    partial(goes_on, load, dict(load.answered)), lambda: f"it stands still: {load.answered}"
                )
                until(partial(called_alive, heard, said), lambda: "it is not called alive any more")
                as_before(status(service), then, time.monotonic() - began)
                # A look every half a second, and no word more often than that.
                assert heard.alive() - said <= 2 * (time.monotonic() - began) + 2
        kept, forgotten = load.kept()
        with service.client() as http:
            held = {m["id"]: m["learning"] for m in http.get("/api/memories").json()["memories"]}
        assert kept.items() <= held.items()
        assert not forgotten & set(held)
        assert load.wrong == []
        # The next life begins a month before this one ended.
        assert service.stop() == 0, service.log()
        clock.move(timedelta(days=-30))
        service.start()
        now = status(service)
        assert now["recovery"]["last_stop"] == "in order"
        assert now["knowledge"]["memories"] == len(held)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_machine_that_slept_goes_on(clock, tmp_path, models_folder, smollm2_path):
    draw = random.Random(7)
    with served(tmp_path / "home", models_folder, clock) as (service, heard):
        load = Load(service, tmp_path / "documents")
        with load.going():
            until(partial(at_work, service, load))
            learner = until(partial(learner_of, service))
            for sleep in (timedelta(hours=9), timedelta(hours=30)):
                then, began, said = status(service), time.monotonic(), heard.alive()
                asleep = everybody(service)
                for process in draw.sample(asleep, len(asleep)):
                    process.send_signal(signal.SIGSTOP)
                clock.move(clock.moved + sleep)
                time.sleep(STOPPED_SECONDS)
                used, woke = cpu(learner), time.monotonic()
                for process in draw.sample(asleep, len(asleep)):
                    process.send_signal(signal.SIGCONT)
                until(
                    partial(goes_on, load, dict(load.answered)), lambda: f"it stands still: {load.answered}"
                )
                # What it missed is not made up for: it stays below its share (a quarter of the machine).
                limit = 0.25 * (os.cpu_count() or 1) * (time.monotonic() - woke)
                assert cpu(learner) - used <= limit + 0.3
                until(partial(called_alive, heard, said), lambda: "it is not called alive any more")
                as_before(status(service), then, time.monotonic() - began)
        assert load.wrong == []
        kept, _ = load.kept()
        with service.client() as http:
            held = {m["id"] for m in http.get("/api/memories").json()["memories"]}
        assert set(kept) <= held
        assert service.stop() == 0, service.log()


def everybody(service: Service) -> list[psutil.Process]:
    assert service.process
    whole = psutil.Process(service.process.pid)
    return [whole, *whole.children(recursive=True)]


def learner_of(service: Service) -> psutil.Process | None:
    found = [p for p in everybody(service) if "nexus.training.learner_process" in " ".join(p.cmdline())]
    return found[0] if found else None


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
