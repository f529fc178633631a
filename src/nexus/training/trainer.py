"""The training of a Nexus: steps, their rates, what is written down, and how it goes on when it was ended.

Knows the objective, the diet and where states are kept; knows no command line. Invariants: a step is taken
whole or not at all; a training that is stopped and started again gives bit for bit the weights of one that
was not (on a CPU); what is no finite number ends it, with the last good state on the disk.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nexus.core.errors import InvalidInputError
from nexus.training.diet import TURNS, Diet
from nexus.training.errors import CompanionLostError, TrainingStateError
from nexus.training.muon import DivergedError, optimizer_for
from nexus.training.objective import Figures, minimise, minimise_alone
from nexus.training.training_state import TrainingState, TrainingStates, put_back, taken
from nexus.transformer.config import Config
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing

LOG = "log.jsonl"


@dataclass(frozen=True)
class Plan:
    """How long and how fast. Rates are those of `MuonAdam`; they rise over `warm` steps and sink at the end.

    tokens: of a step, all rows together. chunks: of a row, and from which share of the steps on; longer
    streams need what shorter ones have taught, and in fewer than four no fact has room. alone: the share of
    the steps, at the beginning, in which the window alone learns, of plain text: cheaper, and what the memory
    keeps is of a model that can speak.
    explore: the share of tokens written at random.
    """

    steps: int
    tokens: int = 32_768
    chunks: tuple[tuple[float, int], ...] = ((0.0, 4), (0.5, 8), (0.8, 16))
    alone: float = 0.0
    cut: int = 4
    rate: float = 0.02
    adam_rate: float = 0.003
    warm: int = 20
    sink: float = 0.4
    explore: float = 0.05
    clip: float = 1.0
    save_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises `InvalidInputError`."""
        if self.steps < 1 or self.tokens < 1 or self.save_every < 1 or self.cut < 1:
            raise InvalidInputError(
                f"a plan of {self.steps} steps of {self.tokens} tokens, cut after {self.cut} chunks and "
                f"saved every {self.save_every}",
                hint="use numbers from 1 on",
            )
        if not self.chunks or self.chunks[0][0] > 0 or any(count < 2 for _, count in self.chunks):
            raise InvalidInputError(
                f"streams of {self.chunks} chunks", hint="begin at share 0, and use at least two chunks"
            )

    def chunks_at(self, step: int) -> int:
        """Chunks of each row at a step."""
        return [count for share, count in self.chunks if share * self.steps <= step][-1]

    def rate_at(self, step: int) -> float:
        """The share of the full rate."""
        left = (self.steps - step) / (self.sink * self.steps) if self.sink else 1.0
        return min(1.0, (step + 1) / self.warm, max(left, 0.02))


class Training:
    """A model, its optimizer, and the folder with its states and its log."""

    def __init__(
        self, config: Config, plan: Plan, diet: Diet, folder: Path, device: torch.device | str = "cpu"
    ) -> None:
        """Goes on from the newest sound state in `folder`, or begins.

        Raises `TrainingStateError` where the folder is of another configuration.
        """
        self.plan, self.diet, self.folder, self.device = plan, diet, folder, torch.device(device)
        torch.manual_seed(plan.seed)
        self.model = Nexus(config).to(self.device)
        self.model.writing = Writing(self.model.regret, budget=config.chunk // 8, explore=plan.explore)
        self.optimizer = optimizer_for(self.model, lr=plan.rate, adam_lr=plan.adam_rate)
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        self._rare = torch.from_numpy(diet.rare).to(self.device)
        self._states = TrainingStates(folder)
        self.step = 0
        found, self.damaged = self._states.newest(config)
        if found is not None:
            put_back(found, self.model, self.optimizer)
            self.step = found.step
        folder.mkdir(parents=True, exist_ok=True)

    def begin_from(self, path: Path) -> list[str]:
        """Take the weights of another training's state, where name and shape are the same.

        Returns the names of those that are new here. Raises `TrainingStateError`, also for other widths.
        """
        own = self.model.state_dict()
        found = TrainingState.load(path).tensors
        fitting = {
            name: found[f"model.{name}"]
            for name, value in own.items()
            if f"model.{name}" in found and found[f"model.{name}"].shape == value.shape
        }
        other = [name for name in own if name.startswith("backbone.") and name not in fitting]
        if other:
            raise TrainingStateError(
                f"{path} is of another width or depth: {other[0]} does not fit",
                hint="name a state whose window has the same widths, layers and vocabulary",
            )
        self.model.load_state_dict(fitting, strict=False)
        return sorted(own.keys() - fitting.keys())

    def run(
        self, told: Callable[[int, Figures, float], None], stop: Callable[[], bool] = lambda: False
    ) -> bool:
        """Step until the plan is done (true) or `stop` says so; `told` hears of each step and its seconds.

        Raises:
            DivergedError: the loss is no finite number; the weights are those of the step before.
        """
        while self.step < self.plan.steps:
            started = time.monotonic()
            figures = self._step()
            self.step += 1
            seconds = time.monotonic() - started
            self._write_down(figures, seconds)
            told(self.step, figures, seconds)
            ended = stop()
            if ended or self.step % self.plan.save_every == 0 or self.step == self.plan.steps:
                self.save()
            if ended:
                break
        return self.step == self.plan.steps

    def save(self) -> Path:
        """Keep the state. Raises `StorageError`; the one before stays."""
        tensors, facts = taken(self.model, self.optimizer)
        return self._states.save(
            TrainingState(self.model.config, self.step, tensors, facts | {"plan": asdict(self.plan)})
        )

    def _step(self) -> Figures:
        plan, chunk = self.plan, self.model.config.chunk
        length = plan.chunks_at(self.step) * chunk
        rows = max(1, plan.tokens // length)
        alone = self.step < plan.alone * plan.steps
        turns = ("text",) if alone else TURNS
        meal = self.diet.meal(self.step, rows, length, apart=chunk, turns=turns)
        tokens = torch.from_numpy(meal.tokens).to(self.device)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * plan.rate_at(self.step)
        self.optimizer.zero_grad()
        if alone:
            figures = minimise_alone(self.model, tokens)
        else:
            asked = torch.from_numpy(meal.asked).to(self.device)
            figures = minimise(self.model, tokens, cut=plan.cut, asked=asked, rare=self._rare)
        if not math.isfinite(figures.on + figures.off + figures.regret):
            raise DivergedError(
                f"the loss of step {self.step + 1} is {figures.on} with and {figures.off} without the memory",
                hint="go on from the last saved state with a lower rate",
            )
        _together(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), plan.clip)
        self.optimizer.step()
        return figures

    def _write_down(self, figures: Figures, seconds: float) -> None:
        line: dict[str, Any] = {"step": self.step, "seconds": round(seconds, 3)}
        line |= {
            name: None if math.isnan(value) else round(value, 5) for name, value in asdict(figures).items()
        }
        with open(self.folder / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _together(model: nn.Module) -> None:
    """The mean of the gradients over the processes of torchrun, in one message."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return
    # A process whose rows gave a parameter no gradient must not wait for the others at another place.
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients: list[Tensor] = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    try:
        torch.distributed.all_reduce(flat)
    except RuntimeError as error:
        raise CompanionLostError(
            f"another process of this training is gone: {str(error).splitlines()[0][:200]}",
            hint="start all of them again with the same command: it goes on from the last checkpoint",
        ) from error
    flat /= torch.distributed.get_world_size()
    for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
    # What is no parameter follows the data: the centroids of the semantic lane. The first process's hold.
    for buffer in model.buffers():
        torch.distributed.broadcast(buffer, 0)
