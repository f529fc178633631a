"""Inverted lists multiply as the full vectors would, however they came to be."""

from __future__ import annotations

import numpy as np
import pytest

from nexus.cortex.indexer import Sparse
from nexus.cortex.postings import Postings


def sparse(weights):
    return Sparse(np.array(list(weights), np.uint32), np.array(list(weights.values()), np.float32))


def filled(rows):
    postings = Postings()
    for row, weights in rows.items():
        postings.add(row, sparse(weights))
    return postings


def test_a_product_is_the_sum_over_shared_words():
    postings = filled({0: {5: 1.0, 7: 2.0}, 2: {7: 3.0}, 3: {}})
    assert postings.products(sparse({7: 2.0, 5: 10.0, 99: 1.0}), 4).tolist() == [14.0, 0.0, 6.0, 0.0]
    assert postings.products(sparse({}), 4).tolist() == [0.0] * 4
    assert len(postings) == 3


def test_the_greatest_word_number_is_found():
    top = 2**32 - 1
    assert filled({0: {top: 1.0, 0: 2.0}}).products(sparse({top: 1.0, 0: 1.0}), 1).tolist() == [3.0]


@pytest.mark.parametrize("asked_every", [1, 7, 1000])
def test_products_do_not_depend_on_when_was_asked(asked_every):
    rng = np.random.default_rng(0)
    dense = rng.random((300, 40)).astype(np.float32) * (rng.random((300, 40)) < 0.2)
    question = rng.random(40)
    postings = Postings()
    for row, weights in enumerate(dense):
        postings.add(row, sparse({int(i): weights[i] for i in np.flatnonzero(weights)}))
        if row % asked_every == 0:
            postings.products(sparse({1: 1.0}), row + 1)
    asked = sparse(dict(enumerate(question)))
    expected = dense.astype(np.float64) @ asked.values.astype(np.float64)
    assert postings.products(asked, 300) == pytest.approx(expected, rel=1e-12)
    assert len(postings._segments) <= 9, "segments of like size are merged"

    kept = np.flatnonzero(rng.random(300) < 0.4)
    postings.keep(kept, 300)
    assert postings.products(asked, len(kept)) == pytest.approx(expected[kept], rel=1e-12)
    assert len(postings) == np.count_nonzero(dense[kept])


def test_keeping_nothing_leaves_nothing():
    postings = filled({0: {1: 1.0}, 1: {1: 1.0}})
    postings.keep(np.zeros(0, np.intp), 2)
    assert len(postings) == 0
    postings.add(0, sparse({1: 4.0}))
    assert postings.products(sparse({1: 1.0}), 1).tolist() == [4.0]
