"""The measures equal what is worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nexus.cortex.evaluation.measures import auc, interval, ndcg, percentile, recall, recall_within

RANKING = [("a",), ("b", "c"), ("d",), ("a",), ("e",)]


@pytest.mark.parametrize(
    ("depth", "expected"), [(0, 0.0), (1, 1 / 3), (2, 2 / 3), (4, 2 / 3), (5, 1.0), (99, 1.0)]
)
def test_recall_counts_every_id_of_a_result_once(depth, expected):
    assert recall(RANKING, {"a", "c", "e"}, depth) == pytest.approx(expected)


@pytest.mark.parametrize(("budget", "expected"), [(9, 0.0), (10, 0.5), (29, 0.5), (30, 1.0), (1000, 1.0)])
def test_recall_within_a_budget_ends_at_the_first_result_that_does_not_fit(budget, expected):
    sizes = [10, 20, 500, 1, 1]
    assert recall_within(RANKING, sizes, {"a", "c"}, budget) == expected


def test_a_small_result_behind_one_too_large_is_not_given():
    assert recall_within([("a",), ("b",)], [100, 1], {"b"}, 50) == 0.0


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3, 4, 1, 2], 1.0),
        ([1, 2, 3, 4], 0.0),
        ([1, 1, 1, 1], 0.5),
        ([1, 3, 2, 2], 0.5),
        ([2, 3, 2, 1], 0.875),
    ],
)
def test_auc_by_hand(scores, expected):
    assert auc(np.array(scores, float), np.array([True, True, False, False])) == expected


def test_ndcg_by_hand():
    gains = {"a": 2.0, "b": 1.0, "c": 0.0}
    best = 2 + 1 / math.log2(3)
    assert ndcg(["a", "b", "x"], gains) == 1.0
    assert ndcg(["x", "a", "b"], gains) == pytest.approx((2 / math.log2(3) + 1 / math.log2(4)) / best)
    assert ndcg(["x", "a", "b"], gains, depth=1) == 0.0
    assert ndcg(["b", "a"], gains, depth=1) == pytest.approx(0.5)
    assert ndcg(["a"], {}) == 0.0


def test_the_interval_of_equal_values_is_a_point_and_of_others_holds_the_mean():
    assert interval([0.5] * 20) == (0.5, 0.5, 0.5)
    found = interval([0.0, 1.0] * 200)
    assert found.mean == 0.5
    # Two standard errors of a coin thrown 400 times are .05.
    assert found.low == pytest.approx(0.45, abs=0.01)
    assert found.high == pytest.approx(0.55, abs=0.01)
    assert interval([0.0, 1.0] * 200) == found


def test_percentile():
    assert percentile([3, 1, 2], 50) == 2
    assert percentile(list(range(101)), 99) == 99
