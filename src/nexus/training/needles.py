"""Needles: facts said once in a long stream, asked at its end, and counted right only word for word.

Four haystacks: a text, common words, letters, rare tokens; what stands out in one is ordinary in another.
Knows a model by its stream; knows no training. Invariant: every question is asked of the same state, which
the asking does not change.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nexus.core.errors import InvalidInputError
from nexus.training.episodes import Encode, Haystack
from nexus.training.facts import Fact, Kind, draw
from nexus.transformer.backbone import WindowCache
from nexus.transformer.controls import Control
from nexus.transformer.model import Nexus


@dataclass(frozen=True)
class Found:
    """What became of one stream.

    exact: questions answered word for word, of `asked`. held: facts that still have an entry that begins
    where the answer began. entries: that are occupied. distance: tokens from each statement to the end, in
    the order of `right`, which says which questions were answered.
    """

    asked: int
    exact: int
    held: int
    entries: int
    distance: tuple[int, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True)
class Score:
    """Streams of one haystack: what was found in each, and the speed of taking them in, all together."""

    streams: tuple[Found, ...]
    tokens: int
    tokens_per_second: float


def search(
    model: Nexus | Control,
    encode: Encode,
    haystack: Haystack,
    length: int,
    *,
    count: int = 100,
    kind: Kind = "uuid",
    seeds: Sequence[int] = (0,),
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Score:
    """Let `count` facts of the "eval" templates into `length` tokens of a haystack, a stream for each seed.

    `told` hears how many of how many tokens of each stream were taken in.

    Raises:
        InvalidInputError: the facts do not fit.
    """
    rows, places, facts = [], [], []
    for seed in seeds:
        chance = random.Random(f"needles/{seed}")  # noqa: S311 - no secret is made of it
        drawn = draw(count, [kind], "eval", chance)
        row, at = _with_needles(drawn, encode, haystack, length, chance, apart=2 * model.config.window)
        rows.append(row)
        places.append(at)
        facts.append(drawn)
    tokens = torch.from_numpy(np.stack(rows)).to(next(model.parameters()).device)
    state: Any = model.start(len(rows), tokens.device)
    started = time.perf_counter()
    block = 16 * model.config.chunk
    for done in range(0, length, block):
        state = model.stream(tokens[:, done : done + block], state)
        told(min(done + block, length), length)
    if tokens.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    found = tuple(_asked(model, encode, stream(state, n), facts[n], places[n]) for n in range(len(rows)))
    return Score(found, tokens.numel(), tokens.numel() / seconds)


def stream(state: Any, number: int) -> Any:
    """One of the streams of a state, of a Nexus or a control: a copy."""
    one = slice(number, number + 1)
    window = state.window
    if window is not None:
        keys, values = (tuple(t[one].clone() for t in part) for part in (window.keys, window.values))
        window = WindowCache(keys, values, window.position)
    chosen = torch.tensor([number], device=state.tokens.device)
    changed = {"window": window, "entries": state.entries.streams(chosen)}
    if getattr(state, "meanings", None) is not None:
        changed["meanings"] = state.meanings.streams(chosen)
    return replace(state, **changed, tokens=state.tokens[one].clone(), hidden=state.hidden[one].clone())


@torch.no_grad()
def says(model: Nexus | Control, state: Any, question: Sequence[int], answer: Sequence[int]) -> bool:
    """Whether the model, asked, says `answer` greedily. `state` stays as it is.

    Each token of the answer is the likeliest behind those before it: that is the same, and takes one pass.
    """
    given: Tensor = torch.tensor([[*question, *answer[:-1]]], device=state.tokens.device)
    said: list[int] = []
    for _, piece in model.steps(given, state):
        out = model(piece, state)
        state = out.state
        said += model.log_p(out)[0].argmax(-1).tolist()
    return said[len(question) - 1 :] == list(answer)


def _with_needles(
    facts: Sequence[Fact],
    encode: Encode,
    haystack: Haystack,
    length: int,
    chance: random.Random,
    *,
    apart: int,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], list[int]]:
    """The stream, and where the answer of each fact begins in it."""
    said = [[list(encode(f" {line}\n")) for line in (*fact.earlier, fact.statement)] for fact in facts]
    plain = length - sum(len(line) for lines in said for line in lines)
    if plain < apart:
        raise InvalidInputError(
            f"{len(facts)} facts do not fit into {length} tokens, {apart} of them behind the last",
            hint="ask for fewer facts or a longer stream",
        )
    hay = haystack(plain, chance)
    cuts = sorted(
        (cut, line, index)
        for index, lines in enumerate(said)
        for line, cut in enumerate(sorted(chance.randint(0, plain - apart) for _ in lines))
    )
    parts, places, at, done = [], [0] * len(facts), 0, 0
    for cut, line, index in cuts:
        words, fact = said[index][line], facts[index]
        parts += [hay[done:cut], np.asarray(words, np.int64)]
        at += cut - done
        before = (*fact.earlier, fact.statement)[line].rfind(fact.answer)
        places[index] = at + len(encode(f" {fact.statement}"[: before + 1]))
        at, done = at + len(words), cut
    return np.concatenate([*parts, hay[done:]]), places


def _asked(
    model: Nexus | Control, encode: Encode, state: Any, facts: Sequence[Fact], places: Sequence[int]
) -> Found:
    right = []
    for fact in facts:
        right.append(says(model, state, encode(f" {fact.question}"), encode(fact.answer)))
    kept = set(state.entries.place[state.entries.tag >= 0].tolist())
    return Found(
        len(facts),
        sum(right),
        sum(place in kept for place in places),
        int(state.entries.occupied()[0]),
        tuple(state.position - place for place in places),
        tuple(right),
    )
