"""Where the compiled tenders are: searched for once in a while, and never used where they are no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel.tenders import program

NAME = "nexus-tender-of-this-test"


def made(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    file = folder / NAME
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The searches that were made; PATH is the folders `first` and `second`."""
    made_: list[str] = []
    which = shutil.which

    def counted(name: str, *, path: str | None = None) -> str | None:
        made_.append(path or "PATH")
        return which(name, path=path)

    monkeypatch.setattr(shutil, "which", counted)
    monkeypatch.setattr(program, "_found", {})
    monkeypatch.setenv("PATH", f"{tmp_path}/first:{tmp_path}/second")
    return made_


def test_it_is_searched_for_once(searches: list[str], tmp_path: Path) -> None:
    path = made(tmp_path / "first")
    assert [program.needed(NAME) for _ in range(100)] == [path] * 100
    assert searches.count("PATH") == 1


def test_a_search_is_not_believed_for_long(searches: list[str], tmp_path: Path, monkeypatch) -> None:
    later = made(tmp_path / "second")
    assert program.needed(NAME) == later
    earlier = made(tmp_path / "first")
    monkeypatch.setattr(program, "_KEPT", 0.0)
    assert program.needed(NAME) == earlier


def test_one_that_is_gone_is_not_used(searches: list[str], tmp_path: Path) -> None:
    first, second = made(tmp_path / "first"), made(tmp_path / "second")
    assert program.needed(NAME) == first
    Path(first).unlink()
    assert program.needed(NAME) == second
    Path(second).chmod(0o644)
    with pytest.raises(MissingPartError, match=f"{NAME} is not installed"):
        program.needed(NAME)


def test_that_there_is_none_is_not_kept(searches: list[str], tmp_path: Path) -> None:
    with pytest.raises(MissingPartError):
        program.needed(NAME)
    path = made(tmp_path / "first")
    assert program.needed(NAME) == path


def test_another_path_is_another_search(searches: list[str], tmp_path: Path, monkeypatch) -> None:
    first, second = made(tmp_path / "first"), made(tmp_path / "second")
    assert program.needed(NAME) == first
    monkeypatch.setenv("PATH", f"{tmp_path}/second")
    assert program.needed(NAME) == second
