"""What a step of training minimises: a batch of streams, chunk by chunk, with and without the memory.

The loss of a token is counted twice, with the memory and without: so the model stays good without it, and
what each read saved is known in the same pass. Every few chunks the gradient is taken and the history cut.
Knows model and losses; knows neither optimizer nor data (seed 001). Invariant: every token counts the
same; a cut ends the history of what is behind it and changes nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from nexus.training.regret import Account
from nexus.transformer.controls import Control
from nexus.transformer.mentions import mentions
from nexus.transformer.model import Nexus
from nexus.transformer.step import State, Tapes

REGRET = 0.02
MEANING = 0.1  # of the semantic lane's losses
LOGITS = 1e-4  # of the square of the log of the sum of exponentials: keeps logits from drifting


@dataclass(frozen=True)
class Figures:
    """Of one batch, in nats a token: with memory and without; of answers alone, NaN where none is asked.

    regret: the gate's error. written: entries a token. saved: nats that the best entry saved.
    """

    on: float
    off: float
    answers_on: float
    answers_off: float
    regret: float
    written: float
    saved: float


def minimise(
    model: Nexus,
    tokens: Tensor,
    *,
    cut: int = 4,
    asked: Tensor | None = None,
    rare: Tensor | None = None,
) -> Figures:
    """Add the gradients of one batch to the parameters.

    tokens: int64 [B, N + 1], N a whole number of chunks. cut: chunks between which gradients flow. asked:
    bool [B, N], where the next token is part of an answer: for the figures, and for the gate, to which an
    answer counts whole. rare: bool [vocabulary], of whose tokens the semantic lane is to find the earlier
    mention.

    Raises:
        ValueError: N is no whole number of chunks, or the model has a semantic lane and nothing is rare.
    """
    batch, length = len(tokens), tokens.shape[1] - 1
    chunk = model.config.chunk
    pieces = whole_chunks(length, chunk)
    if model.semantic is not None and rare is None:
        raise ValueError("a semantic lane is trained on mentions of rare tokens: say which those are")
    given, target = tokens[:, :-1], tokens[:, 1:]
    states: list[Tensor] = []
    filed: list[Tensor] = []
    state = model.start(batch, tokens.device)
    tapes = Tapes.of(state)
    account = Account(tokens, asked, model.lexical, chunk=chunk, payload=model.config.memory.payload)
    totals = torch.zeros(4, dtype=torch.float64, device=tokens.device)
    loss, steps = tokens.new_zeros((), dtype=torch.float32), 0
    for at, piece in model.steps(given, state):
        out = model(piece, state, tapes)
        losses = model.losses(out, target[:, at : at + chunk])
        with_memory, alone, size = losses.on, losses.off, losses.size
        account.read(losses)
        assert out.written is not None
        account.wrote(out.written)
        if out.written.meanings is not None:
            states.append(out.hidden.detach())
            filed.append(out.written.meanings.key.detach())
        loss = loss + (with_memory.mean() + alone.mean() + LOGITS * size) / pieces
        with torch.no_grad():
            where = with_memory.new_zeros(()) if asked is None else asked[:, at : at + chunk]
            totals += torch.stack(
                [x.double().sum() for x in (with_memory, alone, with_memory * where, alone * where)]
            )
        state, steps = out.state, steps + 1
        if steps % cut == 0 or steps == pieces:
            torch.autograd.backward(loss)
            loss = torch.zeros_like(loss).detach()
            state = cut_off(state)
            tapes.cut()
    regret = account.loss(model.regret)
    if regret.requires_grad:
        torch.autograd.backward(REGRET * regret)
    if model.semantic is not None and rare is not None:
        found = mentions(given, rare, apart=model.config.window)
        meaning = model.semantic.losses(torch.cat(states, 1), given, found).total
        if meaning.requires_grad:
            torch.autograd.backward(MEANING * meaning)
        model.semantic.settle(torch.cat(filed))
    with_memory_mean, alone_mean = (totals[:2] / (batch * length)).tolist()
    answers = 0 if asked is None else int(asked.sum())
    answers_on, answers_off = (totals[2:] / answers).tolist() if answers else (math.nan, math.nan)
    saved = account.saved()
    return Figures(
        on=with_memory_mean,
        off=alone_mean,
        answers_on=answers_on,
        answers_off=answers_off,
        regret=float(regret.detach()),
        written=len(account) / (batch * length),
        saved=float(saved.max()) if len(saved) else 0.0,
    )


def whole_chunks(length: int, chunk: int) -> int:
    """How many chunks `length` tokens are. Raises `ValueError` where that is no whole number from 1 on."""
    if length < chunk or length % chunk:
        raise ValueError(f"{length} tokens are no whole number of chunks of {chunk}")
    return length // chunk


def minimise_alone(model: Nexus | Control, tokens: Tensor) -> Figures:
    """Add the gradients of one batch to the window's parameters; no memory is read or written.

    tokens: int64 [B, N + 1]. Rows go one after another: their logits are the largest tensors of all.
    """
    total = 0.0
    for row in tokens:
        hidden, _ = model.backbone(row[None, :-1], None)
        logits = model.backbone.logits(hidden)[0]
        loss = functional.cross_entropy(logits, row[1:])
        size = logits.logsumexp(-1).square().mean()
        torch.autograd.backward((loss + LOGITS * size) / len(tokens))
        total += float(loss.detach())
    mean = total / len(tokens)
    return Figures(mean, mean, math.nan, math.nan, regret=0.0, written=0.0, saved=0.0)


def cut_off(state: State) -> State:
    """The same state without history."""
    window = None if state.window is None else state.window.detach()
    return replace(state, window=window, hidden=state.hidden.detach())
