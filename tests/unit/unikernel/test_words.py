"""A guest's command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.unikernel import words


@given(st.lists(st.text(st.characters(exclude_characters=" \0", exclude_categories=["Cs"]), min_size=1)))
def test_a_guest_splits_the_line_into_the_same_words(given_words: list[str]) -> None:
    line = words.joined(given_words[:63])
    assert [word for word in line.split(" ") if word] == given_words[:63]


@pytest.mark.parametrize("bad", [["a b"], [""], ["a\0b"], ["a"] * 64, ["x" * 65536]])
def test_words_that_no_line_carries_are_refused(bad: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        words.joined(bad)
