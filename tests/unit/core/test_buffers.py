"""Buffers are trimmed in large pieces when they are nearly full."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus.core.buffers import History, trim_when_full
from nexus.core.settings import HousekeepingSettings

SETTINGS = HousekeepingSettings()


@given(limit=st.integers(1, 2000), added=st.integers(0, 4000))
def test_a_history_never_holds_more_than_its_limit_and_keeps_the_newest(limit: int, added: int) -> None:
    history: History[int] = History(limit)
    for number in range(added):
        history.add(number)
        trim_when_full(history, SETTINGS)
        assert history.used < max(limit * 0.9, 1)
    assert history.items() == list(range(added))[added - history.used :]


def test_at_ninety_percent_it_is_trimmed_to_seventy_five() -> None:
    history: History[int] = History(100)
    for number in range(89):
        history.add(number)
    assert trim_when_full(history, SETTINGS) == 0
    history.add(89)
    assert trim_when_full(history, SETTINGS) == 15
    assert history.items() == list(range(15, 90))
    assert trim_when_full(history, SETTINGS, now=True) == 0
    history.add(90)
    assert trim_when_full(history, SETTINGS, now=True) == 1


def test_without_anybody_who_trims_it_drops_the_oldest() -> None:
    history: History[int] = History(3)
    for number in range(5):
        history.add(number)
    assert (history.items(), history.used, history.limit) == ([2, 3, 4], 3, 3)
