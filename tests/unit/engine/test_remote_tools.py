"""Tools, schemas and sampling on their way to a server, and calls on their way back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexus.core.errors import EngineError, InvalidInputError
from nexus.engine.base import AnswerEvent, ChatMessage, ChatRequest, Delta, Finish, Tool, ToolCall, ToolChoice
from nexus.engine.remote import RemoteEngine
from tests.unit.engine.server import Reply, serving

MODELS = Reply({"data": [{"id": "m", "max_model_len": 1000}]})
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
LOOK = Tool("look", "Look there.", SCHEMA)
ASK = [ChatMessage("user", "look")]


def sse(*chunks: dict[str, Any] | str) -> bytes:
    return b"".join(
        b"data: " + (c if isinstance(c, str) else json.dumps(c)).encode() + b"\n\n" for c in chunks
    )


def part(index: int | None, text: Any = "", **more: Any) -> dict[str, Any]:
    name = {"name": more.pop("name")} if "name" in more else {}
    call = {**({} if index is None else {"index": index}), **more, "function": {**name, "arguments": text}}
    return {"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": None}]}


def end(reason: str) -> dict[str, Any]:
    return {"choices": [{"delta": {}, "finish_reason": reason}]}


def answer(*chunks: dict[str, Any] | str, **request: Any) -> list[AnswerEvent]:
    replies = {"/v1/models": MODELS, "/v1/chat/completions": Reply(sse(*chunks, "[DONE]"))}
    with serving(replies) as url:
        engine = RemoteEngine(url, api_key="k", model="", context=0)
        engine.start()
        events = list(engine.chat(ChatRequest(ASK, max_tokens=20, tools=[LOOK], **request)))
        engine.stop()
    return events


def calls(events: list[AnswerEvent]) -> list[tuple[str, str, str]]:
    return [(e.id, e.name, e.arguments) for e in events if isinstance(e, ToolCall)]


def reason(events: list[AnswerEvent]) -> str:
    assert isinstance(events[-1], Finish)
    return events[-1].reason


def test_calls_come_whole_and_in_their_order() -> None:
    events = answer(
        {"choices": [{"delta": {"content": "I look."}}]},
        part(0, "", id="a", name="look"),
        part(0, '{"at"'),
        part(0, ': "x"}'),
        part(1, "{}", id="b", name="look"),
        end("tool_calls"),
    )
    assert events[0] == Delta("I look.")
    assert calls(events) == [("a", "look", '{"at": "x"}'), ("b", "look", "{}")]
    assert reason(events) == "tool_calls"


@pytest.mark.parametrize(
    ("chunks", "arguments"),
    [
        ([part(0, "", id="a", name="look")], ["{}"]),
        ([part(0, {"at": "é"}, id="a", name="look")], ['{"at": "é"}']),
        ([part(None, "{}", name="look"), part(None, '{"at": "y"}', name="look")], ["{}", '{"at": "y"}']),
        ([part(None, '{"at"', name="look"), part(None, ': "z"}')], ['{"at": "z"}']),
    ],
)
def test_calls_of_servers_with_manners_of_their_own(
    chunks: list[dict[str, Any]], arguments: list[str]
) -> None:
    events = answer(*chunks, end("stop"))
    assert [found[1:] for found in calls(events)] == [("look", text) for text in arguments]
    assert all(found[0] for found in calls(events))
    # The server said "stop"; that there are calls is what counts.
    assert reason(events) == "tool_calls"


def test_half_a_call_at_the_end_of_the_room_is_none() -> None:
    events = answer(part(0, '{"at": "so lon', id="a", name="look"), end("length"))
    assert calls(events) == []
    assert reason(events) == "length"


@pytest.mark.parametrize(
    "chunks",
    [
        [part(0, "{not json", id="a", name="look")],
        [part(0, "[1]", id="a", name="look")],
        [part(0, "{}", id="a")],
        [{"choices": [{"delta": {"tool_calls": ["look"]}}]}],
        [part(0, 7, id="a", name="look")],
    ],
)
def test_a_call_that_is_none_is_an_error(chunks: list[dict[str, Any]]) -> None:
    with pytest.raises(EngineError, match="call"):
        answer(*chunks, end("tool_calls"))


def sent(request: ChatRequest) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []
    replies = {"/v1/models": MODELS, "/v1/chat/completions": Reply(sse(end("stop"), "[DONE]"))}
    with serving(replies, seen) as url:
        engine = RemoteEngine(url, api_key="k", model="", context=0)
        engine.start()
        list(engine.chat(request))
        engine.stop()
    return seen[-1]


def test_tools_calls_and_results_are_sent_as_the_interface_writes_them() -> None:
    messages = [
        ChatMessage("user", "look"),
        ChatMessage("assistant", "", [ToolCall("a", "look", '{"at": "x"}')]),
        ChatMessage("tool", "nothing there", (), "a"),
    ]
    body = sent(ChatRequest(messages, max_tokens=9, tools=[LOOK], tool_choice=ToolChoice("required", "look")))
    function = {"name": "look", "arguments": '{"at": "x"}'}
    assert body["messages"][1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "a", "type": "function", "function": function}],
    }
    assert body["messages"][2] == {"role": "tool", "content": "nothing there", "tool_call_id": "a"}
    described = {"name": "look", "description": "Look there.", "parameters": SCHEMA}
    assert body["tools"] == [{"type": "function", "function": described}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}


def test_a_schema_and_what_else_steers_the_choice_of_words_is_sent() -> None:
    body = sent(
        ChatRequest(
            ASK,
            max_tokens=9,
            schema=SCHEMA,
            top_k=5,
            min_p=0.1,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
        )
    )
    wanted = {"name": "answer", "schema": SCHEMA, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": wanted}
    steering = {"top_k": 5, "min_p": 0.1, "presence_penalty": 0.5, "frequency_penalty": -0.5}
    assert body.items() >= steering.items()
    assert "tools" not in body
    assert "tool_choice" not in body


def test_tools_count_towards_the_prompt() -> None:
    many = [Tool(f"look_{n}", "x" * 300, SCHEMA) for n in range(10)]
    with serving({"/v1/models": MODELS}) as url:
        engine = RemoteEngine(url, api_key="", model="", context=0)
        engine.start()
        with pytest.raises(InvalidInputError, match="window leaves 991"):
            list(engine.chat(ChatRequest(ASK, max_tokens=9, tools=many)))
        engine.stop()


@pytest.mark.parametrize("able", [True, False])
def test_a_llamacpp_server_without_words_for_tools_is_not_asked_with_them(able: bool) -> None:
    replies = {
        "/v1/models": MODELS,
        "/tokenize": Reply({"tokens": [1]}),
        "/props": Reply({"chat_template_caps": {"supports_tools": able}}),
        "/v1/chat/completions/input_tokens": Reply({"input_tokens": 5}),
        "/v1/chat/completions": Reply(sse(end("stop"), "[DONE]")),
    }
    with serving(replies) as url:
        engine = RemoteEngine(url, api_key="", model="", context=0)
        engine.start()
        request = ChatRequest(ASK, max_tokens=9, tools=[LOOK])
        if able:
            assert reason(list(engine.chat(request))) == "stop"
        else:
            with pytest.raises(InvalidInputError, match="no words for tools"):
                list(engine.chat(request))
        engine.stop()
