"""What tests of the transformer's commands share: a tiny model, a text with names, `nexus` in this process.

It does not know how a process starts (tests/contract/); torch is loaded once for all commands. Invariant:
the command's status, stdout and stderr are those that a process would have.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.cli import main
from nexus.transformer import weights
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.gates import EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing

MEMORY = MemoryConfig(sets=512, ways=8, key_width=4, value_width=8, orders=(1, 3), replacement="priority")
TINY = Config(16, 1, 2, 1, 2, 8192, 8, window=64, chunk=64, group=8, memory=MEMORY)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


def nexus(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> Done:
    """Run `nexus WORDS...`."""
    torch.set_num_threads(1)
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["nexus", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    told = capsys.readouterr()
    return Done(int(ended.value.code or 0), told.out, told.err)


def model(*, keeps: bool = True) -> Nexus:
    """A model of random weights that believes whatever its memory says; with `keeps` it writes all down."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    made = Nexus(TINY).eval()
    made.writing = Writing(EveryGate(2) if keeps else made.regret, budget=1000 if keeps else 0)
    with torch.no_grad():
        made.copy.out.bias.fill_(20.0)
    return made


def packed(path: Path) -> Path:
    """Weights of a model whose own gate writes everything down, as a file."""
    made = model()
    made.writing = Writing(made.regret, budget=1000)
    weights.save(made, path)
    return path


def story(path: Path, sentences: int = 400) -> Path:
    """A text in which Zorbax is named at the start, inside a sentence, and often later."""
    chance = random.Random(5)
    words = "the old river went down by the mill and all was quiet until the evening came again".split()
    lines = ["It was said that once Zorbax of Mirrel sold his boat to a man with one green eye."]
    for number in range(sentences):
        chance.shuffle(words)
        lines.append(" ".join(words).capitalize() + (" said Zorbax." if number % 9 == 8 else "."))
    path.write_text("\n".join(lines) + "\n")
    return path
