"""Texts by name: folders, single files, token files; made into tokens once, and refused when they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.training import token_files
from nexus.training.errors import TokenFileError
from nexus.training.texts import documents, found, prepared
from nexus.transformer.tokenizer import Tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    books = tmp_path / "books"
    (books / "more").mkdir(parents=True)
    (books / "b.txt").write_text("Once upon a time.")
    (books / "more" / "a.md").write_text("# A heading")
    (books / "picture.png").write_bytes(b"\x89PNG\0")
    return books


def test_a_folder_is_its_texts_and_says_what_it_left_out(folder: Path) -> None:
    there = found([folder])
    assert [name for name, _ in there.texts] == ["b.txt", "more/a.md"]
    assert (there.tokens, there.left_out) == ((), 1)
    tokenizer = Tokenizer.shipped()
    texts = {name: tokenizer.decode(ids) for name, ids in documents([folder], tokenizer)}
    assert texts == {"b.txt": "Once upon a time.", "more/a.md": "# A heading"}


def test_tokens_are_made_once_and_of_the_same_texts_only(folder: Path, tmp_path: Path) -> None:
    tokenizer, made = Tokenizer.shipped(), tmp_path / "out" / "tokens"
    files, _ = prepared([folder], made, tokenizer)
    assert [file.path.name for file in files] == ["train-000.tokens"]
    assert len(list(files[0].documents())) == 2
    stamp = files[0].path.stat().st_mtime_ns
    assert prepared([folder], made, tokenizer)[0][0].path.stat().st_mtime_ns == stamp
    (folder / "c.txt").write_text("Another one.")
    with pytest.raises(InvalidInputError, match="made of other texts"):
        prepared([folder], made, tokenizer)


def test_token_files_are_taken_as_they_are(folder: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.shipped()
    for name in ("train-000", "valid-000"):
        token_files.write(folder / f"{name}.tokens", [tokenizer.encode(f"This is {name}.")], tokenizer)
    files, _ = prepared([folder / "train-000.tokens"], tmp_path / "none", tokenizer)
    assert [file.path.name for file in files] == ["train-000.tokens"]
    assert not (tmp_path / "none").exists()
    assert [path.name for path in found([folder]).tokens] == ["train-000.tokens"]
    assert [path.name for path in found([folder], held_out=True).tokens] == ["valid-000.tokens"]
    foreign = tmp_path / "foreign.tokens"
    foreign.write_text("no tokens")
    with pytest.raises(TokenFileError, match="no file of tokens"):
        prepared([foreign], tmp_path / "none", tokenizer)


@pytest.mark.parametrize(("data", "named"), [(b" \n", "is empty"), (b"a\0b", "byte 1 is 0")])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, named: str) -> None:
    (tmp_path / "x.txt").write_bytes(data)
    with pytest.raises(InvalidInputError, match=named):
        prepared([tmp_path], tmp_path / "out", Tokenizer.shipped())
    assert not list((tmp_path / "out").glob("*"))


def test_where_there_is_nothing_it_says_what_it_looks_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no text in .*\.txt"):
        found([tmp_path])
    with pytest.raises(NotFoundError, match="absent is not there"):
        found([tmp_path / "absent"])
