"""What a Responses request means to the engine, and what of it is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from nexus.core.errors import InvalidInputError
from nexus.engine.base import ChatMessage, ToolCall, ToolChoice
from nexus.service.api.fields import unknown
from nexus.service.api.responses_body import ResponsesBody, asked_of

LOOK = {"type": "function", "name": "look", "description": "Look.", "parameters": {"type": "object"}}
CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": "sea"}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "blue"}


def message(role, *texts, kind="input_text"):
    content = [{"type": kind, "text": text} for text in texts]
    return {"type": "message", "role": role, "content": content}


def asked(reply_tokens=100, **fields):
    body = ResponsesBody.model_validate({"model": "m", "input": "hi", **fields})
    return asked_of(body, reply_tokens)


def chat(*items, **fields):
    return list(asked(input=list(items), **fields).chat.messages)


def test_a_text_is_what_the_user_says():
    assert asked(instructions="Be brief.").chat.messages == (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "hi"),
    )


def test_a_session_of_codex():
    said = chat(
        message("developer", "You are Codex."),
        message("developer", "Skills."),
        message("user", "<environment/>"),
        message("user", "Look at the sea."),
        {"type": "reasoning", "summary": [], "encrypted_content": "x"},
        message("assistant", "I look.", kind="output_text"),
        CALL,
        OUTPUT,
        message("developer", "Be careful."),
        instructions="Base.",
    )
    assert said == [
        ChatMessage("system", "Base.\n\nYou are Codex.\n\nSkills."),
        ChatMessage("user", "<environment/>\n\nLook at the sea."),
        ChatMessage("assistant", "I look.", (ToolCall("c1", "look", '{"at": "sea"}'),)),
        ChatMessage("tool", "blue", (), "c1"),
        ChatMessage("user", "<developer>\nBe careful.\n</developer>"),
    ]


def test_thoughts_and_foreign_tools_are_left_out_and_told():
    found = asked(
        input=[message("user", "x"), {"type": "reasoning"}, {"type": "reasoning"}],
        tools=[
            LOOK,
            {"type": "web_search"},
            {"type": "namespace", "tools": []},
            {"type": "custom", "name": "p"},
        ],
    )
    assert found.left_out == {
        "tools": {"web_search": 1, "namespace": 1, "custom": 1},
        "items": {"reasoning": 2},
    }
    assert found.names == ("tools.web_search", "tools.namespace", "tools.custom", "items.reasoning")
    assert [tool.name for tool in found.chat.tools] == ["look"]


def test_a_call_of_a_tool_with_plain_input_keeps_its_text():
    patch = {"type": "custom_tool_call", "call_id": "p", "name": "apply_patch", "input": '*** "x"\n'}
    done = {
        "type": "custom_tool_call_output",
        "call_id": "p",
        "output": [{"type": "input_text", "text": "ok"}],
    }
    _, call, result = chat(message("user", "x"), patch, done)
    assert json.loads(call.tool_calls[0].arguments) == {"input": '*** "x"\n'}
    assert (result.role, result.content, result.tool_call_id) == ("tool", "ok", "p")


def test_an_image_is_named_in_a_result_and_refused_in_a_question():
    shown = {**OUTPUT, "output": [{"type": "input_image", "image_url": "data:"}]}
    assert "cannot see" in chat(message("user", "x"), CALL, shown)[-1].content
    with pytest.raises(InvalidInputError, match=r"input\.0\.content\.0.*images"):
        chat({"role": "user", "content": [{"type": "input_image"}]})


def test_tools_and_their_choice():
    found = asked(tools=[LOOK, {**LOOK, "name": "hear", "parameters": None, "strict": True}]).chat
    assert found.temperature == 0.2
    assert found.max_tokens == 4096, "half a call is none"
    assert found.tools[1].parameters == {"type": "object", "properties": {}}
    assert asked(tools=[LOOK], max_output_tokens=5, temperature=1).chat.max_tokens == 5
    assert asked().chat.max_tokens == 100
    one = {"type": "function", "name": "look"}
    assert asked(tools=[LOOK], tool_choice=one).chat.tool_choice == ToolChoice("required", "look")
    assert asked(tools=[LOOK], tool_choice="none").chat.tool_choice == ToolChoice("none")
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [one]}
    found = asked(tools=[LOOK, {**LOOK, "name": "hear"}], tool_choice=allowed).chat
    assert ([tool.name for tool in found.tools], found.tool_choice.mode) == (["look"], "required")


def test_the_form_of_the_answer():
    schema = {"type": "object"}
    wanted = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    assert asked(text=wanted).chat.schema == schema
    assert asked(text={"format": {"type": "text"}, "verbosity": "low"}).chat.schema is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id.*whole conversation"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"input": []}, "holds no message"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0.*item_reference"),
        ({"input": [{"role": "robot", "content": "x"}]}, "robot"),
        ({"input": [{"role": "user", "content": 3}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input_file"),
        ({"input": [{**CALL, "arguments": "{"}]}, "c1"),
        ({"input": [{**CALL, "arguments": {}}]}, "input.0.arguments"),
        ({"input": [{**OUTPUT, "call_id": None}]}, "input.0.call_id"),
        ({"input": "\ud800"}, "unicode"),
        ({"instructions": "\udfff"}, "unicode"),
        ({"tools": [{"name": "x"}]}, "tools.0 has no type"),
        ({"tools": [{**LOOK, "name": ""}]}, "tools.0 has no name"),
        ({"tools": [{**LOOK, "parameters": []}]}, "tools.0.parameters"),
        ({"tools": [{**LOOK, "parameters": {"x": float("nan")}}]}, "number that is none"),
        ({"tools": [{**LOOK, "parameters": {"x": "\ud800"}}]}, "unicode"),
        ({"tools": [LOOK, LOOK]}, "two tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "maybe"}, "maybe"),
        ({"tool_choice": {"type": "web_search"}}, "web_search"),
        ({"tools": [LOOK], "tool_choice": {"type": "function", "name": "hear"}}, "hear"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "no schema"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(change, words):
    with pytest.raises((InvalidInputError, ValidationError), match=f"(?s){words}"):
        asked(**change)


def test_unknown_fields_are_told_with_their_place():
    body = ResponsesBody.model_validate(
        {"model": "m", "input": "x", "store": True, "text": {"verbosity": "low"}, "q" * 99: 1, "ü": 2}
    )
    assert sorted(unknown(body)) == ["other", "other", "store", "text.verbosity"]
