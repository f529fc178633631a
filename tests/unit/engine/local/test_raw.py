"""Texts that are continued as they stand, and gaps between two texts."""

from __future__ import annotations

import numpy as np
import pytest

from nexus.core.errors import InvalidInputError
from nexus.engine.local.raw import FILL_MARKS, encode_raw


class Letters:
    """A vocabulary of characters, with the marks of one family as tokens of their own.

    Stands for a tokenizer of a model that was trained to fill gaps: the small real one was not.
    """

    adds_bos, bos = False, 7

    def __init__(self, marks: tuple[str, ...] = ()) -> None:
        self._marks = {mark: 1000 + number for number, mark in enumerate(marks)}

    def encode(self, text: str, parse_special: bool = False, add_bos: bool = False) -> np.ndarray:
        text.encode()
        ids: list[int] = []
        while text:
            mark = next((m for m in self._marks if parse_special and text.startswith(m)), "")
            ids.append(self._marks[mark] if mark else ord(text[0]))
            text = text[len(mark) or 1 :]
        return np.array(ids, np.int32)


def ids(tokenizer, *text):
    return encode_raw(tokenizer, *text).tolist()


@pytest.mark.parametrize("marks", FILL_MARKS)
def test_a_gap_lies_between_the_marks_of_the_model(marks):
    letters = Letters(marks)
    assert ids(letters, "ab", "c") == [1000, ord("a"), ord("b"), 1001, ord("c"), 1002]


def test_in_a_gap_a_mark_of_the_text_is_text():
    letters = Letters(FILL_MARKS[0])
    plain = [ord(letter) for letter in FILL_MARKS[0][2]]
    assert ids(letters, FILL_MARKS[0][2], "") == [1000, *plain, 1001, 1002]
    assert ids(letters, FILL_MARKS[0][2]) == [1002], "in a raw text it is the mark"


def test_a_model_without_marks_refuses_the_suffix_by_name():
    with pytest.raises(InvalidInputError, match="suffix"):
        ids(Letters(), "a", "b")


def test_the_begin_mark_stands_there_once():
    letters = Letters(("<s>",))
    letters.adds_bos, letters.bos = True, 1000
    assert ids(letters, "a") == [1000, ord("a")]
    assert ids(letters, "<s>a") == [1000, ord("a")]


@pytest.mark.parametrize("text", [("\ud800",), ("a", "\ud800"), ("\ud800", "a")])
def test_half_a_character_is_refused(text):
    with pytest.raises(InvalidInputError, match="unicode"):
        ids(Letters(FILL_MARKS[0]), *text)
