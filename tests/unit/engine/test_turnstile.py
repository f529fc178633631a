"""The line of callers: one at a time, in order, and free to leave."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from nexus.engine.turnstile import Turnstile


def test_callers_are_served_one_at_a_time_in_the_order_they_came() -> None:
    turnstile, first_out = Turnstile(), Event()
    order: list[int] = []
    inside: list[int] = []

    def call(number: int) -> None:
        with turnstile.turn(Event()) as granted:
            assert granted
            inside.append(number)
            assert inside == [number]
            order.append(number)
            if number == 0:
                first_out.wait()
            inside.remove(number)

    threads = []
    for number in range(6):
        threads.append(Thread(target=call, args=(number,)))
        threads[-1].start()
        while turnstile.waiting <= number:
            Event().wait(0.001)
    first_out.set()
    for thread in threads:
        thread.join()
    assert order == list(range(6))
    assert turnstile.waiting == 0


def test_a_cancelled_caller_leaves_the_line_without_a_turn() -> None:
    turnstile, cancel = Turnstile(), Event()
    cancel.set()
    with turnstile.turn(Event()) as holder:
        assert holder
        with turnstile.turn(cancel) as granted:
            assert not granted
        assert turnstile.waiting == 1


def test_a_turn_that_fails_passes_on() -> None:
    turnstile = Turnstile()
    with pytest.raises(ValueError, match="boom"), turnstile.turn(Event()):
        raise ValueError("boom")
    with turnstile.turn(Event()) as granted:
        assert granted
