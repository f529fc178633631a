"""The kernels return what the definition says, to the bit, and NumPy stands in for them."""

from __future__ import annotations

import numpy as np
import pytest

from nexus.core.errors import MissingPartError
from nexus.cortex import scan


def unit(rng, count, dimensions):
    vectors = rng.standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def table(vectors):
    codes = scan.Codes(vectors.shape[1])
    codes.resize(len(vectors))
    codes.put(np.arange(len(vectors)), vectors)
    return codes


def everything(count):
    return np.ones(count, np.bool_)


@pytest.fixture(params=scan.kernels())
def kernel(request):
    return request.param


def test_the_compiled_kernels_are_there():
    assert scan.kernels()[:2] == ("numpy", "scalar")
    assert scan.kernel() == scan.kernels()[-1]


@pytest.mark.parametrize("dimensions", [1, 63, 64, 384, 1100])
def test_every_kernel_returns_the_same_bits(dimensions, kernel):
    rng = np.random.default_rng(dimensions)
    codes = table(unit(rng, 700, dimensions))
    for allowed in (everything(700), rng.random(700) < 0.3, rng.random(650) < 0.01):
        question = unit(rng, 1, dimensions)[0]
        rows, scores = codes.best(question, 25, allowed, kernel)
        expected_rows, expected_scores = codes.best(question, 25, allowed, "numpy")
        assert rows.tolist() == expected_rows.tolist()
        assert scores.tobytes() == expected_scores.tobytes()


def test_the_best_by_codes_are_nearly_the_best(kernel):
    rng = np.random.default_rng(1)
    vectors = unit(rng, 500, 96)
    rows, scores = table(vectors).best(vectors[77], 5, everything(500), kernel)
    assert rows[0] == 77
    assert scores == pytest.approx(vectors[rows] @ vectors[77], abs=0.01)


def test_equal_scores_come_by_row_and_only_allowed_rows_come(kernel):
    codes = table(np.repeat(unit(np.random.default_rng(2), 1, 8), 10, axis=0))
    allowed = np.array([False, True] * 5)
    rows, _ = codes.best(np.ones(8, np.float32), 3, allowed, kernel)
    assert rows.tolist() == [1, 3, 5]
    rows, scores = codes.best(np.ones(8, np.float32), 100, np.zeros(10, np.bool_), kernel)
    assert len(rows) == len(scores) == 0


@pytest.mark.parametrize("limit", [0, 1, 9, 10, 11])
def test_the_limit_is_kept_at_every_size(limit, kernel):
    codes = table(unit(np.random.default_rng(3), 10, 8))
    rows, scores = codes.best(np.ones(8, np.float32), limit, everything(10), kernel)
    assert len(rows) == len(scores) == min(limit, 10)
    assert sorted(scores.tolist(), reverse=True) == scores.tolist()


def test_a_question_of_zeros_finds_rows_with_zeros(kernel):
    codes = table(unit(np.random.default_rng(4), 4, 8))
    rows, scores = codes.best(np.zeros(8, np.float32), 2, everything(4), kernel)
    assert rows.tolist() == [0, 1]
    assert scores.tolist() == [0.0, 0.0]


def test_a_vector_of_zeros_has_product_zero(kernel):
    vectors = np.zeros((2, 8), np.float32)
    vectors[1, 0] = -1
    rows, scores = table(vectors).best(np.ones(8, np.float32), 2, everything(2), kernel)
    assert rows.tolist() == [0, 1]
    assert scores.tolist() == [0.0, pytest.approx(-1.0, abs=1e-6)]


def test_bad_questions_are_refused(kernel):
    codes = table(unit(np.random.default_rng(5), 4, 8))
    with pytest.raises(ValueError, match=r"\(9,\)"):
        codes.best(np.ones(9, np.float32), 2, everything(4), kernel)
    with pytest.raises(ValueError, match="not finite"):
        codes.best(np.full(8, np.nan, np.float32), 2, everything(4), kernel)
    with pytest.raises(ValueError, match="0 dimensions"):
        scan.Codes(0)


def test_rows_survive_growing_and_packing(kernel):
    rng = np.random.default_rng(6)
    vectors = unit(rng, 30, 20)
    codes = table(vectors)
    codes.resize(90)
    rows, _ = codes.best(vectors[7], 1, everything(90), kernel)
    assert rows.tolist() == [7]
    codes.keep(np.array([3, 7, 29]), 5)
    assert len(codes) == 5
    rows, scores = codes.best(vectors[29], 5, everything(5), kernel)
    assert rows[0] == 2
    assert scores[rows.tolist().index(4)] == 0.0


def plain_max_similarity(question, items, scale):
    return [float((question @ item.T.astype(np.float64) * scale).max(axis=1).mean()) for item in items]


def test_max_similarity_is_the_mean_of_the_best(kernel):
    rng = np.random.default_rng(7)
    for asked in (1, 5, 16, 17, 40):
        question = unit(rng, asked, 64)
        items = [np.rint(unit(rng, n, 64) * 127).astype(np.int8) for n in (1, 2, 30, 7)]
        scores = scan.max_similarity(question, items, 1 / 127, kernel)
        assert scores == pytest.approx(plain_max_similarity(question, items, 1 / 127), abs=1e-4)
        if kernel != "numpy":
            assert scores.tobytes() == scan.max_similarity(question, items, 1 / 127, "scalar").tobytes()


def test_max_similarity_of_nothing_is_zero(kernel):
    item, nothing = np.full((2, 64), 5, np.int8), np.zeros((0, 64), np.int8)
    question = unit(np.random.default_rng(8), 3, 64)
    scores = scan.max_similarity(question, [nothing, item, nothing], 1.0, kernel)
    assert scores[[0, 2]].tolist() == [0.0, 0.0]
    assert scores[1] != 0
    assert scan.max_similarity(question[:0], [item], 1.0, kernel).tolist() == [0.0]
    assert scan.max_similarity(question, [], 1.0, kernel).shape == (0,)


def test_max_similarity_refuses_other_shapes(kernel):
    item = np.zeros((2, 64), np.int8)
    with pytest.raises(ValueError, match="64 dimensions"):
        scan.max_similarity(np.zeros((1, 63), np.float32), [item], 1.0, kernel)
    with pytest.raises(ValueError, match="64 dimensions"):
        scan.max_similarity(np.zeros((1, 64), np.float32), [item[:, :5]], 1.0, kernel)
    with pytest.raises(ValueError, match="matrices"):
        scan.max_similarity(np.zeros(64, np.float32), [item], 1.0, kernel)
    with pytest.raises(ValueError, match="not finite"):
        scan.max_similarity(np.full((1, 64), np.inf, np.float32), [item], 1.0, kernel)


def test_without_the_native_part_numpy_does_it(monkeypatch):
    def missing():
        raise MissingPartError("the native part of nexus is not built")

    monkeypatch.setattr("nexus.core.platform.native", missing)
    scan._native.cache_clear()
    scan._fastest.cache_clear()
    try:
        assert scan.kernel() == "numpy"
        vectors = unit(np.random.default_rng(9), 50, 16)
        rows, _ = table(vectors).best(vectors[3], 1, everything(50))
        assert rows.tolist() == [3]
    finally:
        scan._native.cache_clear()
        scan._fastest.cache_clear()


def test_the_binding_checks_what_c_cannot_see():
    native = scan._compiled()
    codes, scales = scan._aligned_rows(4, 64), np.ones(4, np.float32)
    question, rows, scores = np.ones(64, np.float32), np.zeros(2, np.uint32), np.zeros(2, np.float32)
    for arguments, message in [
        ((0, codes, scales, 5, question, None, rows, scores), "fewer rows"),
        ((0, codes, scales[:3], 4, question, None, rows, scores), "fewer rows"),
        ((0, codes, scales, 4, question, np.zeros(0, np.uint64), rows, scores), "too short"),
        ((0, codes, scales, 4, question, None, rows, scores[:1]), "differ"),
        ((7, codes, scales, 4, question, None, rows, scores), "no such kernel"),
        ((0, codes, scales, 4, np.ones(65, np.float32), None, rows, scores), "no wider"),
    ]:
        with pytest.raises(ValueError, match=message):
            native.cortex_scan(*arguments)
    with pytest.raises(TypeError):
        native.cortex_scan(0, codes.astype(np.int16), scales, 4, question, None, rows, scores)
    crooked = scan._aligned_rows(2, 64).reshape(-1)[1:65].reshape(1, 64)
    with pytest.raises(ValueError, match="aligned"):
        native.cortex_scan(0, crooked, scales, 1, question, None, rows, scores)
