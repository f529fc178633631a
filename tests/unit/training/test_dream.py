"""Dreaming ends: when it teaches nothing, when it harms, and when there is nothing to dream of."""

from __future__ import annotations

import random

from nexus.training.dream import NIGHT_BYTES, VAIN_NIGHTS, WAKING_BYTES, Dream


class Passages:
    """A thousand of them, drawn evenly."""

    def draw(self, count: int, upto: int, chance: random.Random) -> list[int]:
        return [chance.randint(1, upto) for _ in range(count)] if upto else []


def night(dream: Dream, before: float | None, after: float | None) -> tuple[int, bool]:
    assert dream.fall_asleep(Passages(), 1000, before)
    read = 0
    while dream.next() is not None:
        dream.dreamt(1000)
        read += 1
    return read, dream.wake(after)


def test_a_night_reads_a_bounded_amount_and_no_passage_twice() -> None:
    dream = Dream(1)
    read, harmful = night(dream, 2.0, 1.9)
    assert read == -(-NIGHT_BYTES // 1000)
    assert not harmful
    assert (dream.nights, dream.asleep, dream.rested) == (1, False, False)


def test_two_nights_that_teach_nothing_are_enough_until_there_is_new_text() -> None:
    dream = Dream(1)
    for _ in range(5):
        night(dream, 2.0, 1.9)
    for _ in range(VAIN_NIGHTS):
        assert not dream.rested
        night(dream, 2.0, 2.0)
    assert dream.rested
    assert not dream.fall_asleep(Passages(), 1000, 2.0)
    dream.read_new(WAKING_BYTES - 1)
    assert dream.rested
    dream.read_new(1)
    assert dream.fall_asleep(Passages(), 1000, 2.0)


def test_a_night_that_harms_is_to_be_undone_and_the_last() -> None:
    dream = Dream(1)
    assert night(dream, 2.0, 2.5)[1]
    assert dream.rested
    assert dream.undone == 1


def test_without_held_out_text_two_nights_are_all() -> None:
    dream = Dream(1)
    for _ in range(VAIN_NIGHTS):
        assert not night(dream, None, None)[1]
    assert dream.rested


def test_nothing_read_is_nothing_to_dream_of_and_new_text_ends_a_night() -> None:
    dream = Dream(1)
    assert not dream.fall_asleep(Passages(), 0, 2.0)
    assert dream.fall_asleep(Passages(), 9, 2.0)
    dream.disturbed()
    assert not dream.asleep
    assert dream.next() is None
