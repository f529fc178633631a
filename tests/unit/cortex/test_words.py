"""Words as sparse vectors: their product is BM25, whatever else is in the collection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex import words
from nexus.cortex.indexer import Sparse


def bm25(question: str, texts: list[str], number: int) -> float:
    """The textbook sum, slow and obvious (Robertson and Zaragoza 2009)."""
    split = [list(words.words_of(text)) for text in texts]
    stems = [[words.number(word) for word in part] for part in split]
    total = 0.0
    for word in words.words_of(question):
        stem = words.number(word)
        held = sum(stem in part for part in stems)
        rarity = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
        often = stems[number].count(stem)
        length = len(stems[number]) / words.MEAN_WORDS
        total += rarity * often * (words.K1 + 1) / (often + words.K1 * (1 - words.B + words.B * length))
    return total


def product(some: Sparse, other: Sparse) -> float:
    weights: dict[int, float] = dict(zip(other.indices.tolist(), other.values.tolist(), strict=True))
    total = 0.0
    for index, value in zip(some.indices.tolist(), some.values.tolist(), strict=True):
        total += value * weights.get(index, 0.0)
    return total


TEXT = st.text(alphabet="abcdeXYZ_09 .'\u2019\u00e9\u05d0\U0001f600", max_size=80)


@given(st.lists(TEXT, min_size=1, max_size=6), TEXT)
def test_the_product_of_passage_and_question_is_bm25(texts, asked):
    numbers = [words.number(word) for word in words.question(asked)]
    held = [set(words.terms(text)) for text in texts]
    rarities = [words.rarity(len(texts), sum(n in part for part in held)) for n in numbers]
    question = words.weighted(numbers, rarities)
    for number, text in enumerate(texts):
        expected = bm25(asked, texts, number)
        assert product(words.passage(text), question) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the retryCount is not maxed", ["retrycount", "retry", "count", "maxed"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("max_retry_count", ["max_retry_count", "max", "retry", "count"]),
        ("IPv6 over utf8", ["ipv6", "pv", "6", "over", "utf8", "utf", "8"]),
        ("Paris, PARIS and NASA", ["paris", "paris", "nasa"]),
        ("the project\u2019s name isn't ours", ["project", "name", "ours"]),
        ("what is it about", []),
        ("\u05e9\u05dc\u05d5\u05dd caf\u00e9", ["\u05e9\u05dc\u05d5\u05dd", "caf\u00e9"]),
    ],
)
def test_words_of(text, expected):
    found = list(words.words_of(text))
    if "IPv6" in text:
        # How such a name falls into parts is no promise; that the whole word is there is one.
        assert {"ipv6", "utf8", "utf", "8"} <= set(found)
    else:
        assert found == expected


def test_a_stem_is_one_number_and_words_differ():
    assert words.number("declares") == words.number("declaring")
    assert words.number("port") != words.number("portrait")


def test_a_text_without_words_is_an_empty_vector():
    assert len(words.passage("... \n \u2014 the of").indices) == 0
    assert words.terms("") == ()


def test_a_word_asked_twice_counts_twice():
    once = words.weighted([1, 2], [1.0, 1.0])
    twice = words.weighted([1, 2, 1], [1.0, 1.0, 1.0])
    assert dict(zip(once.indices.tolist(), once.values.tolist(), strict=True)) == {1: 1.0, 2: 1.0}
    assert dict(zip(twice.indices.tolist(), twice.values.tolist(), strict=True)) == {1: 2.0, 2: 1.0}


def test_a_million_characters_without_a_blank_are_one_word_cut_short():
    found = list(words.words_of("a" * 1_000_000 + " end"))
    assert [len(word) for word in found] == [64, 3]
    assert len(list(words.words_of("aB" * 500_000))) < 200


def test_lone_surrogates_are_words_like_others():
    vector = words.passage("name \ud800x here")
    assert vector.values.dtype == np.float32
    assert len(vector.indices) >= 2


def test_words_mean_the_same_after_what_was_kept_is_given_back() -> None:
    text = "Retried requests are retrying retryCount times"
    before = words.terms(text)
    words.forget()
    assert words.terms(text) == before
