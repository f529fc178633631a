"""Prompts as the model's own template writes them, whatever that template has words for."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from nexus.core.errors import InvalidInputError
from nexus.engine.local.template import DEFAULT, ChatTemplate

# As a model that was trained with tools has it.
ABLE = """
{%- if tools %}{{ '<S>' }}{% if messages[0].role == 'system' %}{{ messages[0].content + ' ' }}{% endif %}
{%- for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '</S>' }}
{%- elif messages[0].role == 'system' %}{{ '<S>' + messages[0].content + '</S>' }}{% endif %}
{%- for message in messages if message.role != 'system' %}
{{- '<' + message.role + '>' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '<call>' + call.function.name + ' ' + ARGUMENTS + '</call>' }}
{%- endfor %}{{ '</' + message.role + '>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"""
OBJECTS = ABLE.replace("ARGUMENTS", "call.function.arguments | tojson")
TEXTS = ABLE.replace("ARGUMENTS", "call.function.arguments")
SHORT_IDS = OBJECTS.replace(
    "{{- '<call>'",
    "{%- if call.id | length != 9 %}{{ raise_exception('nine letters') }}{% endif %}{{- call.id + '<call>'",
)
ONE_CALL = OBJECTS.replace(
    "{%- for call",
    "{%- if message.tool_calls and message.tool_calls | length != 1 %}"
    "{{ raise_exception('one at a time') }}{% endif %}\n{%- for call",
)
NO_SYSTEM = """
{%- for message in messages %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif %}
{{- '<' + message.role + '>' + message.content | trim }}
{%- endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"""
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look <at> é.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}


def call(*names: str, content: str | None = None) -> dict[str, Any]:
    calls = [
        {"id": name, "type": "function", "function": {"name": "look", "arguments": f'{{"at": "{name}"}}'}}
        for name in names
    ]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(name: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": name, "content": f"saw {name}"}


SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Look."}


def test_a_template_with_words_for_everything_is_left_to_itself() -> None:
    template = ChatTemplate(OBJECTS)
    written = template.render([SYSTEM, USER, call("a", "b", content="ok"), result("a"), result("b")], [TOOL])
    tool = (
        '{"type": "function", "function": {"name": "look", "description": "Look <at> é.",'
        ' "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}'
    )
    assert written == (
        f"<S>Be brief. {tool}</S><user>Look.</user>"
        '<assistant>ok<call>look {"at": "a"}</call><call>look {"at": "b"}</call></assistant>'
        "<tool>saw a</tool><tool>saw b</tool><assistant>"
    )


def test_the_answer_is_not_begun_where_that_is_not_wanted() -> None:
    assert ChatTemplate(OBJECTS).render([USER], add_generation_prompt=False) == "<user>Look.</user>"


def test_arguments_are_text_where_the_template_wants_text() -> None:
    written = ChatTemplate(TEXTS).render([USER, call("a"), result("a")], [TOOL])
    assert '<call>look {"at": "a"}</call>' in written


def test_long_identifiers_are_made_short_the_same_way_each_time() -> None:
    template = ChatTemplate(SHORT_IDS)
    written = template.render([USER, call("call_123"), result("call_123")], [TOOL])
    assert written == template.render([USER, call("call_123"), result("call_123")], [TOOL])
    assert "call_123<call>" not in written
    assert "abcdefg12<call>" in template.render([USER, call("abcdefg12"), result("abcdefg12")], [TOOL])


def test_calls_at_once_go_one_by_one_where_the_template_takes_one() -> None:
    written = ChatTemplate(ONE_CALL).render(
        [USER, call("a", "b", content="x"), result("b"), result("a"), USER], [TOOL]
    )
    assert written.endswith(
        '<assistant>x<call>look {"at": "a"}</call></assistant><tool>saw a</tool>'
        '<assistant><call>look {"at": "b"}</call></assistant><tool>saw b</tool>'
        "<user>Look.</user><assistant>"
    )


def test_what_a_template_has_no_words_for_is_said_in_words() -> None:
    template = ChatTemplate(DEFAULT)
    written = template.render([SYSTEM, USER, call("a", "b"), result("a"), result("b"), USER], [TOOL])
    assert template.tool_format == "json"
    assert written.startswith("<|im_start|>system\nBe brief.\n\nYou can call these functions")
    for words in ('"name": "look"', "Look <at> é.", '{"name": "look", "arguments": {"at": "a"}}'):
        assert words in written
    # Neighbours of one role are one message.
    assert "user\nResult of look:\nsaw a\n\nResult of look:\nsaw b\n\nLook.<|im_end|>" in written
    assert written.count("<|im_start|>user") == 2


def test_words_of_the_system_go_to_the_user_where_the_template_has_no_system() -> None:
    template = ChatTemplate(NO_SYSTEM)
    assert template.render([SYSTEM, USER]) == "<user>Be brief.\n\nLook.<assistant>"
    assert template.render([SYSTEM]) == "<user>Be brief.<assistant>"


def test_a_refusal_of_the_template_is_told_in_its_words() -> None:
    with pytest.raises(InvalidInputError, match="must alternate"):
        ChatTemplate(NO_SYSTEM).render([USER, USER])


def test_content_in_parts_null_content_and_developers_are_plain_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": parts},
        {"role": "user", "content": None},
    ]
    assert ChatTemplate(OBJECTS).render(messages) == "<S>ab</S><user></user><assistant>"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "robot", "content": "x"}, "'robot' is unknown"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "is not text"),
        ({"role": "user", "content": 7}, "7 is not text"),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, "no function with a name"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": "{"}}]},
            "arguments of a call of 'look' are not JSON",
        ),
    ],
)
def test_messages_that_are_none_are_refused(message: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        ChatTemplate(OBJECTS).render([message])


def test_a_template_that_counts_on_a_list_of_tools_gets_an_empty_one() -> None:
    source = "{% for tool in tools %}{{ tool.function.name }}{% endfor %}{{ messages[0].content }}"
    assert ChatTemplate(source).render([USER]) == "Look."


def test_the_marks_of_the_model_are_those_it_was_given() -> None:
    template = ChatTemplate("{{ bos_token + messages[-1].content + eos_token }}", bos="<s>", eos="</s>")
    assert template.render([USER]) == "<s>Look.</s>"


def test_that_a_model_has_no_template_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ChatTemplate(DEFAULT)
    assert "has no chat template" in caplog.text
