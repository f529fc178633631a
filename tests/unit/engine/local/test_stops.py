"""Stop texts in text that comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.engine.local.stops import StopTexts


def test_a_stop_text_over_several_pieces_is_never_shown() -> None:
    stops = StopTexts(["</end>"])
    assert [stops.push(piece) for piece in ("one <", "/e", "nd", "> two")] == ["one ", "", "", ""]
    assert stops.stopped
    assert stops.push("more") == ""
    assert stops.flush() == ""


def test_what_only_looked_like_the_beginning_is_shown_after_all() -> None:
    stops = StopTexts(["stop"])
    assert stops.push("a st") == "a "
    assert stops.push("ay sto") == "stay "
    assert stops.flush() == "sto"
    assert not stops.stopped


def test_the_first_of_several_stop_texts_counts() -> None:
    stops = StopTexts(["world", "o w", ""])
    assert stops.push("hello world") == "hell"
    assert stops.stopped


def test_a_beginning_that_begins_again_is_held_back_from_there() -> None:
    stops = StopTexts(["aab"])
    assert stops.push("aaa") == "a"
    assert stops.push("b!") == ""
    assert stops.stopped


@pytest.mark.parametrize("text", ["", "x", "no stop here"])
def test_without_stop_texts_everything_is_shown_at_once(text: str) -> None:
    assert StopTexts([]).push(text) == text


@given(st.lists(st.text("ab", max_size=4)), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_all_that_came_is_shown_up_to_a_stop_text(pieces: list[str], texts: list[str]) -> None:
    stops, whole = StopTexts(texts), "".join(pieces)
    shown = "".join(stops.push(piece) for piece in pieces)
    assert stops.stopped == any(text in whole for text in texts)
    assert not any(text in shown for text in texts)
    if stops.stopped:
        assert any(whole.startswith(shown + text) for text in texts)
    else:
        assert shown + stops.flush() == whole
