"""How many threads: what others leave free, never none, and not changed for a passing load."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexus.engine.threads import LoadMeter, ThreadPlan, threads_for, usable_cores


@pytest.mark.parametrize(
    ("cores", "others", "threads"),
    [(2, 0.0, 2), (2, 0.3, 2), (2, 0.5, 1), (2, 2.0, 1), (2, 9.0, 1), (8, 3.2, 5), (8, 0.1, 8), (1, 0.0, 1)],
)
def test_threads_are_the_cores_that_others_leave_free(cores: int, others: float, threads: int) -> None:
    assert threads_for(cores, others) == threads


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_the_cgroup_is_respected(
    files: dict[str, str], limit: int | None, tmp_path: Path
) -> None:
    unlimited = usable_cores(tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == (limit or unlimited)
    assert 1 <= unlimited <= len(os.sched_getaffinity(0))


def test_the_meter_needs_two_readings_and_never_counts_below_nothing() -> None:
    meter = LoadMeter()
    assert meter.read() is None
    assert meter.read() is None  # too soon to say anything
    assert meter.sample(0.25) >= 0.0


def test_threads_change_only_after_a_lasting_change_and_when_idle() -> None:
    plan = ThreadPlan(cores=2)
    assert plan.observe(current=2, others=1.5, idle_seconds=99, now=0) is None
    assert plan.observe(current=2, others=1.5, idle_seconds=99, now=59) is None
    assert plan.observe(current=2, others=1.5, idle_seconds=2, now=61) is None
    assert plan.observe(current=2, others=1.5, idle_seconds=10, now=70) == 1


def test_a_load_that_passes_starts_the_clock_again() -> None:
    plan = ThreadPlan(cores=2)
    assert plan.observe(current=2, others=2.0, idle_seconds=99, now=0) is None
    assert plan.observe(current=2, others=0.0, idle_seconds=99, now=30) is None
    assert plan.observe(current=2, others=2.0, idle_seconds=99, now=61) is None
    assert plan.observe(current=2, others=2.0, idle_seconds=99, now=121) == 1
