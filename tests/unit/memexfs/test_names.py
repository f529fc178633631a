"""Names that views give to files, and names that are never questions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.memexfs import names
from nexus.memexfs.search import question

NAMES = st.binary(min_size=1, max_size=255).map(lambda b: b.replace(b"/", b"_").replace(b"\0", b"_"))
TEXTS = st.text(min_size=1, max_size=120)


def test_equal_names_are_told_apart_before_the_extension() -> None:
    given_names = [b"a.txt", b"a.txt", b"a (2).txt", b"a.txt", b".rc", b".rc"]
    assert names.distinct(given_names) == [
        *(b"a.txt", b"a (2).txt", b"a (2) (2).txt", b"a (3).txt", b".rc", b".rc (2)"),
    ]
    assert names.distinct([b"b"], taken=[b"b"]) == [b"b (2)"]


def test_rank_comes_first_and_sorts() -> None:
    given_names = [b"z.txt", *([b"a.txt"] * 10)]
    shown = names.ranked(given_names)
    assert shown[:2] == [b"01 z.txt", b"02 a.txt"]
    assert shown[-1] == b"11 a.txt"
    assert sorted(shown) == shown


@given(st.lists(NAMES, max_size=60), st.lists(NAMES, max_size=5))
def test_shown_names_are_distinct_and_fit(paths: list[bytes], taken: list[bytes]) -> None:
    for shown in (names.distinct(paths, taken), names.ranked(paths)):
        assert len(shown) == len(paths) == len(set(shown))
        assert all(0 < len(name) <= 255 and b"/" not in name for name in shown)
    assert not set(names.distinct(paths, taken)) & set(taken)
    assert names.distinct(paths, taken) == names.distinct(paths, taken)


@given(st.text(min_size=1, max_size=300), st.integers(0, 255))
def test_a_cut_name_is_still_utf8(text: str, longest: int) -> None:
    name = text.encode("utf-8", "replace")
    cut = names.cut(name, longest)
    assert len(cut) <= longest
    assert name.startswith(cut)
    cut.decode()


@given(st.lists(TEXTS, max_size=30))
def test_any_text_becomes_a_name_of_a_folder(values: list[str]) -> None:
    shown = names.shown(values)
    assert len(shown) == len(values) == len(set(shown))
    for name in shown:
        assert 0 < len(name) <= 255
        assert b"/" not in name
        assert b"\0" not in name
        assert not name.startswith(b".")


@pytest.mark.parametrize(
    "name",
    [
        *(".git", ".hidden", ".Trash-1000", ".DS_Store", "._a b", "~$a report.docx", "#a file#", "a file~"),
        *("desktop.ini", "Thumbs.db", "System Volume Information", "$RECYCLE.BIN", "Network Trash Folder"),
        *("Temporary Items", "New Folder", "New Folder (2)", "untitled folder 3", "autorun.inf", "Icon\r"),
        *("refunds", "HEAD", "a", "ab?", "??", " ? ", "a\tb c", "a\nb c"),
    ],
)
def test_what_programs_try_is_no_question(name: str) -> None:
    assert question(name.encode()) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("how we handle refunds", "how we handle refunds"),
        ("refunds?", "refunds?"),
        ("wie war das?", "wie war das?"),
        ("naïve bayes", "naïve bayes"),
    ],
)
def test_what_a_person_types_is_a_question(name: str, text: str) -> None:
    assert question(name.encode()) == text


@given(NAMES)
def test_no_name_breaks_the_question(name: bytes) -> None:
    text = question(name)
    if text is not None:
        assert text.strip() == text != ""
    names.backup(name), names.temporary(name)
