"""LoCoMo's form: what is read, and what is said when it cannot be."""

from __future__ import annotations

import json

import pytest

from nexus.core.errors import InvalidInputError
from nexus.cortex.evaluation.locomo import find, load, moment
from tests.unit.cortex.evaluation.small_sets import conversation, locomo


def test_conversations_have_sessions_turns_and_evidence(tmp_path):
    path = locomo(tmp_path, "conv-1", "conv-2")
    first, second = load([path])
    assert (first.id, second.id) == ("conv-1", "conv-2")
    assert [session.started for session in first.sessions] == ["2023-05-08T13:56:00Z", "2023-06-02T09:05:00Z"]
    assert [turn.id for turn in first.sessions[1].turns] == ["D2:1", "D2:2", "D2:3"]
    # Typing errors that the published file has: two ids in one string, a colon too many, a leading nought.
    assert [question.evidence for question in first.questions] == [("D1:1",), ("D2:3", "D2:1"), ()]
    assert first.unknown == 0


def test_evidence_that_names_no_turn_is_counted_and_left_out(tmp_path):
    raw = conversation("c")
    raw["qa"][0]["evidence"] = ["D1:1", "D7:1"]
    path = tmp_path / "locomo.json"
    path.write_text(json.dumps([raw]))
    (found,) = load([path])
    assert found.questions[0].evidence == ("D1:1",)
    assert found.unknown == 1


def test_a_transcript_keeps_the_line_of_every_turn_and_the_caption_of_a_photo(tmp_path):
    raw = conversation("c", [("1:56 pm on 8 May, 2023", ["one two three", " ", "four"])])
    raw["conversation"]["session_1"][2]["blip_caption"] = "a photo of a goat"
    raw["qa"] = []
    path = tmp_path / "locomo.json"
    path.write_text(json.dumps([raw]))
    (found,) = load([path])
    transcript = found.transcript(found.sessions[0])
    assert [(turn.line, turn.speaker, turn.text) for turn in transcript.turns] == [
        (1, "Ann", "one two three"),
        (3, "Ann", "four [shares a photo: a photo of a goat]"),
    ]
    assert transcript.project == "/locomo/c"
    assert transcript.turns[0].said == "2023-05-08T13:56:00Z"


def test_files_are_found_below_a_folder_and_a_conversation_in_two_of_them_counts_once(tmp_path):
    (tmp_path / "deep").mkdir()
    one, two = locomo(tmp_path, "a"), locomo(tmp_path / "deep", "a", "b")
    assert set(find(tmp_path)) == {one, two}
    assert find(one) == [one]
    assert sorted(found.id for found in load(find(tmp_path))) == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[1]", '[{"qa": []}]', '[{"conversation": {"session_1": [{}]}, "qa": []}]']
)
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "locomo.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as failed:
        load([path])
    assert str(path) in failed.value.message
    assert failed.value.hint


@pytest.mark.parametrize("text", ["", "yesterday", "25:00 pm on 8 May, 2023"])
def test_an_unreadable_time_is_none(text):
    assert moment(text) == ""
