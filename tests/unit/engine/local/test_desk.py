"""Requests in the words of the chat API, with a real model and no socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from nexus._engine import Model, Store
from nexus.core.errors import ContextOverflowError, EngineError, InvalidInputError
from nexus.engine.local.desk import ChatDesk
from nexus.engine.local.names import Names, root_name
from nexus.engine.local.scheduler import Scheduler
from nexus.engine.local.stream import Limits
from nexus.engine.local.streams import Streams
from nexus.engine.local.template import ChatTemplate

HI = {"messages": [{"role": "user", "content": "Say hi"}], "temperature": 0}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"enum": ["here", "there"]}},
            "required": ["place"],
        },
    },
}


@dataclass
class Office:
    desk: ChatDesk
    scheduler: Scheduler


@pytest.fixture(scope="module")
def office(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder, model_id, limits = tmp_path_factory.mktemp("store"), b"\3" * 32, Limits(exact_tokens=8192)
    model = Model(str(smollm2_path), 1)
    store = Store(str(folder / "blocks"), model, model_id, 64 << 20, 64)
    names = Names(folder / "names.db", root_name(model_id, limits.profile()))
    streams = Streams(model, store, names, limits, kept=4, ram_bytes=64 << 20)
    scheduler = Scheduler(model, streams, at_once=4)
    template = ChatTemplate(model.text("tokenizer.chat_template") or "")
    scheduler.start()
    yield Office(ChatDesk(model, streams, scheduler, template, window=1000), scheduler)
    scheduler.stop()
    names.close()


@pytest.fixture
def desk(office: Office) -> ChatDesk:
    return office.desk


def chat(desk: ChatDesk, **wish: Any) -> list[dict[str, Any]]:
    return [dict(chunk) for chunk in desk.chat({**HI, **wish}, Event())]


def text_of(chunks: list[dict[str, Any]]) -> str:
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def test_an_answer_comes_as_progress_text_reason_and_usage(desk: ChatDesk) -> None:
    chunks = chat(desk, max_tokens=6)
    assert chunks[0]["prompt_progress"]["processed"] <= chunks[0]["prompt_progress"]["total"]
    count = desk.count(HI)["input_tokens"]
    *_, reason, last = chunks
    assert reason["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
    assert last["usage"]["prompt_tokens"] == count
    assert (
        last["usage"]["completion_tokens"] == 6 == len(desk.tokenize({"content": text_of(chunks)})["tokens"])
    )
    assert last["usage"]["total_tokens"] == count + 6
    assert last["timings"]["prompt_seconds"] >= 0


def test_what_a_model_says_to_itself_is_no_content(office: Office, smollm2_path: Path) -> None:
    """SmolLM2 does not think; its template is made to open a thought, or only to know of the mark."""
    plain = office.desk._model.text("tokenizer.chat_template") or ""
    desks = [
        ChatDesk(
            office.desk._model,
            office.desk._streams,
            office.scheduler,
            ChatTemplate(plain + more),
            window=1000,
        )
        for more in ("{% if add_generation_prompt %}<think>\n{% endif %}", "{# <think> #}")
    ]
    opened, marked = (chat(desk, max_tokens=6) for desk in desks)
    thoughts = [
        choice["delta"].get("reasoning_content", "") for chunk in opened for choice in chunk["choices"]
    ]
    assert "".join(thoughts)
    assert text_of(opened) == ""
    assert opened[-2]["choices"][0]["finish_reason"] == "length"
    assert text_of(marked) == text_of(chat(office.desk, max_tokens=6)) != ""
    # What is held to a schema does not think, whatever its prompt has opened.
    wanted = {"type": "json_schema", "json_schema": {"schema": {"enum": [7]}}}
    assert text_of(chat(desks[0], response_format=wanted, max_tokens=40)).strip() == "7"


def test_a_tool_that_must_be_called_is_called(desk: ChatDesk) -> None:
    chunks = chat(desk, tools=[TOOL], tool_choice="required", max_tokens=60)
    calls = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert [call["function"]["name"] for call in calls] == ["look"]
    assert json.loads(calls[0]["function"]["arguments"])["place"] in ("here", "there")
    assert calls[0]["index"] == 0
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert text_of(chunks).strip() == ""


def test_an_answer_is_held_to_its_schema(desk: ChatDesk) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]}
    wanted = {
        "type": "json_schema",
        "json_schema": {"schema": {**schema, "additionalProperties": False}},
    }
    # The grammar allows blanks, and this small model likes them.
    assert json.loads(text_of(chat(desk, response_format=wanted, max_tokens=400))) == {"n": 7}


def test_tools_are_part_of_the_count_unless_they_are_not_offered(desk: ChatDesk) -> None:
    bare = desk.count(HI)["input_tokens"]
    assert desk.count({**HI, "tools": [TOOL]})["input_tokens"] > bare
    assert desk.count({**HI, "tools": [TOOL], "tool_choice": "none"})["input_tokens"] == bare


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": "hi"},
        {"messages": ["hi"]},
        {"messages": [{"role": "king", "content": "x"}]},
        {"messages": [{"role": "user", "content": {"a": 1}}]},
        {"messages": [{"role": "user", "content": "half a \ud800 character"}]},
        {**HI, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "zebra"}}}},
        {**HI, "max_tokens": 0},
    ],
)
def test_a_request_that_cannot_be_answered_is_refused_before_anything_is_computed(
    desk: ChatDesk, body: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError):
        desk.chat(body, Event())
    assert desk.properties()["running"] == desk.properties()["waiting"] == 0


def test_text_that_is_none_is_not_counted(desk: ChatDesk) -> None:
    for content in (7, None, "half a \ud800 character"):
        with pytest.raises(InvalidInputError):
            desk.tokenize({"content": content})


def test_what_does_not_fit_the_window_is_refused_whole(desk: ChatDesk) -> None:
    count = desk.count(HI)["input_tokens"]
    with pytest.raises(ContextOverflowError, match=f"{count} tokens"):
        desk.chat({**HI, "max_tokens": 1001 - count}, Event())


def test_who_stops_reading_stops_the_answer(desk: ChatDesk) -> None:
    cancel = Event()
    chunks = desk.chat({**HI, "max_tokens": 900}, cancel)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert cancel.is_set()
    while desk.properties()["running"]:
        pass


def test_the_store_can_be_asked_about_and_cleared(desk: ChatDesk) -> None:
    desk.manage({"action": "clear"})
    chat(desk, messages=[{"role": "user", "content": "word " * 300}], max_tokens=1)
    assert desk.manage({"action": "store"})["blocks"] == 2
    assert desk.manage({"action": "clear"})["blocks"] == 2
    assert desk.manage({"action": "store"})["tokens"] == 0
    for action in (None, "burn", ["store"]):
        with pytest.raises(InvalidInputError, match="unknown"):
            desk.manage({"action": action})


def test_the_properties_say_what_the_parent_wants_to_know(desk: ChatDesk) -> None:
    properties = desk.properties()
    assert properties["default_generation_settings"]["n_ctx"] == 1000
    assert properties["model"]["architecture"] == "llama"
    assert json.loads(json.dumps(properties)) == properties


def test_a_text_is_continued_as_it_stands(desk: ChatDesk) -> None:
    wish = {"prompt": "The capital of France is", "temperature": 0, "max_tokens": 6}
    chunks = [dict(chunk) for chunk in desk.complete(wish, Event())]
    assert "Paris" in text_of(chunks)
    counted = desk.tokenize({"content": wish["prompt"], "parse_special": True})["tokens"]
    assert chunks[-1]["usage"]["prompt_tokens"] == len(counted)


def test_a_raw_text_may_hold_the_models_own_marks(desk: ChatDesk) -> None:
    marked = "<|im_start|>user\nSay hi<|im_end|>\n"
    raw = desk.tokenize({"content": marked, "parse_special": True})["tokens"]
    assert len(raw) < len(desk.tokenize({"content": marked})["tokens"])


def test_what_is_no_raw_text_is_refused(desk: ChatDesk) -> None:
    for wrong in ({}, {"prompt": 1}, {"prompt": ""}, {"prompt": "x", "suffix": 2}, {"prompt": "\ud800"}):
        with pytest.raises(InvalidInputError):
            list(desk.complete(wrong, Event()))
    with pytest.raises(InvalidInputError, match="suffix"):
        desk.complete({"prompt": "x", "suffix": "y"}, Event())
    with pytest.raises(ContextOverflowError):
        desk.complete({"prompt": "word " * 2000}, Event())


def test_a_desk_whose_scheduler_ends_says_so(office: Office) -> None:
    office.scheduler.stop()
    with pytest.raises(EngineError, match="stopping"):
        office.desk.manage({"action": "store"})
    with pytest.raises(EngineError, match="stopping"):
        list(office.desk.chat(HI, Event()))
