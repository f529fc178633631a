"""The weights that come with the package: they load, they fit, they remember, and their card is true."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.transformer import weights
from nexus.transformer.memory import Memory
from nexus.transformer.tokenizer import Tokenizer

BENCH = Path(__file__).parents[3] / "bench"
KEY = "2f7c0d1e-93ab-4c58-8d26-71e5f0a9b346"


def words(count: int, seed: int) -> str:
    chance = random.Random(seed)
    return " ".join(
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(1, 9))) for _ in range(count)
    )


def test_they_fit_into_a_package() -> None:
    assert weights.SHIPPED.stat().st_size <= weights.MOST_BYTES
    config = weights.shipped().config
    assert (config.window, config.memory.sets * config.memory.ways) == (1024, 16_384)


def test_what_was_said_far_behind_the_window_comes_back_word_for_word() -> None:
    torch.set_num_threads(1)
    memory = Memory(weights.shipped(), Tokenizer.shipped())
    memory.write(words(300, 1) + f"\n The key of the Zolbrim is {KEY}.\n ")
    said = memory.position
    memory.write(words(1500, 2))
    assert memory.position - said > 3 * 1024
    answer = memory.ask(" The key of the Zolbrim is")
    assert answer.text.strip().startswith(KEY)
    assert KEY in answer.payload
    assert answer.position < said


def test_the_card_says_what_was_measured() -> None:
    fresh = subprocess.run(
        [sys.executable, BENCH / "transformer_card.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert fresh.returncode == 0, fresh.stderr
    card = (weights.SHIPPED.parent / "README.md").read_text(encoding="utf-8")
    assert f"{weights.SHIPPED.stat().st_size:,} bytes" in card
    assert "answered word for word" in card
