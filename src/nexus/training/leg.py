"""A leg of a training: from where it stood to its end, to a time, or to a word to stop; alone or by torchrun.

Knows trainer, texts and the file of weights; knows no command line. Invariants: the same leg again goes on
where the last one ended; of several processes all take the same steps and only the first writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import distributed

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.training import gating, plot, texts
from nexus.training.diet import Diet
from nexus.training.objective import Figures
from nexus.training.trainer import LOG, Plan, Training
from nexus.transformer import weights
from nexus.transformer.config import Config
from nexus.transformer.tokenizer import Tokenizer

WEIGHTS: Final = "model.safetensors"
TOKENS: Final = "tokens"
_SIZES: Final = {"xs": Config.xs, "s": Config.s, "m": Config.m}

Told = Callable[[int, Figures, float], None]


def config(size: str, *, ternary: bool) -> Config:
    """What is trained of that size. Raises `InvalidInputError`."""
    if size not in _SIZES:
        raise InvalidInputError(f"no size {size!r}", hint=f"there are {', '.join(_SIZES)}")
    return _SIZES[size](ternary=ternary)


@dataclass(frozen=True)
class Leg:
    """What is asked for. begin_from: a checkpoint whose weights are taken where nothing was trained yet.

    minutes: 0 means to the end of the plan. gate: tokens from which the gate is taught alone at the end.
    """

    config: Config
    plan: Plan
    sources: Sequence[Path]
    folder: Path
    device: str = "cpu"
    begin_from: Path | None = None
    minutes: float = 0.0
    gate: int = 0

    def tokens_of(self, step: int) -> int:
        """Of all rows of the step that ends as number `step`."""
        length = self.plan.chunks_at(step - 1) * self.config.chunk
        return max(1, self.plan.tokens // length) * length


@dataclass
class Outcome:
    """What came of it. weights: the packed file and its bytes, once the plan is done."""

    step: int
    done: bool
    figures: Figures | None = None
    weights: Path | None = None
    bytes: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


class _Follower(Training):
    """One of several processes that is not the first: takes the same steps and writes nothing."""

    def save(self) -> Path:
        return self.folder

    def _write_down(self, figures: Figures, seconds: float) -> None:
        pass


def use_threads(count: int) -> None:
    """Of the processor, for all that this process computes."""
    torch.set_num_threads(count)


def rank() -> int:
    """Of this process among those of torchrun; 0 where it is alone."""
    return int(os.environ.get("RANK", "0"))


def run(
    leg: Leg,
    told: Told,
    stop: Callable[[], bool],
    began: Callable[[Training, int], None] = lambda training, tokens: None,
    gated: Callable[[int, int], None] = lambda done, of: None,
) -> Outcome:
    """Train. `told` hears of each step, `began` of the training and the tokens of its text before the first,
    `gated` of how many of how many tokens the gate was shown.

    Raises what `Training` and `texts` raise, `InvalidInputError` for a device that is not there.
    """
    started = time.monotonic()
    if leg.gate:  # told before hours of training, not behind them
        gating.rows(leg.gate, leg.config.chunk)
    device = _device(leg.device)
    together = _joined(device)
    try:
        tokenizer = Tokenizer.shipped()
        notes: list[str] = []
        if together and rank():
            distributed.barrier()  # the first one makes the files of tokens
        files, there = texts.prepared(leg.sources, leg.folder / TOKENS, tokenizer)
        if together and not rank():
            distributed.barrier()
        if there.left_out:
            notes.append(f"{there.left_out} files are no texts and were left out")
        # Every process reads rows of its own; the first one those of a training that is alone.
        diet = Diet(files, tokenizer, leg.plan.seed + 1_000_003 * rank())
        kind = _Follower if rank() else Training
        training = kind(leg.config, leg.plan, diet, leg.folder, device)
        notes += [str(each) for each in training.damaged]
        if leg.begin_from is not None and training.step == 0:
            new = training.begin_from(leg.begin_from)
            notes.append(f"{len(new)} weights are not in {leg.begin_from} and begin anew")
        if together:
            _agreed(training)
        began(training, sum(len(file.tokens) for file in files))
        outcome = Outcome(training.step, training.step >= leg.plan.steps, notes=notes)

        def heard(step: int, figures: Figures, seconds: float) -> None:
            outcome.step, outcome.figures = step, figures
            if not rank() and step % leg.plan.save_every == 0 and step < leg.plan.steps:
                _drawn(leg.folder, notes)
            told(step, figures, seconds)

        def over() -> bool:
            late = leg.minutes > 0 and time.monotonic() - started >= 60 * leg.minutes
            return _any(stop() or late, device, together)

        outcome.done = training.run(heard, over)
        if not rank():
            _drawn(leg.folder, notes)
            if outcome.done and leg.gate:
                fitted = gating.fit(training.model, diet, leg.gate, told=gated, stop=stop)
                outcome.done = fitted is not None
                if fitted is not None:
                    notes.append(f"the gate's error: {fitted.before:.4f}, then {fitted.after:.4f}")
            if outcome.done:
                outcome.weights = leg.folder / WEIGHTS
                training.model.writing.explore = 0.0
                outcome.bytes = weights.save(training.model, outcome.weights, step=training.step)
        outcome.seconds = time.monotonic() - started
        return outcome
    finally:
        if together:
            distributed.destroy_process_group()


def _drawn(folder: Path, notes: list[str]) -> None:
    try:
        plot.draw(folder / LOG, folder / plot.LOSS)
    except MissingPartError as error:
        if str(error) not in notes:
            notes.append(str(error))


def _device(name: str) -> torch.device:
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda" and torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    raise InvalidInputError(
        f"device {name!r} is not there", hint="use cpu, or cuda with a GPU and torch's build for it"
    )


def _joined(device: torch.device) -> bool:
    """Whether this is one of several processes of torchrun; they know each other then.

    Raises `InvalidInputError` where the variables that torchrun sets are not all there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return False
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (ValueError, RuntimeError) as error:
        raise InvalidInputError(
            f"the processes of this training do not find each other: {str(error).splitlines()[0][:300]}",
            hint="start them with torchrun, with the same --master-addr and --master-port on all machines",
        ) from error
    return True


def _agreed(training: Training) -> None:
    """All processes stand at the same step of the same plan and model.

    Raises `InvalidInputError`, in all of them, where they do not: each has found a folder of its own.
    """
    mine = (training.step, repr(training.plan), repr(training.model.config))
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, mine)
    for number, theirs in enumerate(found):
        if theirs != found[0]:
            what = "step" if theirs[0] != found[0][0] else "plan" if theirs[1] != found[0][1] else "model"
            values = f"{found[0][0]} and {theirs[0]}" if what == "step" else "two"
            raise InvalidInputError(
                f"processes 0 and {number} of this training have not the same {what}: {values}",
                hint="give all machines the same command and one shared folder as --out",
            )


def _any(mine: bool, device: torch.device, together: bool) -> bool:
    """Whether one of the processes wants to stop: then all do, after the same step."""
    if not together:
        return mine
    word = torch.tensor(int(mine), device=device)
    distributed.all_reduce(word, op=distributed.ReduceOp.MAX)
    return bool(word.item())


def as_dict(outcome: Outcome, leg: Leg) -> dict[str, Any]:
    """For JSON."""
    figures = outcome.figures
    return {
        "step": outcome.step,
        "steps": leg.plan.steps,
        "done": outcome.done,
        "loss_with_memory": None if figures is None else figures.on,
        "loss_without_memory": None if figures is None else figures.off,
        "weights": None if outcome.weights is None else str(outcome.weights),
        "bytes": outcome.bytes or None,
        "seconds": round(outcome.seconds, 1),
        "notes": outcome.notes,
    }
