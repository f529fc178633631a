"""An answer as the events of a response, and the response that they build."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import BusyError, EngineError
from nexus.service.api.responses_stream import Reply, echo_of
from nexus.service.stream import Event

USAGE = {"prompt_tokens": 30, "completion_tokens": 4, "cached_tokens": 20}


def token(text):
    return Event("token", {"text": text})


def call(name="look", arguments='{"at": "sea"}'):
    return Event("tool_call", {"id": "c1", "name": name, "arguments": arguments})


def done(reason="stop"):
    return Event("done", {"finish_reason": reason, "usage": USAGE})


def played(*events):
    """The reply, and all its events."""
    reply = Reply("m", echo_of({}), {})
    told = reply.start()
    for event in events:
        told += reply.take(event)
    return reply, told


def test_a_text_and_a_call_in_full():
    reply, told = played(
        Event("counted", {"short": False}), token("I "), token("look."), call(), done("tool_calls")
    )
    assert [event.name.removeprefix("response.") for event in told] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done", "content_part.done"),
        *("output_item.done", "output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done", "completed"),
    ]
    text, called = reply.response["output"]
    assert text["content"][0]["text"] == "I look."
    assert (called["call_id"], called["name"], called["arguments"]) == ("c1", "look", '{"at": "sea"}')
    assert {text["status"], called["status"], reply.response["status"]} == {"completed"}
    assert reply.response["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 20},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 34,
    }


def test_an_answer_that_was_cut_says_why():
    reply, told = played(token("I"), done("length"))
    assert told[-1].name == "response.incomplete"
    assert reply.response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert reply.response["output"][0]["status"] == "incomplete"


def test_an_answer_of_nothing_is_complete():
    reply, told = played(done())
    assert reply.response["output"] == []
    assert told[-1].name == "response.completed"


def test_what_went_wrong_is_raised_and_told():
    reply, _ = played(token("I"))
    error = {"code": "engine_failed", "message": "gone", "hint": "ask again"}
    with pytest.raises(EngineError, match="gone") as caught:
        reply.take(Event("error", {"error": error, "status": 502}))
    told = reply.fail(caught.value)
    assert [event.name for event in told][-2:] == ["response.output_item.done", "response.failed"]
    assert reply.response["error"] == {"code": "engine_failed", "message": "gone (ask again)"}
    assert reply.ended
    with pytest.raises(BusyError):
        played(done("cancelled"))


pieces = st.lists(st.one_of(st.text(min_size=1).map(token), st.just(call())), max_size=12)


@given(pieces, st.sampled_from(["stop", "length"]), st.sets(st.integers(0, 12)))
def test_the_events_build_the_response_that_is_sent_whole(given_events, reason, waits):
    reply = Reply("m", echo_of({}), {})
    told = reply.start()
    for number, event in enumerate([*given_events, done(reason)]):
        if number in waits:
            told.append(reply.wait())
        told += reply.take(event)
    assert [event.data["sequence_number"] for event in told] == list(range(len(told)))
    built: list[dict[str, Any]] = []
    open_item = -1
    for event in told:
        data = deepcopy(event.data)
        match event.name.removeprefix("response."):
            case "output_item.added":
                assert open_item == -1, "one item at a time"
                open_item = data["output_index"]
                assert open_item == len(built)
                built.append(data["item"])
            case "content_part.added":
                built[open_item]["content"].append(data["part"])
            case "output_text.delta":
                built[open_item]["content"][0]["text"] += data["delta"]
            case "function_call_arguments.delta":
                built[open_item]["arguments"] += data["delta"]
            case "output_item.done":
                built[open_item]["status"] = data["item"]["status"]
                assert built[open_item] == data["item"]
                open_item = -1
    assert open_item == -1
    assert built == reply.response["output"] == told[-1].data["response"]["output"]
