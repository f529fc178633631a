"""Fitting finds the weights that a set of judged questions was made with."""

from __future__ import annotations

import numpy as np
import pytest

from nexus.cortex.evaluation.fitting import Judged, fit, loss

PLANTED = np.array([2.0, -1.0, 0.0])


def questions(count: int, seed: int = 0) -> list[Judged]:
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        features = draw.standard_normal((30, 3))
        chances = np.exp(features @ PLANTED)
        shares = np.zeros(30)
        shares[draw.choice(30, p=chances / chances.sum())] = 1.0
        made.append(Judged(features, shares))
    return made


def test_planted_weights_come_back():
    assert fit(questions(1500), penalty=0.01) == pytest.approx(PLANTED, abs=0.15)


def test_nothing_near_the_solution_is_better():
    made = questions(50)
    best = fit(made, penalty=1.0)
    for step in np.eye(3):
        for size in (0.05, -0.05):
            assert loss(best + size * step, made, 1.0) > loss(best, made, 1.0)


def test_a_large_penalty_keeps_weights_small():
    made = questions(50)
    assert np.abs(fit(made, penalty=1e6)).max() < 0.01


def test_a_question_that_one_candidate_answers_alone_is_survived():
    assert fit([Judged(np.ones((1, 2)), np.ones(1))]) == pytest.approx([0.0, 0.0])


def test_without_questions_there_is_nothing_to_fit():
    with pytest.raises(ValueError, match="nothing"):
        fit([])
