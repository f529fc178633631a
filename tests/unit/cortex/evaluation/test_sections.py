"""Whole sections through the real Cortex on small sets made here."""

from __future__ import annotations

import json

import pytest

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.evaluation import bench, bench_documents, bench_locomo
from nexus.cortex.evaluation.evidence import ask, sessions_of, store, wanted_sessions
from nexus.cortex.evaluation.locomo import load
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.product import default_embedders, temporary
from nexus.cortex.evaluation.report import Row, Section
from tests.unit.cortex.evaluation import small_sets


def quiet(doing: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def options(tmp_path, models_folder, embedder_folder, granite_folder):
    return Options(tmp_path, models_folder, quick=True, kills=1)


def by_name(section):
    return {row.what: row for row in section.rows}


@pytest.mark.slow
def test_conversations_are_asked_one_by_one_and_results_are_in_their_own_ids(tmp_path, options):
    conversations = load([small_sets.locomo(tmp_path, "one", "two")])
    with temporary(default_embedders(options.models)) as (product, _):
        heard = store(product, conversations, quiet)
        answers = ask(product, conversations, heard, quiet)
    assert heard.turns == 10
    assert ("one D2:3",) in heard.ids.values()
    assert (heard.joined, heard.cut) == (0, 0)
    assert [answer.conversation for answer in answers] == [0, 0, 1, 1]
    for answer in answers:
        own = ("one", "two")[answer.conversation]
        assert all(name.startswith(own) for ids in answer.found for name in ids)
        assert len(answer.candidates) == len(answer.features)
        assert len(answer.sizes) == len(answer.found)
    assert answers[0].found[0] == ("one D1:1",)
    assert answers[1].found[0] == ("one D2:3",)
    assert set(answers[0].controls) >= {"BM25", "dense vectors", "formula of seed 004"}
    judged = answers[1].judged()
    assert judged is not None
    assert judged.shares.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_every_part_of_a_long_turn_has_the_id_of_the_turn(tmp_path, options):
    parts = [f"On day {n} the ferry left harbour number {n} with {n} lamps." for n in range(40)]
    path = tmp_path / "locomo.json"
    path.write_text(
        json.dumps(
            [small_sets.conversation("c", [("", ["Hello there, how are you today?", " ".join(parts)])])]
        )
    )
    with temporary(default_embedders(options.models)) as (product, _):
        heard = store(product, load([path]), quiet)
    assert heard.cut == len(heard.ids) - 2 > 0
    assert set(heard.ids.values()) == {("c D1:1",), ("c D1:2",)}


def test_sessions_stand_where_their_best_turn_stands():
    ranking = [("c D3:1",), ("c D1:2", "c D1:3"), ("c D3:9",), ("c D2:1",)]
    assert sessions_of(ranking) == [("c D3",), ("c D1",), ("c D2",)]
    assert wanted_sessions(["c D3:1", "c D3:2", "c D1:1"]) == ["c D3", "c D1"]


@pytest.mark.slow
def test_the_locomo_section_has_goals_controls_and_what_it_was_measured_on(tmp_path, options):
    path = small_sets.locomo(tmp_path, "one", "two")
    section = bench_locomo.measure(options, quiet)
    rows = by_name(section)
    fixed = rows["turns, fixed weights: R@5"]
    assert fixed.value == 100.0
    assert (fixed.low, fixed.high) == (100.0, 100.0)
    assert fixed.reached is True
    assert rows["turns, fitted, held out: R@10"].value == 100.0
    assert rows["turns, BM25: R@5"].control
    assert rows["evidence within 1,000 tokens"].value == 100.0
    assert rows["category 4 (one turn): R@10"].note == "2 questions"
    assert section.data == [path.name]
    assert "4 questions with evidence (2 without" in section.notes[0]


@pytest.mark.slow
def test_weights_cannot_be_held_out_of_one_conversation(tmp_path, options):
    small_sets.locomo(tmp_path, "one")
    row = by_name(bench_locomo.measure(options, quiet))["turns, fitted, held out: R@5"]
    assert row.value is None
    assert "two conversations" in row.note
    assert row.reached is None


@pytest.mark.slow
def test_the_document_section_ranks_the_right_document_first(tmp_path, options):
    for name, make in (("cranfield", small_sets.cranfield), ("docs", small_sets.claude_docs)):
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    section = bench_documents.measure(options, quiet)
    rows = by_name(section)
    assert rows["Cranfield, product"].value == 1.0
    assert rows["Cranfield, product"].goal == 0.44
    assert rows["Claude docs, product"].value == 1.0
    assert rows["Claude docs, BM25"].control
    assert section.missing == []


def test_sets_that_are_not_there_are_named(tmp_path, options):
    (tmp_path / "cran.qry.xml").write_text("")
    assert "cranqrel.trec.txt" in bench_documents.measure(options, quiet).missing[0]
    assert "locomo" in bench_locomo.measure(options, quiet).missing[0]


def test_only_the_sections_asked_for_are_run(tmp_path, options):
    shown: list[Section] = []
    done = bench.run(options, ["documents", "locomo"], quiet, shown.append)
    assert [section.name for section in done] == ["locomo", "documents"]
    assert shown == done
    assert json.loads(json.dumps([section.as_dict() for section in done]))[0]["missing"]


def test_unknown_sections_and_a_missing_folder_are_refused(tmp_path, options):
    with pytest.raises(InvalidInputError, match="'speeed'"):
        bench.run(options, ["speeed"], quiet)
    with pytest.raises(NotFoundError, match="nowhere"):
        bench.run(Options(tmp_path / "nowhere", options.models), [], quiet)


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (Row("x", 5.0, goal=5.0), True),
        (Row("x", 4.9, goal=5.0), False),
        (Row("x", 4.9, goal=5.0, most=True), True),
        (Row("x", None, goal=5.0), None),
        (Row("x", 4.9), None),
    ],
)
def test_a_goal_is_reached_from_its_own_side(row, reached):
    assert row.reached is reached
    assert row.as_dict()["reached"] is reached
