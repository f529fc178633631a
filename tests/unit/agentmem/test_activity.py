"""Idle or not: decided from recorded samples alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus.agentmem.activity import Activity, Idleness, quiet


def sample(at: float, cpu: float = 1.0, moved: int = 1000, tty: float = 5.0, pid: int = 3) -> Activity:
    return Activity(at, {pid: cpu}, {pid: moved}, tty)


def test_timers_of_a_runtime_are_quiet():
    assert quiet(sample(0), sample(10, cpu=1.1, moved=1104))


def test_work_traffic_a_key_and_a_child_are_not():
    assert not quiet(sample(0), sample(10, cpu=1.3))
    assert not quiet(sample(0), sample(10, moved=1105))
    assert not quiet(sample(0), sample(10, tty=13.0))
    assert not quiet(sample(0), Activity(10, {3: 1.0, 4: 0.0}, {3: 1000, 4: 0}, 5.0))
    assert not quiet(sample(0), sample(10, pid=4))


def test_what_may_not_be_seen_is_no_traffic():
    assert quiet(sample(0, moved=-1), sample(10, moved=-1))


def test_a_recorded_evening():
    idle = Idleness()
    # Started, worked for 20 s, waited, one key press at 60, waited.
    record = [(0, 1.0, 0), (10, 6.0, 90_000), (20, 11.0, 99_000), (30, 11.0, 99_010), (40, 11.01, 99_010)]
    assert [idle.seen("a", sample(at, cpu, moved)) for at, cpu, moved in record] == [0, 0, 0, 10, 20]
    assert idle.seen("a", sample(60, 11.02, 99_020, tty=60.0)) == 0
    assert idle.seen("a", sample(90, 11.02, 99_020, tty=60.0)) == 30


def test_agents_that_are_gone_are_forgotten():
    idle = Idleness()
    idle.seen("a", sample(0))
    idle.seen("b", sample(0))
    idle.keep(["b"])
    assert ("a" in idle, "b" in idle) == (False, True)
    assert idle.seen("a", sample(50)) == 0


numbers = st.floats(0, 1e6)


@given(numbers, numbers, numbers, st.integers(0, 10**12), st.integers(0, 10**12))
def test_more_work_never_makes_it_quieter(seconds, before, more, bytes_before, bytes_more):
    first = sample(0, before, bytes_before)
    if not quiet(first, sample(seconds, before + more, bytes_before + bytes_more)):
        assert not quiet(first, sample(seconds, before + 2 * more + 1e-3, bytes_before + 2 * bytes_more))
    assert quiet(first, sample(seconds, before, bytes_before))


@given(st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), min_size=1, max_size=50))
def test_idle_time_is_the_time_since_the_last_activity(steps):
    idle, at, worked, active_at = Idleness(), 0.0, 0.0, 0.0
    idle.seen("a", sample(0, 0.0))
    for seconds, busy in steps:
        at += seconds
        worked += seconds if busy else 0.0
        active_at = at if busy else active_at
        assert idle.seen("a", sample(at, worked)) == at - active_at
