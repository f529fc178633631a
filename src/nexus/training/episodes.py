"""Streams in which facts are said and, later, asked: for training and for evaluation, of any length.

An episode is a haystack of tokens with statements let in at some places and questions with their answers at
later ones. Knows tokens by two functions it is given; knows no model. Invariant: between a statement and its
question lie at least `apart` tokens, and what is no fact comes from the haystack unchanged and in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nexus.training.facts import Fact

Tokens = NDArray[np.int64]
Encode = Callable[[str], Sequence[int]]
Haystack = Callable[[int, random.Random], Tokens]  # so many tokens


@dataclass(frozen=True)
class Asked:
    """A question in a stream.

    said: position of the statement's first token. asked: of the question's first token. answer: of the
    answer's first token. end: behind the answer's last token, which is not the full stop.
    """

    fact: int
    said: int
    asked: int
    answer: int
    end: int


@dataclass(frozen=True)
class Episode:
    """tokens: int64 [length]; what is asked in it, by place."""

    tokens: Tokens
    asked: tuple[Asked, ...]


def episode(
    length: int,
    facts: Sequence[Fact],
    encode: Encode,
    haystack: Haystack,
    chance: random.Random,
    *,
    apart: int,
) -> Episode:
    """Say each fact in the first half, what was true before it earlier still, and ask it once in the second.

    Raises:
        ValueError: the facts do not fit into `length` tokens with `apart` tokens between.
    """
    said = [[list(encode(f" {line}\n")) for line in (*fact.earlier, fact.statement)] for fact in facts]
    asks = [list(encode(f" {fact.question}")) for fact in facts]
    answers = [list(encode(fact.answer)) for fact in facts]
    ends = list(encode(".\n"))
    for index, fact in enumerate(facts):
        whole = asks[index] + answers[index]
        if fact.begins and said[index][-1][: len(whole)] != whole:
            raise ValueError(f"{fact.statement!r} is not its question and answer in tokens")
    needed = sum(len(line) for lines in said for line in lines) + sum(
        len(a) + len(b) + len(ends) for a, b in zip(asks, answers, strict=True)
    )
    plain = length - needed
    half = plain // 2
    if plain < 0 or (facts and plain - half < apart):
        raise ValueError(
            f"{len(facts)} facts of {needed} tokens, {apart} apart, do not fit into {length} tokens"
        )
    hay = haystack(plain, chance)
    # A place of the haystack, which line of the fact is said there (behind the last: the question), the fact.
    parts: list[tuple[int, int, int]] = []
    for index, lines in enumerate(said):
        places = sorted(chance.randint(0, half) for _ in lines)
        # What is said at place p of the haystack is asked at p + apart or later.
        places.append(chance.randint(max(half, places[-1] + apart), plain))
        parts += [(place, line, index) for line, place in enumerate(places)]
    parts.sort()
    out: list[Tokens] = []
    at = done = 0
    where: dict[int, int] = {}
    asked: list[Asked] = []
    for place, line, index in parts:
        out.append(hay[done:place])
        at, done = at + place - done, place
        if line < len(said[index]):
            where[index] = at
            words = said[index][line]
        else:
            answer = at + len(asks[index])
            asked.append(Asked(index, where[index], at, answer, answer + len(answers[index])))
            words = asks[index] + answers[index] + ends
        out.append(np.asarray(words, dtype=np.int64))
        at += len(words)
    out.append(hay[done:])
    return Episode(np.concatenate(out), tuple(asked))


def natural(text: Tokens) -> Haystack:
    """From a random place of a text, and on from its beginning where it ends."""

    def take(count: int, chance: random.Random) -> Tokens:
        start = chance.randrange(len(text))
        return np.take(text, np.arange(start, start + count) % len(text)).astype(np.int64)

    return take


def drawn(ids: Sequence[int]) -> Haystack:
    """Tokens drawn from a list, each as likely as another: rare ones, or common words."""
    pool = np.asarray(ids, dtype=np.int64)

    def take(count: int, chance: random.Random) -> Tokens:
        return pool[np.random.default_rng(chance.getrandbits(64)).integers(0, len(pool), count)]

    return take


def letters(encode: Encode) -> Haystack:
    """Words of random letters."""

    def take(count: int, chance: random.Random) -> Tokens:
        out: list[int] = []
        while len(out) < count:
            words = (
                "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(1, 9)))
                for _ in range(400)
            )
            out += encode(" " + " ".join(words))
        return np.asarray(out[:count], dtype=np.int64)

    return take
