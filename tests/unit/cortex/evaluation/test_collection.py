"""The judged sets of documents, in their published forms."""

from __future__ import annotations

import pytest

from nexus.core.errors import InvalidInputError
from nexus.cortex.evaluation.collection import claude_docs, cranfield
from tests.unit.cortex.evaluation import small_sets


def test_cranfield_counts_questions_by_position_and_not_by_their_number(tmp_path):
    small_sets.cranfield(tmp_path)
    found = cranfield(tmp_path)
    assert [document.id for document in found.documents] == ["c0001", "c0002", "c0003"]
    # The text begins with the title in the file, and is not said twice.
    assert found.documents[0].title == "lift of a wing ."
    assert found.documents[0].text == "lift of a wing in a slipstream was measured ."
    assert [(asked.text, dict(asked.gains)) for asked in found.questions] == [
        ("how does heat flow in composite slabs .", {"c0002": 1.0}),
        ("when do thin shells buckle .", {"c0003": 1.0}),
    ]


def test_claude_docs_leaves_out_questions_about_sections_that_it_does_not_hold(tmp_path):
    small_sets.claude_docs(tmp_path)
    found = claude_docs(tmp_path)
    assert [dict(asked.gains) for asked in found.questions] == [{"s000": 1.0}, {"s001": 1.0}]
    assert found.unjudged == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("cranqrel.trec.txt", "1 0 2\n", "cranqrel.trec.txt:1"),
        ("cran.all.1400.xml", "<doc><docno>1</docno></doc>", "<title>"),
        ("cran.all.1400.xml", "", "no documents"),
    ],
)
def test_damaged_cranfield_is_named(tmp_path, name, text, words):
    small_sets.cranfield(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInputError, match=words):
        cranfield(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", '[{"question": "x"}]'])
def test_damaged_claude_docs_are_named(tmp_path, text):
    small_sets.claude_docs(tmp_path)
    (tmp_path / "docs_evaluation_dataset.json").write_text(text)
    with pytest.raises(InvalidInputError, match=str(tmp_path)):
        claude_docs(tmp_path)
