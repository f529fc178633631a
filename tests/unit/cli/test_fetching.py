"""`nexus up` offers to fetch missing models, and fetches none that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.cli import fetching
from nexus.core import config
from nexus.core.paths import Home


class Asked:
    """In place of the download and of the person."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, terminal: bool, answer: bool) -> None:
        self.fetched: list[str] = []
        self.questions = 0
        self._answer = answer
        monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
        monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
        monkeypatch.setattr("typer.confirm", self._confirm)
        monkeypatch.setattr(fetching, "fetch", lambda _, names: self.fetched.extend(names))

    def _confirm(self, *_: object, **__: object) -> bool:
        self.questions += 1
        return self._answer


@pytest.mark.parametrize(
    ("terminal", "answer", "yes", "questions", "fetches"),
    [
        (False, True, False, 0, False),
        (False, True, True, 0, True),
        (True, True, False, 1, True),
        (True, False, False, 1, False),
        (True, False, True, 0, True),
    ],
)
def test_what_is_missing_is_fetched_when_somebody_wants_it(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    answer: bool,
    yes: bool,
    questions: int,
    fetches: bool,
) -> None:
    asked = Asked(monkeypatch, terminal=terminal, answer=answer)
    settings = config.load()
    fetching.offer(settings, yes=yes)
    wanted = [settings.settings.cortex.embedder, settings.settings.cortex.talk_embedder]
    wanted.append(settings.settings.engine.model)
    assert asked.questions == questions
    assert sorted(asked.fetched) == (sorted(wanted) if fetches else [])
    told = capsys.readouterr().err
    assert all(name in told for name in wanted) == bool(questions or fetches)


def test_nobody_is_asked_where_all_is_here(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    models_folder: Path,
    granite_folder: Path,
    embedder_folder: Path,
    smollm2_path: Path,
) -> None:
    asked = Asked(monkeypatch, terminal=True, answer=True)
    settings = config.load({"models.folder": str(models_folder), "engine.model": "smollm2-135m"})
    fetching.offer(settings, yes=True)
    assert (asked.questions, asked.fetched) == (0, [])
