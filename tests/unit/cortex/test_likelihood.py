"""The order of results by how likely a model finds the question behind each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex import likelihood
from nexus.cortex.ledger import ChunkRow
from nexus.cortex.retriever import Result, Scores


def result(number: int, total: float) -> Result:
    heading = ("Guide", f"Part {number}")
    chunk = ChunkRow(str(number), "document", "guide.md", heading, f"text {number}", 1, 2, 3, 0, "")
    return Result(chunk, Scores(0, 0, 0, 0, 0, 0, 0, 0, total))


SCORED = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 0)), max_size=30)


@given(SCORED)
def test_every_result_comes_back_once_best_first(scored: list[tuple[float, float]]) -> None:
    results = [result(number, total) for number, (total, _) in enumerate(scored)]
    found = likelihood.reordered(results, [nats for _, nats in scored])
    assert sorted(r.chunk.point for r in found) == sorted(r.chunk.point for r in results)
    totals = [r.score for r in found]
    assert totals == sorted(totals, reverse=True)
    assert [scored[int(r.chunk.point)][1] for r in found] == [r.scores.likelihood for r in found]


@given(st.lists(st.integers(-90, 0).map(lambda tenths: tenths / 10), min_size=2, max_size=9))
def test_of_equal_scores_the_likelier_is_first(nats: list[float]) -> None:
    found = likelihood.reordered([result(number, 1.0) for number in range(len(nats))], nats)
    assert [r.scores.likelihood for r in found] == sorted(nats, reverse=True)


def test_equal_likelihoods_leave_the_order_of_the_search() -> None:
    results = [result(number, 3.0 - number) for number in range(3)]
    assert [r.chunk.point for r in likelihood.reordered(results, [-1.0] * 3)] == ["0", "1", "2"]


def test_the_model_reads_headings_and_text_and_then_the_question() -> None:
    assert likelihood.read(result(1, 0)) == "Guide > Part 1\ntext 1\n\nQuestion:"
    assert likelihood.question("which\n port?") == " which port?"
