"""Token vectors: what is kept of a text, that they survive as bytes, and how they are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from nexus.core.errors import MissingPartError, StorageError
from nexus.cortex.late import DIMENSIONS, TokenVectors, max_similarity
from nexus.cortex.projection import Projection, dropped_tokens, fitted


def units(count: int, seed: int, width: int = DIMENSIONS) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def by_hand(question: np.ndarray, item: TokenVectors) -> float:
    """The definition, token by token."""
    best = []
    for asked in question.astype(np.float64):
        best.append(max(float(asked @ (row.astype(np.float64) / 127)) for row in item.values))
    return sum(best) / len(best)


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 6), st.integers(0, 99))
def test_the_score_is_the_mean_of_the_best_cosines(lengths, asked, seed):
    question = units(asked, seed)
    items = [TokenVectors.of(units(n, seed + i)) for i, n in enumerate(lengths)]
    scores = max_similarity(question, items)
    assert scores.shape == (len(items),)
    assert scores == pytest.approx([by_hand(question, item) for item in items], abs=1e-5)


def test_more_tokens_than_fit_in_one_block_change_nothing():
    items = [TokenVectors.of(units(20_000, 1)), *(TokenVectors.of(units(3_000, n)) for n in range(9))]
    question = units(2, 5)
    alone = [max_similarity(question, [item])[0] for item in items]
    assert max_similarity(question, items) == pytest.approx(alone, abs=1e-6)


def test_a_text_is_most_similar_to_itself():
    rows = units(7, 3)
    scores = max_similarity(rows, [TokenVectors.of(units(9, 4)), TokenVectors.of(rows)])
    assert scores[1] == pytest.approx(1, abs=0.02)
    assert scores[0] < 0.6


@given(st.integers(1, 40), st.integers(0, 99))
def test_bytes_come_back_as_they_were(count, seed):
    item = TokenVectors.of(units(count, seed))
    data = item.to_bytes()
    assert len(data) == 12 + DIMENSIONS * count
    assert TokenVectors.from_bytes(data) == item


@given(st.data())
def test_foreign_or_damaged_bytes_are_refused(data):
    whole = TokenVectors.of(units(3, 1)).to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    for broken in (
        whole[:at],
        whole[:at] + bytes([other]) + whole[at + 1 :],
        whole + b"\0" * data.draw(st.integers(1, 130)),
        data.draw(st.binary(max_size=200)),
    ):
        with pytest.raises(StorageError, match="no token vectors"):
            TokenVectors.from_bytes(broken)


@pytest.mark.parametrize("shape", [(0, 64), (3, 63), (64,)])
def test_vectors_of_another_shape_are_a_mistake_of_the_caller(shape):
    with pytest.raises(ValueError, match="shape"):
        TokenVectors.of(np.zeros(shape, np.float32))


VOCABULARY = [
    "[PAD]",
    "[CLS]",
    "[SEP]",
    "the",
    "The",
    "\u0120of",
    "##s",
    ".",
    "::",
    "river",
    "\u0120Oslo",
    "7",
]


@pytest.fixture
def projection():
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="[PAD]"))
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    weights = np.vstack([np.zeros(DIMENSIONS), units(96, 2)]).astype(np.float32)
    return Projection(weights, dropped_tokens(tokenizer))


def test_only_tokens_that_say_something_are_kept(projection):
    kept = projection.kept(range(len(VOCABULARY)))
    assert [VOCABULARY[i] for i in kept] == ["##s", "river", "\u0120Oslo", "7"]


def test_where_nothing_says_anything_all_is_kept(projection):
    ids = [1, 3, 5, 7, 2]
    states = units(len(ids), 8, 96)
    assert len(projection.compress(states, ids)) == len(ids)


def test_small_vectors_are_those_of_the_kept_tokens_at_length_one(projection):
    ids = [1, 3, 9, 8, 11, 2]
    states = units(len(ids), 8, 96) * 5
    small = projection.small(states, ids)
    assert small.shape == (2, DIMENSIONS)
    assert np.linalg.norm(small, axis=1) == pytest.approx(1, abs=1e-5)
    item = projection.compress(states, ids)
    assert np.abs(item.values / 127 - small).max() <= 0.5 / 127 + 1e-6


def test_the_fitted_directions_keep_what_differs():
    # Points that differ in 64 of 96 directions only, far from the origin: nothing of them is lost.
    random = np.random.default_rng(1)
    plane, far = np.linalg.qr(random.normal(size=(96, 64)))[0], random.normal(size=96) * 9
    points = random.normal(size=(500, 64)) @ plane.T + far
    mean = points.mean(0)
    weights = fitted(mean, np.cov(points.T, bias=True)).astype(np.float64)
    turned = points @ weights[1:] + weights[0]
    apart = np.linalg.norm(points[:50, None] - points[None, :50], axis=2)
    assert np.linalg.norm(turned[:50, None] - turned[None, :50], axis=2) == pytest.approx(apart, rel=0.01)
    assert np.abs(turned.mean(0)).max() < 0.05


def test_a_model_without_one_is_told(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    assert not Projection.exists("e5-small-v2")
    with pytest.raises(MissingPartError, match="e5-small-v2") as caught:
        Projection.load("e5-small-v2", tokenizer)
    assert "fit_projection" in caught.value.hint
