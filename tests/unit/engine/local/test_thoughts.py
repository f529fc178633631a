"""Thoughts in streamed text: told apart from the answer however the text is cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus._engine import Model, Tokenizer
from nexus.engine.local.thoughts import CLOSE, OPEN, ThoughtText, begun, thinks

# Text, thought, answer.
ANSWERS = [
    ("<think>\nHm. 2 < 3.\n</think>\n\nThree.", "Hm. 2 < 3.", "Three."),
    ("\n <think>a\n\nb</think>c ", "a\n\nb", "c "),
    ("<think>\n\n</think>\n\nJust so.", "", "Just so."),
    ("<think>never closed </thin", "never closed </thin", ""),
    ("<think>closed</think> ", "closed", ""),
    ("<think>a</think><think>b</think>", "a", "<think>b</think>"),
    ("No thought.", "", "No thought."),
    ("  spaces stay ", "", "  spaces stay "),
    ("The tag <think> is text</think> here.", "", "The tag <think> is text</think> here."),
    ("</think>neither", "", "</think>neither"),
    ("<thin", "", "<thin"),
    ("<thinking>x</thinking>", "", "<thinking>x</thinking>"),
    ("", "", ""),
]


def read(text: str, cuts: list[int], *, inside: bool = False) -> tuple[str, str]:
    """Thought and answer of a text that comes in pieces. Fails where a thought follows the answer."""
    reader = ThoughtText(inside=inside)
    places = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    pieces = [piece for start, end in pairwise(places) for piece in reader.push(text[start:end])]
    pieces += reader.flush()
    assert all(said for said, _ in pieces)
    kinds = [thought for _, thought in pieces]
    assert kinds == sorted(kinds, reverse=True)
    assert reader.flush() == []
    return tuple("".join(said for said, thought in pieces if thought is kind) for kind in (True, False))  # type: ignore[return-value]


@pytest.mark.parametrize(("text", "thought", "answer"), ANSWERS)
def test_a_thought_is_told_from_the_answer(text: str, thought: str, answer: str) -> None:
    assert read(text, []) == (thought, answer)
    assert read(text, list(range(len(text)))) == (thought, answer)


def test_a_thought_that_the_prompt_opened_needs_no_mark() -> None:
    assert read("Let me see.\n</think>\nHere.", [], inside=True) == ("Let me see.", "Here.")
    assert read("still thinking", [3], inside=True) == ("still thinking", "")


WORDS = st.lists(st.sampled_from([OPEN, CLOSE, "<", "</", "think>", " ", "\n", "a", "<th", "ö"]), max_size=12)


@given(WORDS, st.lists(st.integers(0, 200)), st.booleans())
def test_how_a_text_is_cut_does_not_matter(words: list[str], cuts: list[int], inside: bool) -> None:
    text = "".join(words)
    whole = read(text, [], inside=inside)
    assert read(text, cuts, inside=inside) == whole
    # The slow definition.
    if inside or text.lstrip().startswith(OPEN):
        rest = text if inside else text.lstrip()[len(OPEN) :]
        thought, mark, answer = rest.partition(CLOSE)
        assert whole == (thought.strip(), answer.lstrip() if mark else "")
    else:
        assert whole == ("", text)


@given(st.text(), st.lists(st.integers(0, 200)))
def test_text_without_marks_stays_as_it_is(text: str, cuts: list[int]) -> None:
    if not text.lstrip().startswith(OPEN):
        assert read(text, cuts) == ("", text)


@pytest.fixture(scope="module")
def tokenizer(smollm2_path: Path) -> Tokenizer:
    return Model(str(smollm2_path), 1).tokenizer


def test_only_a_template_or_vocabulary_with_the_mark_makes_a_model_think(tokenizer: Tokenizer) -> None:
    assert thinks("{{ '<think>' }}", tokenizer)
    assert not thinks("{{ messages }}", tokenizer)


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [("<|im_start|>assistant\n<think>\n", True), ("x<think>", True), ("<think>\n\n</think>\n\n", False)],
)
def test_a_prompt_may_open_the_thought(tokenizer: Tokenizer, prompt: str, opened: bool) -> None:
    tokens = tokenizer.encode(prompt, parse_special=True)
    assert begun(tokenizer, tokens) is opened
    assert not begun(tokenizer, np.empty(0, dtype=np.int32))
