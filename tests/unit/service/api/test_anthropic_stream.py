"""The events of an answer build the message that is sent whole; stop texts; pings; errors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import (
    BusyError,
    ContextOverflowError,
    EngineError,
    InvalidInputError,
    ModelMissingError,
    NotFoundError,
)
from nexus.service.api import anthropic_errors
from nexus.service.api.anthropic_stream import PING, Answer, error_event, paced
from nexus.service.stream import Event


def token(text):
    return Event("token", {"text": text})


def thought(text):
    return Event("thinking", {"text": text})


def call(name, arguments="{}"):
    return Event("tool_call", {"id": "c1", "name": name, "arguments": arguments})


def done(reason="stop", prompt=10, cached=4, answer=3):
    usage = {"prompt_tokens": prompt, "cached_tokens": cached, "completion_tokens": answer}
    return Event("done", {"finish_reason": reason, "usage": usage})


def counted(short=False):
    return Event("counted", {"short": short})


def sent(answer, *events):
    """All that is sent for these events, from the first on."""
    return [answer.start(), *(shown for event in events for shown in answer.take(event))]


def built(events):
    """The message as a client puts it together. Fails where an event is out of place."""
    assert events[0].name == "message_start"
    message = json.loads(json.dumps(events[0].data["message"]))
    started: dict[str, Any] = {}
    for event in events[1:]:
        data = event.data
        assert data["type"] == event.name
        match event.name:
            case "content_block_start":
                assert not started
                assert data["index"] == len(message["content"])
                started = {**data["content_block"], "json": ""}
            case "content_block_delta":
                assert data["index"] == len(message["content"])
                delta = data["delta"]
                if delta["type"] == "text_delta":
                    started["text"] += delta["text"]
                elif delta["type"] == "thinking_delta":
                    started["thinking"] += delta["thinking"]
                else:
                    started["json"] += delta["partial_json"]
            case "content_block_stop":
                assert data["index"] == len(message["content"])
                parts = started.pop("json")
                if started["type"] == "tool_use":
                    started["input"] = json.loads(parts)
                message["content"].append(started)
                started = {}
            case "message_delta":
                assert not started
                message.update(data["delta"])
                message["usage"].update(data["usage"])
            case "message_stop":
                assert not started
    return message


def test_text_then_a_call():
    answer = Answer("m")
    events = sent(answer, token("I "), token("look."), call("read", '{"path": "a"}'), done("tool_calls"))
    assert [event.name for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert answer.message["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "read", "input": {"path": "a"}},
    ]
    assert answer.message["stop_reason"] == "tool_use"
    assert answer.message["usage"] == {
        "input_tokens": 6,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 0,
        "output_tokens": 3,
    }


@pytest.mark.parametrize(
    ("reason", "short", "told"),
    [
        ("stop", False, "end_turn"),
        ("length", False, "max_tokens"),
        ("length", True, "model_context_window_exceeded"),
    ],
)
def test_why_it_ended(reason, short, told):
    answer = Answer("m")
    answer.take(counted(short))
    answer.take(done(reason))
    assert answer.message["stop_reason"] == told
    assert answer.message["content"] == []


def test_the_first_event_holds_nothing_of_what_follows():
    answer = Answer("m")
    answer.take(token("early"))
    message = answer.start().data["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    assert set(message["usage"].values()) == {0}


def test_an_answer_that_was_cut_off_is_no_answer():
    with pytest.raises(BusyError):
        Answer("m").take(done("cancelled"))


def test_a_stop_text_ends_it_and_is_named():
    answer = Answer("m", ["END", "###"])
    events = sent(answer, token("one E"), token("ND two"), token("three"), call("read"), done("cancelled"))
    assert answer.stopped
    assert answer.message["content"] == [{"type": "text", "text": "one "}]
    assert (answer.message["stop_reason"], answer.message["stop_sequence"]) == ("stop_sequence", "END")
    assert built(events) == answer.message


def test_what_looked_like_a_stop_text_comes_before_the_call():
    answer = Answer("m", ["STOP"])
    sent(answer, token("one ST"), call("read"), done("tool_calls"))
    assert [block["type"] for block in answer.message["content"]] == ["text", "tool_use"]
    assert answer.message["content"][0]["text"] == "one ST"


@pytest.mark.parametrize("arguments", ["{", "[1]", "3"])
def test_a_call_with_broken_arguments_is_an_error(arguments):
    with pytest.raises(EngineError, match="read"):
        Answer("m").take(call("read", arguments))


def test_what_the_job_reports_is_raised_in_its_own_class():
    error = {"code": "context_length_exceeded", "message": "too much", "hint": "shorten"}
    with pytest.raises(ContextOverflowError, match="too much"):
        Answer("m").take(Event("error", {"error": error, "status": 400}))


def test_thoughts_are_blocks_for_those_who_ask_for_them():
    said = [thought("Two "), thought("places."), token("I look."), call("look")]
    answer = Answer("m", thoughts=True)
    assert built(sent(answer, *said, done("tool_calls"))) == answer.message
    assert answer.message["content"] == [
        {"type": "thinking", "thinking": "Two places.", "signature": ""},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {}},
    ]
    silent = Answer("m")
    assert built(sent(silent, *said, done("tool_calls"))) == silent.message
    assert [block["type"] for block in silent.message["content"]] == ["text", "tool_use"]


words = st.text("abX", max_size=5)
pieces = st.lists(
    st.one_of(words.map(token), words.filter(bool).map(thought), st.just(call("read", '{"a": 1}')))
)


@given(pieces, st.lists(st.text("abX", min_size=1, max_size=3), max_size=2), st.booleans())
def test_the_events_build_the_message_that_is_sent_whole(said, stops, thoughts):
    answer = Answer("m", stops, thoughts=thoughts)
    assert built(sent(answer, *said, done())) == answer.message
    texts = [block["text"] for block in answer.message["content"] if block["type"] == "text"]
    whole = "".join(event.data["text"] for event in said if event.name == "token")
    assert all(texts), "no block is empty"
    assert whole.startswith("".join(texts))
    if answer.stopped:
        assert answer.message["stop_sequence"] in stops
    else:
        assert "".join(texts) == whole


@given(st.text("abX", max_size=30), st.lists(st.integers(1, 4)), st.text("abX", min_size=1, max_size=3))
def test_a_stop_text_is_found_however_the_text_is_cut(text, cuts, stop):
    answer, at, events = Answer("m", [stop]), 0, []
    for cut in [*cuts, len(text)]:
        events.append(token(text[at : at + cut]))
        at += cut
    sent(answer, *events, done())
    shown = "".join(block["text"] for block in answer.message["content"])
    assert shown == text.split(stop)[0]
    assert answer.stopped == (stop in text)


def test_pings_fill_the_pauses_and_nothing_is_lost():
    async def slowly():
        yield token("a")
        await asyncio.sleep(0.2)
        yield token("b")

    async def collect():
        return [event async for event in paced(slowly(), 0.02)]

    events = asyncio.run(collect())
    assert PING in events
    assert [event.data["text"] for event in events if event is not PING] == ["a", "b"]


def test_a_reader_who_leaves_ends_what_is_waited_for():
    ended = []

    async def forever():
        try:
            await asyncio.sleep(60)
            yield token("never")
        finally:
            ended.append(True)

    async def leave():
        events = paced(forever(), 0.01)
        assert await anext(events) is PING
        await events.aclose()

    asyncio.run(leave())
    assert ended == [True]


@pytest.mark.parametrize(
    ("error", "status", "kind", "words"),
    [
        (InvalidInputError("x", hint="do y"), 400, "invalid_request_error", "x (do y)"),
        (NotFoundError("x"), 404, "not_found_error", "x"),
        (BusyError("x"), 529, "overloaded_error", "x"),
        (EngineError("x"), 502, "api_error", "x"),
        (ContextOverflowError("9 tokens"), 400, "invalid_request_error", "prompt is too long: 9 tokens"),
    ],
)
def test_errors_have_the_types_of_this_interface(error, status, kind, words):
    assert anthropic_errors.status_of(error) == status
    told = error_event(error).data
    assert told["type"] == "error"
    assert told["error"] == {"type": kind, "message": words}


def test_a_client_is_told_whether_trying_again_helps():
    assert anthropic_errors.headers_of(BusyError("x", retry_after=7)) == {"retry-after": "7"}
    assert anthropic_errors.headers_of(ModelMissingError("x")) == {"x-should-retry": "false"}
    assert anthropic_errors.headers_of(EngineError("x")) == {}
