"""`nexus train` as a user meets it: a tiny training, its files, its end by Ctrl-C, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from nexus.training import plot
from nexus.training.trainer import Training
from nexus.transformer import weights
from tests.transformer_commands import TINY, Done, nexus, story

Run = Callable[..., Done]


@pytest.fixture
def train(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Done]:
    (tmp_path / "tiny.json").write_text(TINY.to_json())
    (tmp_path / "texts").mkdir()
    story(tmp_path / "texts" / "story.txt")
    monkeypatch.setattr(plot, "draw", lambda log, picture: picture.write_bytes(b"drawn") > 0)

    def run(*more: object) -> Done:
        sizes = ("--steps", 2, "--tokens", 512, "--config", tmp_path / "tiny.json", "--threads", 1)
        return nexus(
            capsys, monkeypatch, "train", tmp_path / "texts", "--out", tmp_path / "out", *sizes, *more
        )

    return run


def test_texts_become_weights(train: Run, tmp_path: Path) -> None:
    (tmp_path / "texts" / "picture.png").write_bytes(b"\x89PNG")
    done = train()
    assert done.status == 0, done.stderr
    path = tmp_path / "out" / "model.safetensors"
    assert done.stdout == f"{path}  {path.stat().st_size:,} bytes  step 2\n"
    assert "0.1 million weights" in done.stderr
    assert "1 files are no texts and were left out" in done.stderr
    assert weights.load(path).config == TINY
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert names == {"tokens", "log.jsonl", "loss.png", "step-000000002.safetensors", "model.safetensors"}
    again = train("--json")
    assert "goes on after step 2" in again.stderr
    found = json.loads(again.stdout)
    assert (found["step"], found["steps"], found["done"]) == (2, 2, True)
    assert found["weights"] == str(path)


def test_ctrl_c_saves_and_the_same_command_goes_on(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Training._step

    def interrupted(self: Training) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Training, "_step", interrupted)
    done = train()
    assert (done.status, done.stdout) == (130, "")
    assert "saved at step 1 of 2" in done.stderr
    assert "the same command goes on from there" in done.stderr
    assert not (tmp_path / "out" / "model.safetensors").exists()
    monkeypatch.setattr(Training, "_step", step)
    resumed = train()
    assert resumed.status == 0
    assert "goes on after step 1" in resumed.stderr
    log = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2]


def test_what_cannot_be_trained_on_is_one_line(train: Run, tmp_path: Path) -> None:
    (tmp_path / "texts" / "empty.txt").touch()
    empty = train()
    assert (empty.status, empty.stderr.count("\n")) == (2, 1)
    assert f"{tmp_path / 'texts' / 'empty.txt'} is empty" in empty.stderr
    (tmp_path / "texts" / "empty.txt").write_bytes(b"GIF89a\0")
    assert "is no text: byte 6 is 0" in train().stderr
    (tmp_path / "texts" / "empty.txt").unlink()
    (tmp_path / "foreign").write_text("no checkpoint")
    foreign = train("--from", tmp_path / "foreign")
    assert (foreign.status, "is damaged or no safetensors file" in foreign.stderr) == (10, True)
    absent = train("--config", tmp_path / "absent.json")
    assert (absent.status, "absent.json cannot be read" in absent.stderr) == (5, True)
    (tmp_path / "tiny.json").write_text('{"width": 17}')
    assert "width is 17" in train().stderr
