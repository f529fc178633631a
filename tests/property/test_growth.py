"""The slope is that of the curve, whatever a quarter of the points are; steps and peaks are no leak."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.service.growth import Growth, slope

SEEDS = st.integers(0, 2**32)


@given(rate=st.floats(-500, 500), start=st.floats(0, 4000), count=st.integers(2, 60))
def test_of_a_line_it_is_the_lines(rate: float, start: float, count: int) -> None:
    points = [(60.0 * i, start + rate * i / 60) for i in range(count)]
    assert slope(points) * 3600 == pytest.approx(rate, abs=1e-6)


@given(rate=st.floats(-100, 100), seed=SEEDS, count=st.integers(24, 120))
def test_a_quarter_may_be_anything(rate: float, seed: int, count: int) -> None:
    drawn = random.Random(seed)
    points = [(60.0 * i, 300 + rate * i / 60) for i in range(count)]
    for index in drawn.sample(range(count), count // 4):
        points[index] = (points[index][0], drawn.uniform(0, 100_000))
    # All pairs of whole points, more than half of all pairs, have exactly this slope.
    assert slope(points) * 3600 == pytest.approx(rate, abs=1e-3)


def grow(curve, hours: float) -> Growth:
    growth = Growth()
    for index in range(int(hours * 360)):
        growth.add(100 + index * 10.0, curve(index * 10 / 3600))
    return growth


@pytest.mark.slow
@given(leak=st.floats(15, 1000), seed=SEEDS)
def test_a_leak_is_found_in_noise(leak: float, seed: int) -> None:
    drawn = random.Random(seed)
    growth = grow(lambda hour: 400 + leak * hour + drawn.choice([0, 0, 0, 80]), 2)
    assert growth.leaks(10)
    assert growth.per_hour == pytest.approx(leak, rel=0.1)


@pytest.mark.slow
@given(at=st.floats(0, 3), step=st.floats(0, 3000), seed=SEEDS)
def test_a_model_that_is_loaded_is_no_leak(at: float, step: float, seed: int) -> None:
    drawn = random.Random(seed)
    growth = Growth()
    for index in range(3 * 360):
        hour = index * 10 / 3600
        growth.add(index * 10.0, 300 + (step if hour >= at else 0) + drawn.uniform(0, 3))
        assert not growth.leaks(10)


def test_nothing_is_said_of_the_first_minutes() -> None:
    growth = grow(lambda hour: 10_000 * hour, 9 / 60)
    assert (growth.per_hour, growth.leaks(10)) == (0.0, False)
    assert grow(lambda hour: 10_000 * hour, 0.25).per_hour == pytest.approx(10_000, rel=0.01)
    assert not grow(lambda hour: 10_000 * hour, 0.4).leaks(10)


def test_it_forgets_what_is_older_than_two_hours() -> None:
    growth = grow(lambda hour: 100 * min(hour, 5), 8)
    assert growth.per_hour == pytest.approx(0, abs=0.01)
    assert len(growth._points) == 120
