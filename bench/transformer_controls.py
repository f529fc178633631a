"""Trains the controls of a Nexus as it was trained, for `nexus eval --control NAME=CHECKPOINT`.

Usage: python bench/transformer_controls.py OUT SOURCE... --from CHECKPOINT [--steps N] [--tokens N]
           [--only NAME]... [--threads N] [--device cpu|cuda]

--from: a checkpoint of `nexus train`; its window, sizes and vocabulary are those of the controls, which
begin with its weights of the window and get the same rows in the same order. OUT/NAME.safetensors each;
"nexus" is the model itself from the same beginning with the same steps, the only one that is a fair
neighbour in a table. A control whose file is there is passed over.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from nexus.core.errors import NexusError
from nexus.training import heap, texts
from nexus.training.diet import Diet
from nexus.training.muon import optimizer_for
from nexus.training.objective import Figures
from nexus.training.plain import train
from nexus.training.trainer import Plan
from nexus.training.training_state import TrainingState, taken
from nexus.transformer.controls import CONTROLS, Control
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer


def made(name: str, state: TrainingState) -> Nexus | Control:
    """The model of a name, with the window of a checkpoint."""
    torch.manual_seed(0)
    model = Nexus(state.config) if name == "nexus" else CONTROLS[name](state.config)
    if isinstance(model, Nexus):
        model.writing = Writing(model.regret, budget=state.config.chunk // 8, explore=Plan(1).explore)
    own = model.state_dict()
    window = {
        name.removeprefix("model."): value
        for name, value in state.tensors.items()
        if name.startswith("model.backbone.")
    }
    model.load_state_dict(own | window)
    return model


def one(name: str, asked: argparse.Namespace, state: TrainingState, diet: Diet, path: Path) -> None:
    """Train it and keep its state."""
    model, began = made(name, state).to(asked.device), time.monotonic()

    def told(step: int, figures: Figures) -> None:
        if step % 10 == 0 or step == asked.steps:
            print(
                f"{name:>14} {step:5} of {asked.steps}: {figures.on:.3f} nats, answers "
                f"{figures.answers_on:.3f}; {time.monotonic() - began:.0f} s",
                flush=True,
            )

    plan = Plan(asked.steps, asked.tokens, chunks=((0.0, 4),))
    train(model, plan, diet, told=told)
    tensors, facts = taken(model, optimizer_for(model, lr=plan.rate, adam_lr=plan.adam_rate))
    TrainingState(state.config, asked.steps, tensors, facts).save(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--from", dest="begin", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--only", action="append", choices=["nexus", *CONTROLS])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    heap.keep_freed()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    try:
        state, tokenizer = TrainingState.load(asked.begin), Tokenizer.shipped()
        files, _ = texts.prepared(asked.sources, asked.out / "tokens", tokenizer)
        diet = Diet(files, tokenizer)
        for name in asked.only or ["nexus", *CONTROLS]:
            path = asked.out / f"{name}.safetensors"
            if path.exists():
                print(f"{name:>14} is there")
            else:
                one(name, asked, state, diet, path)
    except NexusError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
