"""Facts that are said and asked: where they stand, how far apart, and what they are made of."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.training.episodes import drawn, episode, letters, natural
from nexus.training.facts import KINDS, draw


def encode(text: str) -> list[int]:
    return list(text.encode())


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 300))
def test_each_fact_is_said_and_asked_where_the_episode_says(seed: int, count: int, apart: int) -> None:
    chance = random.Random(seed)
    facts = draw(count, KINDS, "train", chance)
    made = episode(6000, facts, encode, drawn([1, 2, 3]), chance, apart=apart)
    text = bytes(made.tokens.astype(np.uint8)).decode()
    assert len(made.tokens) == 6000
    assert sorted(asked.fact for asked in made.asked) == list(range(count))
    for asked in made.asked:
        fact = facts[asked.fact]
        assert text[asked.said :].startswith(f" {fact.statement}\n")
        assert text[asked.asked : asked.answer] == f" {fact.question}"
        assert text[asked.answer : asked.end] == fact.answer
        assert asked.asked - asked.said >= apart


def test_the_haystack_is_unchanged_but_for_the_facts() -> None:
    chance = random.Random(1)
    hay = np.arange(1000) + 1000
    facts = draw(3, ["place"], "eval", chance)
    made = episode(900, facts, encode, natural(hay), chance, apart=10)
    kept = made.tokens[made.tokens >= 1000]
    assert (np.diff(kept) % 1000 == 1).all()


@pytest.mark.parametrize("split", ["train", "eval"])
def test_facts_have_their_own_questions(split: str) -> None:
    facts = draw(60, KINDS, split, random.Random(0))  # type: ignore[arg-type]
    assert len({fact.question for fact in facts}) == 60
    assert {len(fact.answer) for fact in facts if fact.kind == "uuid"} == {37}
    for fact in facts:
        assert fact.answer in fact.statement
        assert fact.begins == (fact.kind in ("uuid", "number", "place"))


def test_the_splits_share_no_question() -> None:
    train = {fact.question for fact in draw(150, KINDS, "train", random.Random(0))}
    assert not train & {fact.question for fact in draw(60, KINDS, "eval", random.Random(0))}


def test_what_does_not_fit_is_refused() -> None:
    facts = draw(5, ["uuid"], "train", random.Random(0))
    with pytest.raises(ValueError, match="do not fit into 500 tokens"):
        episode(500, facts, encode, letters(encode), random.Random(0), apart=0)
    with pytest.raises(ValueError, match="cannot all have different questions"):
        draw(1000, ["place"], "eval", random.Random(0))
