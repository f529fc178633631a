"""`nexus eval` as a user meets it: tables and JSON of a tiny model, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from nexus.transformer import weights
from tests.transformer_commands import Done, nexus, packed, story

Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.delenv("NEXUS_DATA", raising=False)
    packed(tmp_path / "model")

    def evaluated(what: str, *words: object) -> Done:
        return nexus(capsys, monkeypatch, "eval", what, *words, "--model", tmp_path / "model", "--threads", 1)

    return evaluated


@pytest.mark.slow
def test_needles_are_a_table_or_json(run: Run, tmp_path: Path) -> None:
    asked = ("--length", 600, "--count", 1, "--kind", "number", "--seeds", 1)
    table = run("needle", *asked)
    assert table.status == 0, table.stderr
    assert "no haystack of text: name some with --books" in table.stderr
    head, _, names, *rows = table.stdout.splitlines()
    assert head == "1 facts (number) in 600 tokens, 1 streams; mean ± standard deviation"
    assert names.split() == ["model", "haystack", "exact", "held", "entries", "tok/s"]
    assert [row.split()[:6] for row in rows] == [
        ["nexus", name, "1.0", "of", "1", "1.0"] for name in ("common", "letters", "rare")
    ]
    story(tmp_path / "book.txt")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    picture = ("--plot", tmp_path / "recall.png")
    found = run("needle", *asked, "--haystack", "text", "--books", tmp_path / "book.txt", "--json", *picture)
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG\r\n")
    (row,) = json.loads(found.stdout)
    assert (row["haystack"], row["exact"]["runs"], row["asked"]) == ("text", [1.0], 1)


@pytest.mark.slow
def test_recall_and_bits_of_books(run: Run, tmp_path: Path) -> None:
    story(tmp_path / "book.txt", 60)
    found = run("recall", tmp_path / "book.txt", "--length", 500, "--streams", 2, "--seeds", 1)
    assert found.status == 0, found.stderr
    assert found.stdout.startswith("2 streams of 500 tokens, ")
    assert "8 ways" in found.stdout
    assert "direct-mapped" in found.stdout
    bits = run("bpb", tmp_path / "book.txt", "--tokens", 300, "--json")
    (row,) = json.loads(bits.stdout)
    assert row["tokens"] == 299
    assert row["bits_per_byte"] > 0
    table = run("bpb", tmp_path / "book.txt", "--tokens", 300).stdout
    assert "with memory" in table


def test_what_cannot_be_measured_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(status: int, said: str, *words: object) -> None:
        done = run(*words)
        assert (done.status, done.stdout) == (status, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    refused(2, "20 facts do not fit into 300 tokens", "needle", "--length", 300, "--count", 20)
    refused(2, "a haystack of text, and no text", "needle", "--haystack", "text", "--length", 999)
    refused(5, "absent is not there", "recall", tmp_path / "absent")
    (tmp_path / "short.txt").write_text("too short")
    refused(2, "tokens, and a window of 64", "recall", tmp_path / "short.txt")
    refused(2, "control 'window' names no checkpoint", "bpb", tmp_path / "short.txt", "--control", "window")
    refused(2, "no control 'none'", "bpb", tmp_path / "short.txt", "--control", "none=x")
    (tmp_path / "model").write_text("no model")
    refused(10, "no safetensors file", "bpb", tmp_path / "short.txt")


def test_without_weights_it_says_how_to_train_some(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "none")
    done = nexus(capsys, monkeypatch, "eval", "needle")
    assert done.status == 9
    assert "nexus train" in done.stderr
