"""Texts that were read and are kept: which is which, and that nothing else is touched."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.core.errors import BusyError, InvalidInputError, NotFoundError, StorageError
from nexus.engine.base import ChatMessage
from nexus.engine.kept_context import find, forget, kept, messages, passing, prepare, read_text

SOURCE = Path("/texts/A long book.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "contexts"


def test_a_text_is_found_again_under_the_name_of_its_file(root: Path) -> None:
    made = prepare(root, SOURCE, "once upon", "model-a")
    assert made.name == "A-long-book"
    assert prepare(root, SOURCE, "once upon", "model-a") == made == find(root, "A-long-book")
    assert kept(root) == [made]
    assert (made.characters, made.model, made.source) == (9, "model-a", str(SOURCE))
    (made.folder / "blocks").write_bytes(b"x" * 50_000)
    assert made.disk_bytes >= 50_000
    assert made.facts()["disk_bytes"] == made.disk_bytes


@pytest.mark.parametrize(
    ("text", "model", "what"), [("other", "a", "another text"), ("t", "b", "another model")]
)
def test_a_name_that_is_taken_is_refused_with_the_way_out(
    root: Path, text: str, model: str, what: str
) -> None:
    prepare(root, SOURCE, "t", "a", "name")
    with pytest.raises(InvalidInputError, match=f"'name' is of {what}.*engine forget name"):
        prepare(root, SOURCE, text, model, "name")


@pytest.mark.parametrize("source", ["..txt", "...", "\u00e4 \u00f6.txt", "x" * 200, "-rf.txt", "$(x).md"])
def test_every_file_has_a_name_that_can_be_used(root: Path, source: str) -> None:
    made = prepare(root, Path(source), "t", "a")
    assert made.folder.parent == root
    assert find(root, made.name) == made


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../x", "-x", " ", "x" * 101, "a\0b"])
def test_no_name_leads_out_of_the_folder(root: Path, tmp_path: Path, name: str) -> None:
    prepare(root, SOURCE, "t", "a", "sound")
    outside = prepare(tmp_path, SOURCE, "t", "a", "x")
    with pytest.raises(InvalidInputError, match="cannot be called"):
        prepare(root, SOURCE, "t", "a", name)
    for act in (find, forget):
        with pytest.raises(NotFoundError):
            act(root, name)
    assert outside.folder.is_dir()


def test_forgetting_takes_it_off_the_disk(root: Path) -> None:
    made = prepare(root, SOURCE, "t", "a")
    forget(root, made.name)
    assert kept(root) == []
    with pytest.raises(NotFoundError, match="engine contexts lists them"):
        forget(root, made.name)


def test_what_a_process_uses_is_not_forgotten(root: Path) -> None:
    made = prepare(root, SOURCE, "t", "a")
    with (made.folder / "blocks").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="in use"):
            forget(root, made.name)
    forget(root, made.name)


def test_a_damaged_one_is_named_and_can_be_forgotten(root: Path) -> None:
    made = prepare(root, SOURCE, "t", "a", "bad")
    for text in ("{", "[]", "{}", '{"name": 3}'):
        (made.folder / "context.json").write_text(text, encoding="utf-8")
        with pytest.raises(StorageError, match="engine forget bad"):
            kept(root)
    forget(root, "bad")
    assert kept(root) == []


def test_one_whose_making_was_cut_short_is_made_anew(root: Path) -> None:
    (root / "half").mkdir(parents=True)
    assert kept(root) == []
    made = prepare(root, SOURCE, "t", "a", "half")
    assert kept(root) == [made]


def test_only_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(NotFoundError):
        read_text(path)
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert read_text(path) == "hello"
    path.write_bytes(b"ab\xffcd")
    with pytest.raises(InvalidInputError, match=r"byte 2"):
        read_text(path)
    path.write_bytes(b" \n")
    with pytest.raises(InvalidInputError, match="no text"):
        read_text(path)
    with pytest.raises(StorageError):
        read_text(tmp_path)


def test_all_questions_about_a_text_begin_alike() -> None:
    first = messages("book", "once", [ChatMessage("user", "who?")])
    second = messages("book", "once", [ChatMessage("user", "where?")])
    assert first[0] == second[0]
    assert first[0].role == "system"
    assert "# book\n\nonce" in first[0].content
    assert first[1].content == "who?"


def test_a_passing_store_goes_and_takes_those_of_killed_processes_along(root: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    left, other = root / f"once-{ended.pid}", root / f"once-{os.getppid()}"
    for folder in (left, other, root / "contexts"):
        folder.mkdir(parents=True)
        (folder / "blocks").write_bytes(b"x")
    with passing(root) as folder:
        assert folder.is_dir()
        assert not left.exists()
        (folder / "blocks").write_bytes(b"x")
    assert sorted(path.name for path in root.iterdir()) == ["contexts", other.name]
