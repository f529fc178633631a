"""The governor: mode, limits, and what is done to a child so that it keeps to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nexus.core.settings import BackgroundSettings
from nexus.service.cgroup import ControlGroup
from nexus.service.resource import ResourceGovernor


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def governor(clock: Clock, tmp_path: Path):
    """A governor on a machine without control groups."""
    governor = ResourceGovernor(BackgroundSettings(), clock=clock, group=ControlGroup(tmp_path, tmp_path))
    yield governor
    governor.stop()


@pytest.fixture
def start():
    children = []

    def run(code: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        with child:  # closes the pipes and waits
            pass


def test_it_is_idle_until_somebody_asks_and_a_minute_after(governor, clock):
    assert (governor.mode, governor.limit_percent) == ("idle", 25)
    governor.touched()
    assert (governor.mode, governor.limit_percent) == ("active", 10)
    clock.now += 59.9
    assert governor.mode == "active"
    clock.now += 0.2
    assert governor.mode == "idle"


def test_a_long_answer_counts_as_long_as_it_lasts(governor, clock):
    with governor.serving():
        clock.now += 3600
        assert governor.mode == "active"
    clock.now += 59
    assert governor.mode == "active"
    clock.now += 2
    assert governor.mode == "idle"


def test_listeners_hear_of_the_first_request_and_of_the_last(governor):
    heard: list[bool] = []
    governor.listen(heard.append)
    with governor.serving(), governor.serving():
        assert heard == [True]
    assert heard == [True, False]
    governor.touched()
    assert heard == [True, False]


def test_percent_are_of_the_whole_machine(governor):
    governor.cores, governor.memory_bytes = 8, 1000
    assert governor.share == 2.0
    assert governor.memory_limit_bytes == 250
    with governor.serving():
        assert governor.share == pytest.approx(0.8)
        assert governor.memory_limit_bytes == 100


def test_a_limit_of_nothing_is_a_share_of_nothing(clock):
    governor = ResourceGovernor(BackgroundSettings(idle_percent=0), clock=clock)
    assert governor.share == 0.0
    with governor.serving():
        assert governor.share > 0


def test_a_child_goes_last_and_its_memory_is_limited(governor, start):
    child = start("input(); held = bytes(2**40)")
    governor.memory_bytes = 400 * 2**20
    governor.govern(child.pid)
    said = governor.as_dict()
    if hasattr(os, "SCHED_IDLE"):
        assert os.sched_getscheduler(child.pid) == os.SCHED_IDLE
        assert said["scheduling"] == "SCHED_IDLE"
        soft, hard = psutil.Process(child.pid).rlimit(psutil.RLIMIT_DATA)
        assert (soft, hard) == (100 * 2**20, psutil.RLIM_INFINITY)
    assert said["cgroup"] == "none"
    assert said["cgroup_reason"] == "this system has no cpu control groups"
    assert said["memory_limit_mb"] == 100


def test_memory_over_the_limit_is_an_error_that_a_child_can_answer(governor, start):
    if not hasattr(psutil, "RLIMIT_DATA"):
        pytest.skip("this system cannot limit the memory of another process")
    child = start(
        "input()\n"
        "try:\n    held = bytes(300 * 2**20)\nexcept MemoryError:\n    print('refused', flush=True)\n"
        "print(len(bytes(10 * 2**20)), flush=True)"
    )
    governor.memory_bytes = 800 * 2**20
    governor.govern(child.pid)
    assert child.stdin
    assert child.stdout
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "refused\n"
    assert child.stdout.readline() == f"{10 * 2**20}\n"


def test_the_limits_follow_the_mode_and_take_nothing_away(governor, clock, start):
    if not hasattr(psutil, "RLIMIT_DATA"):
        pytest.skip("this system cannot limit the memory of another process")
    child = start("held = bytes(60 * 2**20); print('held', flush=True); input()")
    assert child.stdout
    assert child.stdout.readline() == "held\n"
    governor.memory_bytes = 800 * 2**20
    governor.govern(child.pid)
    process = psutil.Process(child.pid)
    assert process.rlimit(psutil.RLIMIT_DATA)[0] == 200 * 2**20
    governor.touched()
    governor.tick()
    now = process.rlimit(psutil.RLIMIT_DATA)[0]
    assert 60 * 2**20 < now < 200 * 2**20, "below the limit of an idle machine, above what it holds"
    clock.now += 61
    governor.tick()
    assert process.rlimit(psutil.RLIMIT_DATA)[0] == 200 * 2**20


def test_what_the_child_uses_is_measured(governor, clock, start):
    child = start("import time\nwhile True: time.process_time()")
    governor.govern(child.pid)
    deadline = time.monotonic() + 60
    while governor.as_dict()["background_cpu_percent"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        clock.now += 1
        governor.tick()
    assert governor.as_dict()["background_memory_mb"] > 1
    governor.release()
    assert governor.as_dict()["background_cpu_percent"] == 0


def test_a_child_that_was_killed_is_let_go(governor, start):
    child = start("input()")
    governor.govern(child.pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    governor.tick()
    assert governor.as_dict()["scheduling"] == "none"
    governor.govern(child.pid)  # somebody was too slow
    governor.tick()


def test_the_kernels_quota_follows_the_mode(clock, start):
    governor = ResourceGovernor(BackgroundSettings(), clock=clock)
    child = start("input()")
    governor.start()
    governor.govern(child.pid)
    said = governor.as_dict()
    if said["cgroup"] != "v1":
        governor.stop()
        pytest.skip(f"no control group v1 here: {said['cgroup_reason'] or said['cgroup']}")
    folder = governor._group._folder
    assert folder
    assert said["cgroup_reason"] == ""
    quota = folder / "cpu.cfs_quota_us"
    assert int(quota.read_text()) == round(0.28 * governor.cores * 100_000)
    governor.touched()
    governor.tick()
    assert int(quota.read_text()) == round(0.13 * governor.cores * 100_000)
    child.kill()
    child.wait()
    governor.stop()
    assert not folder.exists()


def test_groups_can_be_switched_off(clock, start):
    governor = ResourceGovernor(BackgroundSettings(cgroup=False), clock=clock)
    governor.start()
    governor.govern(start("input()").pid)
    said = governor.as_dict()
    assert (said["cgroup"], said["cgroup_reason"]) == ("none", "background.cgroup is false")
    governor.stop()
