"""The breaker does what three lines of definition say, whatever happens in whatever order."""

from __future__ import annotations

import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nexus.core.breaker import Breaker, BrokenError
from nexus.core.errors import BusyError, InvalidInputError, NexusError

LIMIT, RESET = 3, 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Calls(RuleBasedStateMachine):
    """Calls that begin and end in any order, against a definition that keeps every report."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker("teacher", failures=LIMIT, reset_seconds=RESET, clock=self.clock)
        self.running = 0
        self.in_a_row = 0
        self.opened: float | None = None
        self.probe: float | None = None

    def state(self) -> str:
        if self.opened is None:
            return "CLOSED"
        return "OPEN" if self.clock.now < self.opened + RESET else "HALF_OPEN"

    @rule(seconds=st.sampled_from([0.5, 10.0, 30.0, 60.0, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def ask(self) -> None:
        lost = self.probe is not None and self.clock.now >= self.probe + RESET
        expected = self.state() == "CLOSED" or (self.state() == "HALF_OPEN" and (self.probe is None or lost))
        assert self.breaker.allow() is expected
        if expected:
            self.running += 1
            if self.state() == "HALF_OPEN":
                self.probe = self.clock.now
        else:
            error = self.breaker.refusal()
            assert "teacher" in str(error)
            assert 1 <= error.retry_after <= RESET

    @precondition(lambda self: self.running)
    @rule()
    def end_well(self) -> None:
        self.running -= 1
        self.breaker.succeeded()
        if self.state() != "OPEN":
            self.in_a_row, self.opened, self.probe = 0, None, None

    @precondition(lambda self: self.running)
    @rule()
    def end_badly(self) -> None:
        self.running -= 1
        self.breaker.failed("no answer")
        assert self.breaker.reason == "no answer"
        before = self.state()
        self.in_a_row += 1
        self.probe = None
        if before == "HALF_OPEN" or (before == "CLOSED" and self.in_a_row >= LIMIT):
            self.opened = self.clock.now

    @precondition(lambda self: self.running)
    @rule()
    def end_undecided(self) -> None:
        self.running -= 1
        self.breaker.undecided()
        self.probe = None

    @invariant()
    def states_agree(self) -> None:
        assert self.breaker.state == self.state()


TestCalls = Calls.TestCase


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("the model", failures=2, reset_seconds=10, clock=clock)


def break_it(breaker: Breaker) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            breaker.call(fails)


def state_of(breaker: Breaker) -> str:
    return breaker.state


def fails() -> str:
    raise OSError("gone")


def test_what_fails_is_left_alone_then_tried_once(breaker: Breaker, clock: Clock) -> None:
    assert breaker.call(lambda: "fine") == "fine"
    break_it(breaker)
    assert state_of(breaker) == "OPEN"
    with pytest.raises(
        BrokenError, match=r"the model failed 2 times in a row: gone \(.* in 10 s\)"
    ) as caught:
        breaker.call(lambda: "not asked")
    assert (caught.value.retry_after, caught.value.http_status) == (10, 503)
    clock.now += 10
    assert state_of(breaker) == "HALF_OPEN"
    with pytest.raises(OSError, match="gone"):
        breaker.call(fails)
    assert state_of(breaker) == "OPEN"
    clock.now += 10
    assert breaker.call(lambda: "fine") == "fine"
    assert (state_of(breaker), breaker.reason) == ("CLOSED", "")


@pytest.mark.parametrize("error", [InvalidInputError("what?"), BusyError("later"), KeyboardInterrupt()])
def test_what_says_nothing_about_the_thing_is_not_counted(
    breaker: Breaker, clock: Clock, error: BaseException
) -> None:
    def asks() -> None:
        raise error

    for _ in range(5):
        with pytest.raises(type(error)):
            breaker.call(asks)
    assert state_of(breaker) == "CLOSED"
    break_it(breaker)
    clock.now += 10
    with pytest.raises(type(error)):
        breaker.call(asks)
    assert state_of(breaker) == "HALF_OPEN"
    assert breaker.allow(), "the place of the probe was given back"


def test_a_failure_of_ours_counts(breaker: Breaker) -> None:
    def asks() -> None:
        raise NexusError("broken inside")

    for _ in range(2):
        with pytest.raises(NexusError):
            breaker.call(asks)
    assert state_of(breaker) == "OPEN"


def test_of_many_threads_one_is_let_through(breaker: Breaker, clock: Clock) -> None:
    break_it(breaker)
    clock.now += 10
    start = threading.Barrier(16)
    allowed: list[bool] = []

    def ask() -> None:
        start.wait()
        allowed.append(breaker.allow())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(allowed) == [False] * 15 + [True]
