"""Tools and schemas through the service with the official openai client.

What a model says is not the same twice, so calls come from a server with a script; that answers are held
to what was demanded is shown with the real small model.
"""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.running import running
from tests.unit.engine.server import Reply, serving

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Look at a place.",
            "parameters": {
                "type": "object",
                "properties": {"at": {"type": "string", "maxLength": 12}},
                "required": ["at"],
                "additionalProperties": False,
            },
        },
    }
]
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green"]},
        "number": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["colour", "number"],
    "additionalProperties": False,
}
ASK: list[Any] = [{"role": "user", "content": "Look at the harbour and the town."}]


def delta(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": reason}]}).encode() + b"\n\n"


def called(index: int, name: str, *parts: str) -> bytes:
    first = {"index": index, "id": name, "function": {"name": "look", "arguments": parts[0]}}
    more = [{"index": index, "function": {"arguments": part}} for part in parts[1:]]
    return b"".join(delta({"tool_calls": [call]}) for call in [first, *more])


SCRIPT = (
    delta({"reasoning_content": "Two places, "})
    + delta({"reasoning_content": "two calls."})
    + delta({"content": "I look."})
    + called(0, "one", '{"at"', ': "harbour"}')
    + called(1, "two", '{"at": "town"}')
    + delta({}, "tool_calls")
    + b'data: {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 20}}\n\n'
    + b"data: [DONE]\n\n"
)


@pytest.fixture(scope="module")
def seen() -> list[dict[str, Any]]:
    """What the scripted server was asked."""
    return []


@pytest.fixture(scope="module")
def scripted(tmp_path_factory, models_folder, granite_folder, seen):
    replies = {
        "/v1/models": Reply({"data": [{"id": "scripted", "max_model_len": 4096}]}),
        "/v1/chat/completions": Reply(SCRIPT),
    }
    home = tmp_path_factory.mktemp("scripted") / "home"
    with serving(replies, seen) as url:
        settings = {"NEXUS_ENGINE_KIND": "remote", "NEXUS_ENGINE_URL": url, "NEXUS_ENGINE_MODEL": "scripted"}
        with (
            running(home, models_folder, **settings) as service,
            openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def real(tmp_path_factory, models_folder, granite_folder, smollm2_path):
    pytest.importorskip("nexus._engine", reason="the native engine is not built")
    home = tmp_path_factory.mktemp("real") / "home"
    with (
        running(home, models_folder, NEXUS_ENGINE_KIND="local") as service,
        openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client,
    ):
        yield client


def test_a_whole_answer_has_its_calls(scripted):
    reply = scripted.chat.completions.create(model="scripted", messages=ASK, tools=TOOLS)
    (choice,) = reply.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look."
    assert choice.message.reasoning_content == "Two places, two calls."
    assert [(c.id, c.type, c.function.name, c.function.arguments) for c in choice.message.tool_calls] == [
        ("one", "function", "look", '{"at": "harbour"}'),
        ("two", "function", "look", '{"at": "town"}'),
    ]
    assert reply.usage.total_tokens == 50


def test_a_streamed_answer_is_put_together_by_the_package(scripted):
    with scripted.chat.completions.stream(model="scripted", messages=ASK, tools=TOOLS) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0]
    assert message.finish_reason == "tool_calls"
    assert message.message.content == "I look."
    assert message.message.reasoning_content == "Two places, two calls."
    assert [json.loads(call.function.arguments)["at"] for call in message.message.tool_calls] == [
        "harbour",
        "town",
    ]
    assert [call.id for call in message.message.tool_calls] == ["one", "two"]


def test_one_call_where_no_more_are_wanted(scripted):
    reply = scripted.chat.completions.create(
        model="scripted", messages=ASK, tools=TOOLS, parallel_tool_calls=False
    )
    assert [call.id for call in reply.choices[0].message.tool_calls] == ["one"]
    assert reply.choices[0].finish_reason == "tool_calls"


def test_calls_and_their_results_are_told_to_the_model(scripted, seen):
    first = scripted.chat.completions.create(model="scripted", messages=ASK, tools=TOOLS)
    answered = [
        {"role": "tool", "tool_call_id": call.id, "content": f"nothing at {call.id}"}
        for call in first.choices[0].message.tool_calls
    ]
    conversation = [*ASK, first.choices[0].message, *answered]
    scripted.chat.completions.create(
        model="scripted",
        messages=conversation,
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "look"}},
        presence_penalty=0.5,
        frequency_penalty=0.25,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    )
    asked = seen[-1]
    assert [message["role"] for message in asked["messages"]] == ["user", "assistant", "tool", "tool"]
    assert asked["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"at": "harbour"}'
    assert asked["messages"][3] == {"role": "tool", "content": "nothing at two", "tool_call_id": "two"}
    assert asked["tools"] == TOOLS
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert (asked["presence_penalty"], asked["frequency_penalty"]) == (0.5, 0.25)
    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA


def test_a_call_sent_back_with_broken_arguments_is_refused(scripted):
    broken: Any = {
        "role": "assistant",
        "tool_calls": [{"id": "x", "type": "function", "function": {"name": "look", "arguments": "{"}}],
    }
    with pytest.raises(openai.BadRequestError, match="the call x are not a JSON object"):
        scripted.chat.completions.create(model="scripted", messages=[*ASK, broken], tools=TOOLS)


@pytest.mark.parametrize("stream", [False, True])
def test_the_small_model_calls_what_it_must(real, stream):
    options: Any = {"model": "smollm2-135m", "messages": ASK, "tools": TOOLS, "max_tokens": 60}
    options |= {"tool_choice": "required", "temperature": 0}
    if stream:
        with real.chat.completions.stream(**options) as events:
            for _ in events:
                pass
            choice = events.get_final_completion().choices[0]
    else:
        choice = real.chat.completions.create(**options).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.function.name == "look"
    arguments = json.loads(call.function.arguments)
    assert set(arguments) == {"at"}
    assert len(arguments["at"]) <= 12


def test_the_small_model_answers_in_the_form_that_was_asked_for(real):
    reply = real.chat.completions.create(
        model="smollm2-135m",
        messages=[{"role": "user", "content": "A colour and a number."}],
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        temperature=0,
        max_tokens=60,
    )
    assert reply.choices[0].finish_reason == "stop"
    answer = json.loads(reply.choices[0].message.content)
    assert answer["colour"] in ("red", "green")
    assert 0 <= answer["number"] <= 9


def test_a_schema_that_cannot_be_held_to_is_refused_by_name(real):
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}
    with pytest.raises(openai.APIStatusError, match='"not"'):
        real.chat.completions.create(model="smollm2-135m", messages=ASK, response_format=wanted)
