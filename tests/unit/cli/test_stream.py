"""`nexus stream` as a user meets it: a text is read, what was said at its start is told word for word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from tests.transformer_commands import Done, nexus, packed, story

Run = Callable[..., Done]


@pytest.fixture
def stream(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    packed(tmp_path / "model")
    story(tmp_path / "story.txt", 60)

    def run(*words: object) -> Done:
        return nexus(capsys, monkeypatch, "stream", *words, "--model", tmp_path / "model", "--threads", 1)

    return run


def test_what_was_said_at_the_start_is_told(stream: Run, tmp_path: Path) -> None:
    done = stream(tmp_path / "story.txt")
    assert done.status == 0, done.stderr
    names, row, summary = done.stdout.splitlines()
    assert names.split("\t") == ["asked", "answer", "exact", "position", "confidence"]
    asked, answer, exact, position, _ = row.split("\t")
    assert (asked, exact) == ("Zorbax", "yes")
    assert answer.startswith("of Mirrel sold his boat to a man")
    assert position.endswith("%)")
    assert summary.startswith("1 of 1 exact, ")
    assert "tok/s, RSS " in summary
    found = json.loads(stream(tmp_path / "story.txt", "--json").stdout)
    assert (found["exact"], found["asked"]) == (1, 1)
    assert found["answers"][0]["expected"] == " of Mirrel sold his boat to a man"
    assert found["answers"][0]["position"] < 20
    assert found["tokens"] == found["position"] > 500


def test_a_memory_is_kept_and_asked_again(stream: Run, tmp_path: Path) -> None:
    question = " once Zorbax of Mirrel"
    kept = stream(tmp_path / "story.txt", "--ask", question, "--save", tmp_path / "kept")
    assert kept.status == 0, kept.stderr
    row = kept.stdout.splitlines()[1]
    assert row.split("\t")[1].startswith("sold his boat to a man")
    again = stream("--load", tmp_path / "kept", "--ask", question)
    assert again.stdout.splitlines()[1] == row
    assert "tok/s" not in again.stdout


def test_what_cannot_be_read_is_one_line(stream: Run, tmp_path: Path) -> None:
    def refused(status: int, said: str, *words: object) -> None:
        done = stream(*words)
        assert (done.status, done.stdout, done.stderr.count("\n")) == (status, "", 1)
        assert said in done.stderr

    (tmp_path / "empty").touch()
    refused(2, "empty is empty", tmp_path / "empty")
    (tmp_path / "picture").write_bytes(b"GIF89a\0")
    refused(2, "is no text: byte 6 is 0", tmp_path / "picture", "--ask", "x")
    refused(5, "absent is not there", tmp_path / "absent")
    refused(2, "no FILE to read")
    (tmp_path / "foreign").write_text("no memory")
    refused(2, "foreign is damaged or no memory", tmp_path / "story.txt", "--load", tmp_path / "foreign")


def test_a_text_without_names_asks_nothing(stream: Run, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("all was quiet and nobody came. " * 50)
    done = stream(tmp_path / "plain")
    assert done.status == 0
    assert "no name of the first 4 % comes back later" in done.stderr
    assert done.stdout.count("\n") == 1
