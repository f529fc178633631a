"""How soon a reader learns to use what it finds by an n-gram, and by which lane: V64.

A small Nexus with the window of experiments/regret.py learns toy needles with answers of four symbols by the
product's objective. A row says which lanes it has: `values` (fused into the hidden states), `payload` (the
pointer), or both; and what is written: every token, or one entry a needle, where its answer begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments import jobs
from experiments.needle_toy import CHUNK, Toy, toy
from experiments.regret import CONFIG, Near, OracleGate
from experiments.run import spread
from nexus.training.muon import optimizer_for
from nexus.training.objective import minimise
from nexus.transformer.gates import NEVER, Context, EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing

ANSWER: Final = 4
POINTING: Final = ("copy", "recollection")  # parts of a Nexus that say words of payloads, where it has them
SMALL: Final = replace(
    CONFIG, memory=replace(CONFIG.memory, sets=256, payload=ANSWER, orders=(2, 3), replacement="lru")
)


class OneGate(nn.Module):
    """One entry a needle: the pair of its key, and what follows."""

    def __init__(self) -> None:
        super().__init__()
        self.oracle = OracleGate()

    def forward(self, seen: Context) -> Tensor:
        return functional.pad(self.oracle(seen), (0, 1), value=NEVER)


@dataclass(frozen=True, slots=True)
class Score:
    """Nats of an answer's symbol with the memory and without, and the share of answers that are all right."""

    on: float
    off: float
    exact: float


def reader(row: dict[str, Any]) -> Nexus:
    """A model with the lanes of the row."""
    model = Nexus(SMALL)
    model.backbone = Near(SMALL)
    if row["lanes"] == "values":
        shut(model)
    if row["lanes"] == "payload":
        model.fusion.beta = nn.Parameter(torch.tensor(0.0), requires_grad=False)
    orders = len(SMALL.memory.orders)
    gate = EveryGate(orders) if row["written"] == "every token" else OneGate()
    model.writing = Writing(gate, budget=CHUNK * orders, least=NEVER)
    return model


def shut(model: Nexus) -> None:
    """No word of a payload is believed: what decides on it, `out`, says no whatever it sees."""
    for name, part in model.named_children():
        if name in POINTING:
            for parameter, value in (("out.weight", 0.0), ("out.bias", -30.0)):
                nn.init.constant_(part.get_parameter(parameter).requires_grad_(False), value)


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `lanes` and `written`; one run a salt."""
    found = jobs.done(config, _one, config)
    rows: dict[str, dict[str, Any]] = {}
    for name in config["rows"]:
        runs = [found[name, salt] for salt in config["salts"]]
        rows[name] = {figure: spread([each[figure] for each in runs]) for figure in runs[0]}
    return rows


def _one(config: dict[str, Any], row: dict[str, Any], salt: int) -> dict[str, float]:
    torch.set_num_threads(1)
    torch.manual_seed(salt)
    model = reader(row)
    optimizer = optimizer_for(model, lr=config["rate"], adam_lr=config["adam_rate"])
    half = config["steps"] + 1
    for step in range(config["steps"]):
        given = _toy(config, salt * 100_000 + step)
        optimizer.zero_grad()
        figures = minimise(model, given.tokens, asked=given.asked)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if figures.answers_on < 0.5 * figures.answers_off:
            half = min(half, step + 1)
    score = tried(model, _toy(config, salt * 100_000 + 50_000))
    return {
        "exact": score.exact,
        "nats saved": 1 - score.on / score.off,
        "steps to half": float(half),
    }


def _toy(config: dict[str, Any], seed: int) -> Toy:
    return toy(config["streams"], config["length"], config["needles"], seed, ANSWER)


@torch.no_grad()
def tried(model: Nexus, given: Toy) -> Score:
    """What the model makes of streams that it has not seen; each symbol is told the true ones before it."""
    tokens, asked = given.tokens, given.asked
    state, on, off, right = model.start(len(tokens)), 0.0, 0.0, []
    for at, piece in model.steps(tokens[:, :-1], state):
        out = model(piece, state, reuse=True)
        state, target, here = out.state, tokens[:, at + 1 : at + 1 + CHUNK], asked[:, at : at + CHUNK]
        log_p = model.log_p(out)
        alone = functional.log_softmax(model.backbone.logits(out.hidden), -1)
        with_memory, without = (
            -float(log.gather(-1, target[..., None])[..., 0][here].sum()) for log in (log_p, alone)
        )
        on, off = on + with_memory, off + without
        right.append((log_p.argmax(-1) == target)[here])
    answers = torch.cat(right).view(-1, ANSWER)
    return Score(on / answers.numel(), off / answers.numel(), float(answers.all(1).float().mean()))
