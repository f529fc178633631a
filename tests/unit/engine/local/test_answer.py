"""One answer: what is shown of the tokens that are chosen, and how it ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nexus._engine import Model, Sampler
from nexus.core.errors import EngineError
from nexus.engine.local.answer import Answer, AnswerEvent, Ended, Failed, Text


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Model:
    return Model(str(smollm2_path), 1)


def new(model: Model, max_tokens: int = 50, **more: object) -> Answer:
    prompt = np.asarray([1, 2, 3], dtype=np.int32)
    return Answer(prompt, Sampler(temperature=0.0), model.tokenizer, max_tokens, **more)  # type: ignore[arg-type]


def said(answer: Answer, model: Model, text: str, *, end: bool = False) -> list[AnswerEvent]:
    """The events of an answer whose model says this text."""
    tokens = [int(token) for token in model.tokenizer.encode(text)]
    if end:
        assert model.tokenizer.eos is not None
        tokens.append(model.tokenizer.eos)
    for token in tokens:
        logits = np.zeros(model.tokenizer.size, dtype=np.float32)
        logits[token] = 50
        if answer.choose(logits) is None:
            break
    events = []
    while not answer.events.empty():
        events.append(answer.events.get())
    return events


def shown(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def test_the_text_is_that_of_the_tokens_in_whole_characters(model: Model) -> None:
    text = "Grüße, 東京! \U0001f9ed"
    events = said(new(model), model, text, end=True)
    assert shown(events) == text
    assert all("\ufffd" not in event.text for event in events if isinstance(event, Text))
    last = events[-1]
    assert isinstance(last, Ended)
    assert (last.reason, last.prompt_tokens) == ("stop", 3)
    assert last.answer_tokens == len(model.tokenizer.encode(text))
    assert last.seconds_prompt >= 0 <= last.seconds_answer


def test_a_character_that_is_cut_off_is_shown_as_such(model: Model) -> None:
    tokens = model.tokenizer.encode("\U0001f9ed")
    assert len(tokens) > 1
    events = said(new(model, len(tokens) - 1), model, "\U0001f9ed")
    assert shown(events) == "\ufffd"
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == "length"


def test_a_stop_text_ends_it_before_the_stop_text(model: Model) -> None:
    answer = new(model, stops=["three"])
    events = said(answer, model, "one two three four")
    assert shown(events) == "one two "
    assert isinstance(events[-1], Ended)
    assert events[-1].reason == "stop"
    assert answer.ended


def test_what_was_held_back_is_shown_at_the_end(model: Model) -> None:
    assert shown(said(new(model, stops=["two!"]), model, "one two", end=True)) == "one two"


def test_cancelled_it_shows_what_was_held_back_and_ends_once(model: Model) -> None:
    answer = new(model, stops=["two!"])
    assert shown(said(answer, model, "one two")) == "one "
    answer.end("cancelled")
    answer.end("length")
    answer.fail(EngineError("too late"))
    text, last = answer.events.get(), answer.events.get()
    assert isinstance(text, Text)
    assert text.text == "two"
    assert isinstance(last, Ended)
    assert last.reason == "cancelled"
    assert answer.events.empty()


def test_a_failure_is_the_last_event(model: Model) -> None:
    answer = new(model)
    answer.fail(EngineError("no"))
    answer.end("stop")
    failed = answer.events.get()
    assert isinstance(failed, Failed)
    assert answer.events.empty()


class OnlyDigits:
    """Allows one digit and then nothing more."""

    def __init__(self, model: Model) -> None:
        self._mask = np.zeros((model.tokenizer.size + 31) // 32, dtype=np.uint32)
        for digit in "0123456789":
            token = int(model.tokenizer.encode(digit)[0])
            self._mask[token // 32] |= np.uint32(1 << (token % 32))
        self.finished = False

    def mask(self) -> NDArray[np.uint32]:
        return self._mask

    def accept(self, token: int) -> None:
        self.finished = True


def test_a_grammar_decides_what_may_be_said_and_when_it_is_over(model: Model) -> None:
    answer = new(model, constraint=OnlyDigits(model))
    logits = np.zeros(model.tokenizer.size, dtype=np.float32)
    logits[int(model.tokenizer.encode(" word")[0])] = 50
    logits[int(model.tokenizer.encode("7")[0])] = 1
    assert answer.choose(logits) is None
    text, last = answer.events.get(), answer.events.get()
    assert isinstance(text, Text)
    assert text.text == "7"
    assert isinstance(last, Ended)
    assert (last.reason, last.answer_tokens) == ("stop", 1)
