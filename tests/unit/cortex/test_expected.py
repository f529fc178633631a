"""One order of what was found for a question and for what is expected as its answer."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex import expected
from nexus.cortex.ledger import ChunkRow
from nexus.cortex.retriever import Result, Scores

MANY = 100


def result(number: int, total: float, text: str = "") -> Result:
    heading = ("Guide", f"Part {number}")
    chunk = ChunkRow(str(number), "document", "guide.md", heading, text or f"text {number}", 1, 2, 3, 0, "")
    return Result(chunk, Scores(0, 0, 0, 0, 0, 0, 0, 0, total))


def points(results: list[Result]) -> list[str]:
    return [r.chunk.point for r in results]


FOUND = st.dictionaries(st.integers(0, 30), st.floats(0, 2), max_size=20).map(
    lambda scored: [result(number, scored[number]) for number in sorted(scored, key=lambda n: -scored[n])]
)


@given(FOUND, FOUND)
def test_what_either_search_found_comes_back_once_best_first(
    asked: list[Result], likely: list[Result]
) -> None:
    found = expected.merged(asked, likely, MANY)
    assert sorted(points(found)) == sorted({*points(asked), *points(likely)})
    totals = [r.score for r in found]
    assert totals == sorted(totals, reverse=True)
    scores = {r.chunk.point: r.score for r in likely}
    assert [r.scores.expected for r in found] == [scores.get(r.chunk.point, 0.0) for r in found]


@given(FOUND)
def test_one_search_twice_keeps_its_order(found: list[Result]) -> None:
    again = expected.merged(found, found, MANY)
    scores = {r.chunk.point: r.score for r in found}
    ordered = [scores[point] for point in points(again)]
    assert all(a >= b - 1e-5 for a, b in pairwise(ordered))


def test_what_the_answer_says_counts_more_than_what_the_question_says() -> None:
    asked = [result(1, 1.0), result(2, 0.5), result(3, 0.1)]
    likely = [result(3, 1.0), result(2, 0.5), result(1, 0.1)]
    assert points(expected.merged(asked, likely, MANY)) == ["3", "2", "1"]


def test_text_that_only_repeats_a_better_one_is_left_out() -> None:
    asked = [result(1, 1.0, "the gate is shut at dusk"), result(2, 0.5, "the bell")]
    likely = [result(3, 1.0, "The gate is shut at dusk!"), result(2, 0.1, "the bell")]
    assert points(expected.merged(asked, likely, MANY)) == ["3", "2"]


def test_as_many_as_are_wanted_come_of_both_searches() -> None:
    lists = {"question": [result(1, 1.0), result(2, 0.5)], "answer": [result(3, 1.0), result(1, 0.2)]}
    found = expected.both(lambda text, limit, kinds, where: lists[text][:limit], "answer")
    assert len(found("question", 2, ("document",), None)) == 2
    assert len(found("question", 9, ("document",), None)) == 3


def test_the_model_reads_the_best_passages_and_the_question_last() -> None:
    asked = expected.instructions("which port?", [result(number, 1.0) for number in range(9)])
    assert "Guide > Part 2\ntext 2" in asked
    assert "text 3" not in asked
    assert asked.endswith("Question: which port?")
