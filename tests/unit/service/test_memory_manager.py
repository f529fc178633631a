"""The memory manager: what it does when, and what it says about it."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from nexus.core import platform
from nexus.core.buffers import History
from nexus.core.settings import HousekeepingSettings
from nexus.service import memory_manager
from nexus.service.memory_manager import MemoryManager, empty_torch_caches, resident_mb


class World:
    """A clock, what is held, and what was asked to be let go."""

    def __init__(self) -> None:
        self.now, self.held, self.model = 1000.0, 300.0, 4000.0
        self.relieved = 0
        self.asked_for: set[int | None] = set()

    def manager(self, **settings: float) -> MemoryManager:
        return MemoryManager(
            HousekeepingSettings.model_validate(settings),
            model_pid=lambda: 77,
            relieve=self.relieve,
            measure=self.measure,
            clock=lambda: self.now,
        )

    def measure(self, apart: int | None) -> tuple[float, float]:
        self.asked_for.add(apart)
        return self.held, self.model

    def relieve(self) -> None:
        self.relieved += 1

    def run(self, manager: MemoryManager, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            manager.tick()


@pytest.fixture
def world() -> World:
    return World()


def test_it_collects_every_ten_minutes_and_empties_caches_every_five(world):
    manager = world.manager()
    world.run(manager, 3600)
    said = manager.as_dict()
    assert (said["collections"], said["cache_cleanups"], said["aggressive_cleanups"]) == (6, 12, 0)
    world.run(manager, 7)
    assert manager.as_dict()["last_collection_seconds_ago"] == 7


def test_what_nobody_needs_is_collected(world):
    class Knot:
        pass

    gc.collect()
    gc.disable()
    try:
        one, other = Knot(), Knot()
        one.other, other.one = other, one  # type: ignore[attr-defined]
        gone = weakref.ref(one)
        del one, other
        assert gone() is not None
        world.run(world.manager(), 600)
        assert gone() is None
    finally:
        gc.enable()


def test_freed_memory_is_given_back_to_the_system(world):
    if not (platform.available() and platform.can_trim_heap()):
        pytest.skip("the C library of this system cannot give back freed memory")
    manager = MemoryManager(HousekeepingSettings(), clock=lambda: world.now)
    held = [bytes(3000) for _ in range(100_000)]
    kept = held[::1000]  # holes between them
    world.run(manager, 599)
    before = psutil.Process().memory_info().rss
    del held
    world.run(manager, 1)
    assert before - psutil.Process().memory_info().rss > 100 * 2**20
    assert len(kept) == 100
    assert manager.as_dict()["freed_mb"] > 0


def test_a_steady_growth_is_told_once_and_stands_in_the_status(world, caplog):
    manager = world.manager()
    with caplog.at_level(logging.WARNING):
        for _ in range(360):
            world.held += 20 / 360
            world.run(manager, 10)
    assert manager.leaking
    assert manager.as_dict()["process"]["growth_rate_mb_per_hour"] == pytest.approx(20, rel=0.05)
    assert manager.issues() == ["the service's memory grows by 20 MB an hour"]
    assert len([r for r in caplog.records if "grows" in r.message]) == 1


def test_a_large_model_is_shown_beside_and_not_judged(world):
    manager = world.manager()
    world.model = 40_000.0
    world.run(manager, 20)
    said = manager.as_dict()
    assert (said["state"], said["process"]["current_mb"], said["model_mb"]) == ("ok", 300, 40_000)
    assert world.asked_for == {77}


def test_two_gigabytes_are_warned_about_once(world, caplog):
    manager = world.manager()
    world.held = 2100
    with caplog.at_level(logging.WARNING):
        world.run(manager, 300)
    assert manager.as_dict()["state"] == "warning"
    assert manager.issues() == ["the service holds 2100 MB of memory, more than 2048 MB"]
    assert len(caplog.records) == 1
    assert world.relieved == 0
    world.held = 500
    world.run(manager, 10)
    assert (manager.as_dict()["state"], manager.issues()) == ("ok", [])
    assert manager.as_dict()["process"]["peak_mb"] == 2100


def test_at_four_gigabytes_everything_goes_and_not_every_second(world, monkeypatch):
    emptied: list[str] = []
    monkeypatch.setattr(memory_manager, "empty_torch_caches", lambda: emptied.append("torch"))
    manager = world.manager()
    thoughts: History[int] = History(100)
    for number in range(80):
        thoughts.add(number)
    manager.keep("thoughts", thoughts)
    world.held = 5000
    world.run(manager, 10)
    said = manager.as_dict()
    assert (said["state"], said["aggressive_cleanups"], said["collections"]) == ("critical", 1, 1)
    assert (world.relieved, emptied) == (1, ["torch"])
    assert thoughts.used == 75
    assert said["trimmed"] == {"thoughts": 5}
    world.run(manager, 50)
    assert world.relieved == 1
    world.run(manager, 2)
    assert world.relieved == 2
    world.held = 100
    world.run(manager, 10)
    assert manager.as_dict()["state"] == "ok"


def test_histories_are_trimmed_when_they_are_nearly_full(world):
    manager = world.manager(buffer_full_percent=50, buffer_trim_percent=10)
    history: History[int] = History(100)
    manager.keep("metrics", history)
    for number in range(1000):
        history.add(number)
        world.run(manager, 1)
        assert history.used < 50
    assert manager.as_dict()["trimmed"]["metrics"] == 1000 - history.used


def test_the_seeds_keys_stand_there_before_the_first_tick(world):
    assert world.manager().as_dict()["process"] == {
        "current_mb": 300.0,
        "peak_mb": 300.0,
        "growth_rate_mb_per_hour": 0.0,
    }


def test_the_model_and_its_children_are_counted_apart():
    # A process with a child of its own, as a worker may have one.
    holding = "held = b'x' * (50 * 2**20);"
    inner = f"{holding} print(1, flush=True); input()"
    nested = f"import subprocess, sys; {holding} subprocess.Popen([sys.executable, '-c', {inner!r}]).wait()"
    with subprocess.Popen(
        [sys.executable, "-c", nested], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdin
        child.stdout.readline()
        together, none = resident_mb(None)
        own, apart = resident_mb(child.pid)
        child.stdin.write(b"\n")
    assert none == 0
    assert apart > 100
    assert together - own > 100


class Device:
    """torch.cuda or torch.mps; torch itself is not in the development install, nor a GPU in every machine."""

    def __init__(self, here: bool) -> None:
        self.here, self.emptied = here, 0

    def is_available(self) -> bool:
        return self.here

    is_initialized = is_available

    def empty_cache(self) -> None:
        assert self.here
        self.emptied += 1


@pytest.mark.parametrize(("cuda", "mps"), [(True, False), (False, True), (False, False)])
def test_caches_of_torch_are_emptied_where_it_is_loaded(monkeypatch, cuda, mps):
    torch: Any = SimpleNamespace(cuda=Device(cuda), mps=Device(mps))
    torch.backends = SimpleNamespace(mps=torch.mps)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert empty_torch_caches() == ["cuda"] * cuda + ["mps"] * mps
    assert (torch.cuda.emptied, torch.mps.emptied) == (cuda, mps)


def test_torch_is_not_loaded_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert empty_torch_caches() == []
    assert "torch" not in sys.modules
