"""What hooks bring is worked off in order, in bounds, and once: with a Cortex that only takes notes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nexus.core.errors import InvalidInputError, StorageError
from nexus.service import capture
from nexus.service.capture import Capture, Said, session_file, session_folders


@dataclass
class Notes:
    """Stands for the daemon and its Cortex: what was asked of them, in order."""

    kind: str = "sessions"
    done: list[Any] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def config(self) -> Any:
        return SimpleNamespace(settings=SimpleNamespace(cortex=SimpleNamespace(capture=self.kind)))

    @property
    def cortex(self) -> Any:
        return self

    @property
    def learning(self) -> Any:
        return self

    @property
    def keeping(self) -> Any:
        return SimpleNamespace(note_surprise=None)

    def observe(self, text: str, session: str, sentences: list[Any]) -> None:
        """What was said may be learnt from; how is not this test's."""

    def consider(self, text: str, role: str, *, session: str, project: str) -> list[Any]:
        self.gate.wait(20)
        if text == "full":
            raise StorageError("no space left")
        if text == "bug":
            raise ZeroDivisionError
        self.done.append(text)
        return []

    def hear(self, path: Path) -> int:
        self.done.append(path)
        return 1


def said(text: str) -> Said:
    return Said(text, "user", "s", "")


def worked_off(notes: Notes, *steps: Any) -> list[Any]:
    """Do `steps` with a capture that cannot begin before all are done, and let it end."""
    taking = Capture(notes)  # type: ignore[arg-type]
    for step in steps:
        step(taking)
    notes.gate.set()
    taking.start()
    deadline = time.monotonic() + 20
    while taking.waiting and not any("later" in str(path) for path in taking._files):
        assert time.monotonic() < deadline, "it is not worked off"
        time.sleep(0.01)
    taking.stop()
    return notes.done


def test_what_was_said_goes_first_and_a_session_that_ended_is_read():
    path = Path("/a.jsonl")
    steps = [lambda c: c.hear(path, now=True), lambda c: c.say(said("one")), lambda c: c.say(said("two"))]
    assert worked_off(Notes(), *steps) == ["one", "two", path]


def test_a_transcript_that_grows_is_read_once_and_only_when_it_pauses(monkeypatch):
    path, later = Path("/a.jsonl"), Path("/later.jsonl")
    steps = [lambda c: c.hear(path, now=False)] * 50 + [lambda c: c.hear(path, now=True)] * 3
    assert worked_off(Notes(), *steps, lambda c: c.hear(later, now=False)) == [path]
    monkeypatch.setattr(capture, "_PAUSE_SECONDS", 0.0)
    assert worked_off(Notes(), lambda c: c.hear(path, now=False)) == [path]


@pytest.mark.parametrize(("kind", "expected"), [("off", []), ("proposals", ["one"])])
def test_only_what_is_allowed_is_noted(kind, expected):
    steps = [lambda c: c.say(said("one")), lambda c: c.hear(Path("/a.jsonl"), now=True)]
    assert worked_off(Notes(kind), *steps) == expected


def test_one_failure_does_not_end_the_work():
    steps = [lambda c, t=text: c.say(said(t)) for text in ("full", "bug", "  ", "fine")]
    assert worked_off(Notes(), *steps) == ["fine"]


def test_too_much_is_bounded_and_the_newest_stays():
    steps = [lambda c, n=number: c.say(said(str(n))) for number in range(1000)]
    assert worked_off(Notes(), *steps) == [str(number) for number in range(744, 1000)]


def test_stopping_works_off_what_was_said():
    notes = Notes()
    taking = Capture(notes)  # type: ignore[arg-type]
    taking.start()
    for number in range(20):
        taking.say(said(str(number)))
    notes.gate.set()
    taking.stop()
    assert notes.done == [str(number) for number in range(20)]


def test_sessions_lie_where_their_agents_say(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    monkeypatch.setenv("CODEX_HOME", "/codex")
    folders = session_folders("/claude", "relative/is/ignored")
    assert set(folders) == {
        Path("/claude/projects"),
        tmp_path / ".claude/projects",
        *(
            folder / name
            for folder in (Path("/codex"), tmp_path / ".codex")
            for name in ("sessions", "archived_sessions")
        ),
    }


def test_a_transcript_may_lie_behind_a_link_within_its_folders(tmp_path):
    folder = tmp_path / "projects"
    folder.mkdir()
    real = folder / "a.jsonl"
    real.write_text("{}\n")
    (folder / "b.jsonl").symlink_to(real)
    assert session_file(str(folder / "b.jsonl"), [folder]) == real
    with pytest.raises(InvalidInputError, match="outside"):
        session_file(str(real), [tmp_path / "elsewhere"])
    (tmp_path / "x.jsonl").write_text("{}\n")
    with pytest.raises(InvalidInputError, match="outside"):
        session_file(f"{folder}/../x.jsonl", [folder])
