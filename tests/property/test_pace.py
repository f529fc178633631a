"""The share of the processor holds for any steps and any stalls, on a clock that is made up."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.core.pace import REPAID_SECONDS, STALL_SECONDS, STEP_SECONDS, DutyCycle

WINDOW = 1.0


class Machine:
    """A clock and a processor with one process on it; remembers when the processor worked."""

    def __init__(self, cores: int = 1, overshoot: float = 0.0) -> None:
        self.now = 100.0
        self.cpu = 3.0
        self.cores = cores
        self.overshoot = overshoot
        self.work: list[tuple[float, float, float]] = []  # from, to, CPU seconds

    def burn(self, cpu: float, threads: int = 1) -> None:
        begun = self.now
        self.now += cpu / threads
        self.cpu += cpu
        self.work.append((begun, self.now, cpu))

    def stall(self, seconds: float) -> None:
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + self.overshoot

    def pace(self, share: float) -> DutyCycle:
        return DutyCycle(share, clock=lambda: self.now, cpu_clock=lambda: self.cpu, sleep=self.sleep)

    def share(self) -> float:
        begun = self.work[0][0]
        return sum(cpu for *_, cpu in self.work) / (self.now - begun)

    def worst(self, window: float = WINDOW) -> float:
        """The most CPU seconds in any stretch of `window` seconds.

        What was used is a line of straight pieces over the time, so the worst stretch begins or ends at
        one of its corners.
        """
        times = np.array([t for begun, to, _ in self.work for t in (begun, to)])
        used = np.cumsum([u for *_, cpu in self.work for u in (0.0, cpu)])
        starts = np.concatenate([times, times - window])
        return float(np.max(np.interp(starts + window, times, used) - np.interp(starts, times, used)))


def bound(share: float, longest: float) -> float:
    """What the module promises for a second."""
    return share + longest * (1 - share) + share * (REPAID_SECONDS + STALL_SECONDS)


SHARES = st.floats(0.02, 0.95)
STEPS = st.lists(st.floats(0.0005, 0.05), min_size=1, max_size=40)
# Held up before the work of a step, in its midst, or after it; also by the machine sleeping for an hour.
STALLS = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 5), st.just(3600.0))


@given(share=SHARES, steps=STEPS)
def test_the_share_is_reached_on_a_free_machine(share: float, steps: list[float]) -> None:
    machine = Machine(overshoot=0.0002)
    pace = machine.pace(share)
    while machine.now < 100 + 30:
        for step in steps:
            machine.burn(step)
            pace.pause_after_step()
    assert machine.share() == pytest.approx(share, abs=0.01)
    assert machine.worst() <= bound(share, max(steps)) + 1e-6


@given(
    share=SHARES,
    steps=st.lists(st.tuples(STALLS, st.floats(0.0005, 0.05), STALLS, STALLS), min_size=5, max_size=60),
    overshoot=st.sampled_from([0.0, 0.0001, 0.01, 0.3]),
)
def test_no_second_goes_over_whatever_holds_the_process_up(
    share: float, steps: list[tuple[float, float, float, float]], overshoot: float
) -> None:
    machine = Machine(overshoot=overshoot)
    pace = machine.pace(share)
    for before, step, within, after in steps:
        machine.stall(before)
        machine.burn(step / 2)
        machine.stall(within)
        machine.burn(step / 2)
        machine.stall(after)
        pace.pause_after_step()
    longest = max(step for _, step, *_ in steps)
    assert machine.worst() <= bound(share, longest) + 1e-6
    # And over the whole run, short of one step and what may be made good.
    spare = longest + share * (REPAID_SECONDS + STALL_SECONDS)
    assert machine.share() <= share + spare / (machine.now - machine.work[0][0]) + 1e-6


@pytest.mark.parametrize(
    ("cores", "longest", "percents"),
    [(1, STEP_SECONDS, (1, 10, 25)), (2, 0.05, (1, 10, 25, 50)), (8, 0.05, (1, 10, 25, 50))],
)
def test_a_second_is_within_three_points_of_the_machine(
    cores: int, longest: float, percents: tuple[int, ...]
) -> None:
    for percent in percents:
        share = percent / 100 * cores
        over = longest * max(0.0, 1 - share) + share * (REPAID_SECONDS + STALL_SECONDS)
        assert over / cores <= 0.03 + 1e-9, percent


@given(st.floats(0.1, 4.0), st.integers(2, 8))
def test_threads_count_together(share: float, threads: int) -> None:
    machine = Machine(cores=threads)
    pace = machine.pace(share)
    while machine.now < 100 + 20:
        machine.burn(0.02 * threads, threads)
        pace.pause_after_step()
    assert machine.share() == pytest.approx(min(share, threads), rel=0.02, abs=0.01)


@given(first=st.floats(0.05, 0.9), second=st.floats(0.05, 0.9))
def test_a_changed_share_holds_from_then_on(first: float, second: float) -> None:
    machine = Machine()
    pace = machine.pace(first)
    for share in (first, second):
        pace.share = share
        assert pace.share == share
        machine.work.clear()
        end = machine.now + 20
        while machine.now < end:
            machine.burn(0.02)
            pace.pause_after_step()
        assert machine.share() == pytest.approx(share, abs=0.01)


def test_a_share_that_is_raised_ends_a_long_sleep() -> None:
    machine = Machine()
    pace = DutyCycle(
        0.001, clock=lambda: machine.now, cpu_clock=lambda: machine.cpu, sleep=lambda s: raised(s)
    )

    def raised(seconds: float) -> None:
        machine.now += seconds
        pace.share = 1.0

    machine.burn(0.05)
    assert pace.pause_after_step() < 1  # 50 s at the old share


def test_a_set_event_ends_the_sleep_and_the_debt_stays() -> None:
    pace = DutyCycle(1e-6)
    busy_until = time.process_time() + 0.02
    while time.process_time() < busy_until:
        pass
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    pace.pause_after_step(stop)  # 20,000 seconds are owed: this returns because of the event
    assert stop.is_set()
    timer.join()
    assert pace.pause_after_step(stop) == 0.0
    pace.share = 1.0
    stop.clear()
    assert pace.pause_after_step(stop) > 0


def test_nothing_is_slept_where_nothing_was_used() -> None:
    machine = Machine()
    pace = machine.pace(0.25)
    machine.stall(5)
    assert pace.pause_after_step() == 0.0


@pytest.mark.parametrize("share", [0, -0.1, math.nan, math.inf])
def test_a_share_that_cannot_be_kept_is_refused(share: float) -> None:
    with pytest.raises(InvalidInputError, match="share of"):
        DutyCycle(share)
    pace = DutyCycle(0.5)
    with pytest.raises(InvalidInputError):
        pace.share = share
    assert pace.share == 0.5
