"""One process of a training under torchrun: takes its part of the rows of each step, and saves its weights.

    torchrun --nproc-per-node 2 tests/training_rank.py FILE-OF-TEXT FOLDER

Run by itself it takes all rows, so the weights of both ways can be compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import distributed

from nexus.training import texts
from nexus.training.diet import TURNS, Diet, Meal
from nexus.training.leg import _Follower, _joined, rank
from nexus.training.trainer import Plan, Training
from nexus.transformer.tokenizer import Tokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.transformer_commands import TINY

ROWS = 4


class Part(Diet):
    """This process's rows of the meal of all."""

    def meal(self, step: int, rows: int, length: int, apart: int, turns: Sequence[str] = TURNS) -> Meal:
        world = distributed.get_world_size() if distributed.is_initialized() else 1
        whole = super().meal(step, rows * world, length, apart, turns)
        mine = slice(rank() * rows, (rank() + 1) * rows)
        return Meal(whole.tokens[mine], whole.asked[mine])


def main() -> None:
    """Three steps."""
    torch.set_num_threads(1)
    text, folder = Path(sys.argv[1]), Path(sys.argv[2])
    together = _joined(torch.device("cpu"))
    world = distributed.get_world_size() if together else 1
    tokenizer = Tokenizer.shipped()
    files, _ = texts.prepared([text], folder / f"tokens{rank()}", tokenizer)
    plan = Plan(
        3,
        tokens=ROWS * 8 * TINY.chunk // world,
        chunks=((0.0, 8),),
        explore=0.0,
    )
    kind = _Follower if rank() else Training
    training = kind(TINY, plan, Part(files, tokenizer), folder / f"rank{rank()}of{world}")
    training.run(lambda *_: None)
    torch.save(training.model.state_dict(), folder / f"weights{rank()}of{world}.pt")
    if together:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
