"""A memory in an editor: what was changed is sent, what cannot be read is not, and nothing is lost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nexus.cli import editing
from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.cortex.memory_file import Memory

FIELDS = Memory(
    id="MEM-2026-11-20-001-ab12",
    learning="The staging database listens on port 5432",
    domain="DB",
    keywords=("staging", "5432"),
    created="2026-11-20T06:05:11Z",
    updated="2026-11-20T06:05:11Z",
).as_dict()


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sets EDITOR to a program that changes the text with sed."""

    def use(change: str, status: int = 0) -> None:
        path = tmp_path / "editor"
        path.write_text(f"#!/bin/sh\nsed -i '{change}' \"$2\"\nexit {status}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", f"{path} --wait")
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    return use


def left(folder: Path) -> list[Path]:
    return sorted(folder.glob("nexus-*/*.md"))


def test_only_what_differs_is_changed_and_nothing_lies_about(editor, tmp_path: Path) -> None:
    editor("s/5432/6543/; s/^confidence:.*/confidence: low/")
    assert editing.changes(FIELDS) == {
        "learning": "The staging database listens on port 6543",
        "confidence": "low",
    }
    assert left(tmp_path) == []


def test_an_unchanged_text_changes_nothing(editor) -> None:
    editor("")
    assert editing.changes(FIELDS) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("s/^domain:.*/domain: HARBOUR/", "HARBOUR"),
        ("s/^id:.*/id: MEM-1/", "MEM-1"),
        ("s/^created:.*/created: yesterday/", "created cannot be changed"),
        ("s/^source:.*/colour: blue/", "colour"),
        ("s/^keywords:.*/keywords: [port]/", "keywords cannot be changed"),
        ("$ a my own notes", "notes"),
        ("1 d", "front matter"),
        ("s/^learning:.*/learning: &a [*a]/", "YAML"),
    ],
)
def test_a_text_that_is_no_memory_is_refused_and_kept(
    editor, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, words: str
) -> None:
    editor(change)
    with pytest.raises(InvalidInputError) as refused:
        editing.changes(FIELDS)
    assert words in capsys.readouterr().err
    (kept,) = left(tmp_path)
    assert str(kept) in refused.value.hint


def test_an_editor_that_fails_changes_nothing(editor, tmp_path: Path) -> None:
    editor("s/5432/6543/", status=3)
    with pytest.raises(InvalidInputError, match="ended with 3"):
        editing.changes(FIELDS)
    assert "6543" in left(tmp_path)[0].read_text()


def test_an_editor_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor")
    with pytest.raises(MissingPartError, match="no-such-editor"):
        editing.changes(FIELDS)
