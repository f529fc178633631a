"""The gate trained alone: a model that is done reads on, and its regret head learns what came of it.

In a training the gate hears of each row once, from a model that changes under it, and a step of all weights
costs a thousand times what one of the head does. Here the model stays as it is: what the head is shown is
kept and passed through many times. Knows model, diet and accounts; knows no file. Invariants: nothing but the
head changes, and it only for less error on rows that it did not learn from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from nexus.core.errors import InvalidInputError
from nexus.training.diet import Diet
from nexus.training.regret import Account
from nexus.transformer.gates import Context, RegretHead, regret_loss
from nexus.transformer.model import Nexus

CHUNKS: Final = 16  # of a row
OTHERS: Final = 0.25  # of the positions where no entry would have saved anything so many are kept, weighted
HELD_OUT: Final = 9  # every so manieth row: of each kind in turn
_WORTH: Final = 0.05  # nats from which on an entry saves something
_BATCH: Final = 4096
_RATE: Final = 0.002
_FIRST: Final = 1 << 20  # the step of the diet from which on rows are taken: no training comes that far
_SEEN: Final = ("before", "now", "soon")  # what a regret head looks at


@dataclass(frozen=True)
class Lessons:
    """n positions. seen: float16 [n, 3, d]. worth: float [n, O], nats, where it is `known`. weight: [n]."""

    seen: Tensor
    worth: Tensor
    known: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.seen)

    def loss(self, head: RegretHead, some: Tensor | slice) -> Tensor:
        """Of int64 positions, or a slice."""
        before, now, soon = self.seen[some].float().unbind(1)
        nothing = torch.zeros(0)
        score = head.score(Context(nothing, nothing, before, now, soon))
        known = self.known[some]
        weight = self.weight[some][:, None].expand_as(score)[known]
        return regret_loss(score[known], self.worth[some][known], weight)


@dataclass(frozen=True)
class Fitted:
    """The regret loss on held-out rows, before and after; tokens read."""

    before: float
    after: float
    tokens: int


def fit(
    model: Nexus,
    diet: Diet,
    tokens: int,
    *,
    chunks: int = CHUNKS,
    passes: int = 10,
    seed: int = 0,
    told: Callable[[int, int], None] = lambda done, of: None,
    stop: Callable[[], bool] = lambda: False,
) -> Fitted | None:
    """Teach the gate of `model` from about `tokens` tokens in rows of `chunks` chunks; None: `stop` said so.

    `told` hears how many of how many were read. The rows are none that a training with this diet has seen.

    Raises:
        InvalidInputError: fewer tokens than rows to learn from and one to look at take.
    """
    length, count = chunks * model.config.chunk, rows(tokens, model.config.chunk, chunks)
    every, random = max(2, min(HELD_OUT, count)), torch.Generator().manual_seed(seed)
    writing, model.writing = model.writing, replace(model.writing, names=None)
    parts: tuple[list[Lessons], list[Lessons]] = [], []
    try:
        for row in range(count):
            if stop():
                return None
            parts[row % every == every - 1].append(lesson(model, diet, row, chunks, random))
            told((row + 1) * length, count * length)
    finally:
        model.writing = writing
    learnt, held_out = (_joined(some) for some in parts)
    before = _error(model.regret, held_out)
    old = {name: value.clone() for name, value in model.regret.state_dict().items()}
    _taught(model.regret, learnt, passes, random)
    after = _error(model.regret, held_out)
    if not after < before:
        model.regret.load_state_dict(old)
        after = before
    return Fitted(before, after, count * length)


def rows(tokens: int, chunk: int, chunks: int = CHUNKS) -> int:
    """How many rows `tokens` tokens are. Raises `InvalidInputError` for fewer than two."""
    count = tokens // (chunks * chunk)
    if count < 2:
        raise InvalidInputError(
            f"a gate cannot be taught from {tokens} tokens", hint=f"use {2 * chunks * chunk} or more"
        )
    return count


@torch.no_grad()
def lesson(model: Nexus, diet: Diet, row: int, chunks: int, random: torch.Generator) -> Lessons:
    """What one row has taught, kept where the head lies; the model reads and writes as it does."""
    device, chunk = model.regret.out.weight.device, model.config.chunk
    meal = diet.meal(_FIRST + row, 1, chunks * chunk, apart=chunk)
    tokens, asked = (torch.from_numpy(part).to(device) for part in (meal.tokens, meal.asked))
    account = Account(tokens, asked, model.lexical, chunk=chunk, payload=model.config.memory.payload)
    state = model.start(1, device)
    for at, piece in model.steps(tokens[:, :-1], state):
        out = model(piece, state, reuse=True)
        account.read(model.losses(out, tokens[:, at + 1 : at + 1 + chunk]))
        assert out.written is not None
        account.wrote(out.written)
        state = out.state
    labels = account.labels()
    worth, known = labels.worth[0], labels.known[0]
    saves = (worth * known).amax(-1) > _WORTH
    others = torch.rand(len(saves), generator=random).to(device) < OTHERS
    kept = known.any(-1) & (saves | others)
    seen = torch.stack([getattr(labels.seen, name)[0] for name in _SEEN], 1)
    weight = torch.where(saves, 1.0, 1 / OTHERS)
    return Lessons(seen[kept].half(), worth[kept], known[kept], weight[kept])


def _joined(parts: list[Lessons]) -> Lessons:
    fields = ("seen", "worth", "known", "weight")
    return Lessons(*(torch.cat([getattr(part, name) for part in parts]) for name in fields))


@torch.no_grad()
def _error(head: RegretHead, lessons: Lessons) -> float:
    """Mean over batches of the same size, the rest left out unless there is nothing else."""
    size = min(_BATCH, len(lessons))
    starts = range(0, len(lessons) - size + 1, size) if size else ()
    errors = [float(lessons.loss(head, slice(start, start + size))) for start in starts]
    return sum(errors) / len(errors) if errors else float("nan")


def _taught(head: RegretHead, lessons: Lessons, passes: int, random: torch.Generator) -> None:
    size = min(_BATCH, len(lessons))
    batches = len(lessons) // size if size else 0
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=0.01)
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=max(1, passes * batches), pct_start=0.02, anneal_strategy="linear"
    )
    for _ in range(passes):
        order = torch.randperm(len(lessons), generator=random)
        for batch in range(batches):
            optimizer.zero_grad()
            loss = lessons.loss(head, order[batch * size : (batch + 1) * size])
            torch.autograd.backward(loss)
            optimizer.step()
            rates.step()
