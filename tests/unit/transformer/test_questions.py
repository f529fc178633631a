"""Questions of a text: names inside sentences that come back, and what followed their first mention."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.transformer.questions import blocks, chosen, questions

START = (
    "When the bell rang, old Zorbax of Mirrel went down to the harbour to look for his boat. "
    "There he met Captain Alice Brown who had lost her way in the fog of that long night. "
    "Greta laughed. We saw that Greta laughed and was glad about all that there was to see. "
    "They spoke to Mrs Plum about it for a very long time, as they always did on such days. "
)
REST = "And Zorbax came back. Zorbax, too. Then Alice spoke with Captain Alice Brown. Greta. Mrs Plum. " * 40


def test_a_question_is_a_name_and_what_followed_its_first_mention(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(START + "It was all the same to them, day after day and night after night. " * 200 + REST)
    found = questions(path)
    assert [each.phrase for each in found] == ["Zorbax", "Captain Alice Brown"]
    zorbax, captain = found
    assert zorbax.answer == " of Mirrel went down to the harbour to"
    assert (START + "x").startswith(zorbax.answer, zorbax.at)
    assert zorbax.mentions == 80
    assert captain.mentions == 40
    assert questions(path, 1) == [zorbax]


def test_what_stood_elsewhere_first_is_not_asked() -> None:
    later = Counter({"Greta": 9, "Plum": 9, "Mirrel": 1, "Brown": 9, "Alice": 9})
    assert [each.phrase for each in chosen(START, later, set(), 20)] == ["Mirrel"]
    assert chosen(START, Counter(), set(), 20) == []


def test_a_mention_in_a_heading_is_one() -> None:
    later = Counter({"Zorbax": 3, "Captain Alice Brown": 2})
    assert [each.phrase for each in chosen("_Zorbax_\n\n" + START, later, set(), 20)] == [
        "Captain Alice Brown"
    ]


def test_a_word_that_the_text_also_writes_small_is_no_name() -> None:
    later = Counter({"Zorbax": 3, "Captain Alice Brown": 2})
    assert [each.phrase for each in chosen(START, later, {"captain", "sea"}, 20)] == ["Zorbax"]


def test_an_answer_that_the_start_does_not_hold_is_not_asked() -> None:
    assert chosen("we saw how Zorbax went on", Counter({"Zorbax": 3}), set(), 20) == []


def test_blocks_are_the_text_whatever_its_length(tmp_path: Path) -> None:
    text = "ein schöner Tag – ça va\n" * 120_000 + "and no end of line"
    path = tmp_path / "text"
    path.write_text(text)
    heard: list[int] = []
    found = list(blocks(path, heard.append))
    assert "".join(found) == text
    assert len(found) > 2
    assert all(block.endswith("\n") for block in found[:-1])
    assert heard[-1] == path.stat().st_size


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "is empty"),
        (b"abc\0def", "byte 3 is 0"),
        (b"abc \xff def", "no UTF-8"),
        ("abc é".encode()[:-1], "ends within a character"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, named: str) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=named):
        list(blocks(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="absent is not there"):
        questions(tmp_path / "absent")
