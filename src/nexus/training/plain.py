"""A plain training, of a control or of a Nexus: the same rows, the same rates and the same number of steps.

It writes nothing to the disk: for comparisons that end in minutes; what takes hours is `trainer`. Knows
models, plan and diet; knows no folder. Invariant: what a model is trained on depends on plan and diet alone,
so two models with the same of both have seen the same tokens in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nexus.training.diet import TURNS, Diet
from nexus.training.muon import DivergedError, optimizer_for
from nexus.training.objective import LOGITS, Figures, minimise, minimise_alone, whole_chunks
from nexus.training.trainer import Plan
from nexus.transformer.controls import Control
from nexus.transformer.model import Nexus


def minimise_plain(model: Control, tokens: Tensor, *, cut: int = 4, asked: Tensor | None = None) -> Figures:
    """As `objective.minimise`, for a control: add the gradients of one batch to the parameters.

    tokens: int64 [B, N + 1], N a whole number of chunks. cut: chunks between which gradients flow. asked:
    bool [B, N], where the next token is part of an answer: for the figures only.

    Raises:
        ValueError: N is no whole number of chunks.
    """
    batch, length = len(tokens), tokens.shape[1] - 1
    chunk = model.config.chunk
    state, pieces = model.start(batch, tokens.device), whole_chunks(length, chunk)
    loss, steps = tokens.new_zeros((), dtype=torch.float32), 0
    totals = torch.zeros(4, dtype=torch.float64, device=tokens.device)
    for at, piece in model.steps(tokens[:, :-1], state):
        out = model(piece, state)
        on, off, size = model.losses(out, tokens[:, 1 + at : 1 + at + chunk])
        loss = loss + (on.mean() + off.mean() + LOGITS * size) / pieces
        with torch.no_grad():
            where = on.new_zeros(()) if asked is None else asked[:, at : at + chunk]
            totals += torch.stack([x.double().sum() for x in (on, off, on * where, off * where)])
        state, steps = out.state, steps + 1
        if steps % cut == 0 or steps == pieces:
            torch.autograd.backward(loss)
            loss, state = torch.zeros_like(loss).detach(), state.detach()
    answers = math.nan if asked is None or not asked.any() else int(asked.sum())
    mean_on, mean_off = (totals[:2] / (batch * length)).tolist()
    answers_on, answers_off = (totals[2:] / answers).tolist()
    return Figures(mean_on, mean_off, answers_on, answers_off, regret=0.0, written=0.0, saved=0.0)


def train(
    model: Nexus | Control,
    plan: Plan,
    diet: Diet,
    turns: Sequence[str] = TURNS,
    told: Callable[[int, Figures], None] = lambda step, figures: None,
) -> None:
    """All steps of a plan, of rows of the kinds `turns`; `told` hears of each. What a Nexus writes is chosen
    by its `writing`. Afterwards the model is as for use: it explores no more.

    Raises:
        DivergedError: a loss is no finite number.
    """
    chunk, device = model.config.chunk, next(model.parameters()).device
    model.train()
    optimizer = optimizer_for(model, lr=plan.rate, adam_lr=plan.adam_rate)
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(plan.steps):
        length = plan.chunks_at(step) * chunk
        alone = step < plan.alone * plan.steps
        kinds = ("text",) if alone else turns
        meal = diet.meal(step, max(1, plan.tokens // length), length, apart=chunk, turns=kinds)
        tokens, asked = (torch.from_numpy(part).to(device) for part in (meal.tokens, meal.asked))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * plan.rate_at(step)
        optimizer.zero_grad()
        if alone:
            figures = minimise_alone(model, tokens)
        elif isinstance(model, Nexus):
            figures = minimise(model, tokens, cut=plan.cut, asked=asked)
        else:
            figures = minimise_plain(model, tokens, cut=plan.cut, asked=asked)
        if not math.isfinite(figures.on + figures.off):
            raise DivergedError(f"the loss of step {step + 1} is {figures.on}", hint="use a lower rate")
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        told(step + 1, figures)
    model.eval()
    if isinstance(model, Nexus):
        model.writing.explore = 0.0
