"""Answers held to a schema: what fits can be written to its end, what does not cannot be begun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.core.errors import EngineError, InvalidInputError
from nexus.engine.base import Tool, ToolCall, ToolChoice
from nexus.engine.local.constraint import Grammar, Grammars
from nexus.engine.local.tools import ToolText

_engine = pytest.importorskip("nexus._engine", reason="the native engine is not built")
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "likes": {"type": "array", "items": {"enum": ["tea", "coffee"]}, "maxItems": 3},
    },
    "required": ["name", "age", "likes"],
    "additionalProperties": False,
}
REQUIRED = ToolChoice("required")


def tool(name: str, **properties: Any) -> Tool:
    schema = {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }
    return Tool(name, "", schema)


LOOK = tool("look", at={"type": "string"})
ADD = tool("add", a={"type": "number"}, b={"type": "number"})


@pytest.fixture(scope="module")
def tokenizer(smollm2_path: Path) -> Any:
    return _engine.Model(str(smollm2_path), 1).tokenizer


@pytest.fixture(scope="module")
def grammars(tokenizer: Any) -> Grammars:
    return Grammars(tokenizer)


def allowed(grammar: Grammar, token: int) -> bool:
    return bool(grammar.mask()[token // 32] >> np.uint32(token % 32) & 1)


def writes(tokenizer: Any, grammar: Grammar, text: str) -> bool:
    """Whether every token of `text` is allowed in its turn, and the answer may end there."""
    for token in map(int, tokenizer.encode(text)):
        if not allowed(grammar, token):
            return False
        grammar.accept(token)
    return grammar.finished or allowed(grammar, tokenizer.eos)


@given(
    st.fixed_dictionaries(
        {
            "name": st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20),
            "age": st.integers(0, 150),
            "likes": st.lists(st.sampled_from(["tea", "coffee"]), max_size=3),
        }
    ),
    st.sampled_from([None, 1, 4]),
)
def test_whatever_fits_can_be_written(
    tokenizer: Any, grammars: Grammars, value: dict[str, Any], indent: int | None
) -> None:
    in_order = {name: value[name] for name in PERSON["properties"]}
    text = json.dumps(in_order, ensure_ascii=False, indent=indent)
    pieces = [tokenizer.piece(int(token)) for token in tokenizer.encode(text)]
    assume(b"".join(pieces) == text.encode())  # this vocabulary does not have every byte
    assert writes(tokenizer, grammars.json_schema(PERSON), text)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "x", "age": -1, "likes": []}',
        '{"name": "x", "age": 151, "likes": []}',
        '{"name": "x", "age": 1.5, "likes": []}',
        '{"name": "x", "age": 1, "likes": ["beer"]}',
        '{"name": "x", "age": 1}',
        '{"name": "x", "age": 1, "likes": [], "more": 1}',
        "Sure",
        '{"name": "x", "age": 1, "likes": []} and more',
        " " * 40 + "{}",
    ],
)
def test_what_does_not_fit_cannot_be_written(tokenizer: Any, grammars: Grammars, text: str) -> None:
    assert not writes(tokenizer, grammars.json_schema(PERSON), text)


def test_nothing_follows_a_whole_answer(tokenizer: Any, grammars: Grammars) -> None:
    grammar = grammars.json_schema({"type": "object", "properties": {}, "additionalProperties": False})
    assert not grammar.finished
    assert writes(tokenizer, grammar, "{}")
    assert grammar.finished


def test_control_tokens_are_never_allowed_inside(tokenizer: Any, grammars: Grammars) -> None:
    grammar = grammars.json_schema({"type": "string"})
    grammar.accept(int(tokenizer.encode('"')[0]))
    control = [token for token in range(tokenizer.size) if tokenizer.is_control(token)]
    assert control
    assert not any(allowed(grammar, token) for token in control)


@pytest.mark.parametrize("tool_format", ["hermes", "llama3", "mistral", "json"])
def test_a_call_that_is_demanded_is_one_that_is_read(
    tokenizer: Any, grammars: Grammars, tool_format: str
) -> None:
    key = "parameters" if tool_format == "llama3" else "arguments"
    call = f'{{"name": "add", "{key}": {{"a": 1, "b": 2.5}}}}'
    text = {"hermes": f"<tool_call>\n{call}\n</tool_call>", "mistral": f"[{call}]"}.get(tool_format, call)
    assert writes(tokenizer, grammars.tool_call([LOOK, ADD], REQUIRED, tool_format), text)
    reader = ToolText(tool_format, ["look", "add"])
    (found,) = [*reader.push(text), *reader.flush()]
    assert isinstance(found, ToolCall)
    assert (found.name, json.loads(found.arguments)) == ("add", {"a": 1, "b": 2.5})


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (REQUIRED, "I would rather talk"),
        (REQUIRED, '{"name": "other", "arguments": {}}'),
        (REQUIRED, '{"name": "look", "arguments": {"at": 1}}'),
        (ToolChoice("required", "add"), '{"name": "look", "arguments": {"at": "x"}}'),
    ],
)
def test_nothing_but_a_fitting_call_can_be_written(
    tokenizer: Any, grammars: Grammars, choice: ToolChoice, text: str
) -> None:
    assert not writes(tokenizer, grammars.tool_call([LOOK, ADD], choice, "json"), text)


def test_references_inside_the_parameters_of_a_tool_are_followed(tokenizer: Any, grammars: Grammars) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/count"}},
        "required": ["n"],
        "$defs": {"count": {"type": "integer"}},
    }
    grammar = grammars.tool_call([LOOK, Tool("count", "", schema)], REQUIRED, "json")
    assert writes(tokenizer, grammar, '{"name": "count", "arguments": {"n": 3}}')


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"not": {"type": "string"}}, r'Unimplemented keys: \["not"\]'),
        ({"type": "strin"}, "strin"),
        ({"type": "string", "pattern": "(?=x)y"}, "look-ahead"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"$ref": "https://example.com/x.json"}, r"example\.com"),
    ],
)
def test_what_cannot_be_held_to_is_named(grammars: Grammars, schema: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=f"the schema: .*{said}") as caught:
        grammars.json_schema(schema)
    assert "start:" not in str(caught.value)
    bad = tool("bad", x=schema)
    with pytest.raises(InvalidInputError, match=f"the tool 'bad': .*{said}"):
        grammars.tool_call([LOOK, bad], REQUIRED, "hermes")


def test_where_tools_may_be_called_the_answer_fits_the_schema_or_is_a_call(
    tokenizer: Any, grammars: Grammars
) -> None:
    person = '{"name": "x", "age": 1, "likes": []}'
    call = '<tool_call>\n{"name": "look", "arguments": {"at": "x"}}\n</tool_call>'
    for text, fits in ((person, True), (call, True), ('{"name": "x"}', False), ("Sure", False)):
        assert writes(tokenizer, grammars.json_schema(PERSON, [LOOK, ADD], "hermes"), text) == fits
        assert writes(tokenizer, grammars.json_schema(PERSON), text) == (text == person)


ARGUMENTS = '"arguments": {"a": 1, "b": 2.5}'


@pytest.mark.parametrize(
    "text",
    [
        f'<tool_call>\n{{"name": "add", {ARGUMENTS}}}\n</tool_call>',
        f'```json\n{{\n  "name": "add",\n  {ARGUMENTS}\n}}\n```',
        f'{{"name": "add", {ARGUMENTS}}}',
        f'{{{{"name": "add", {ARGUMENTS}}}}}',
    ],
)
def test_a_call_that_was_offered_may_be_written_in_each_way_that_is_read(
    tokenizer: Any, grammars: Grammars, text: str
) -> None:
    grammar = grammars.offered([LOOK, ADD], "hermes")
    assert grammar
    assert writes(tokenizer, grammar, text)
    reader = ToolText("hermes", ["look", "add"])
    (found,) = [*reader.push(text), *reader.flush()]
    assert isinstance(found, ToolCall)
    assert (found.name, json.loads(found.arguments)) == ("add", {"a": 1, "b": 2.5})


@pytest.mark.parametrize(
    "text",
    [
        "Sure.",
        "<summary>done</summary>",
        "a < b, and <tools> are named <tool_call>",
        '{"name": "Ann", "age": 3}',
        '{"name": "add", "sum": 3}',
        '```json\n{"name": "Ann"}\n```',
        "```py\nx = {}\n```",
        "{{ user.name }}",
        "[1, 2]",
    ],
)
def test_what_is_no_call_is_written_as_it_would_be_without_tools(
    tokenizer: Any, grammars: Grammars, text: str
) -> None:
    grammar = grammars.offered([LOOK, ADD], "hermes")
    assert grammar
    assert writes(tokenizer, grammar, text)


@pytest.mark.parametrize(
    "text",
    [
        '<tools>\n  <function name="add"/>\n</tools>',
        '<tool_call>\n{"name": "other", "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": "add", "arguments": {"a": "one", "b": 2}}\n</tool_call>',
        '{"name": "add", "arguments": {"c": 1}}',
        "",
        " \n",
        '{{"name": "other", "arguments": {}}}',
        '```json\n{"name": "add", "arguments": [1, 2]}\n```',
    ],
)
def test_nothing_and_half_a_call_cannot_be_written(tokenizer: Any, grammars: Grammars, text: str) -> None:
    grammar = grammars.offered([LOOK, ADD], "hermes")
    assert grammar
    assert not writes(tokenizer, grammar, text)


def test_a_tool_that_cannot_be_held_to_its_schema_takes_any_object(
    tokenizer: Any, grammars: Grammars
) -> None:
    odd = Tool("odd.tool-1", "", {"type": "object", "properties": {"x": {"not": {"type": "string"}}}})
    call = '<tool_call>\n{"name": "odd.tool-1", "arguments": {"x": [1]}}\n</tool_call>'
    grammar = grammars.offered([LOOK, odd], "hermes")
    assert grammar
    assert writes(tokenizer, grammar, call)


def test_answers_to_the_same_tools_stand_in_grammars_of_their_own(tokenizer: Any, grammars: Grammars) -> None:
    call = '<tool_call>\n{"name": "look", "arguments": {"at": "x"}}\n</tool_call>'
    first, second = (grammars.offered([LOOK, ADD], "hermes") for _ in range(2))
    assert first
    assert second
    assert writes(tokenizer, first, "Sure.")
    assert writes(tokenizer, second, call)
    for number in range(20):  # however many there were in between
        other = grammars.offered([tool(f"tool_{number}", n={"const": number})], "hermes")
        assert other
        assert writes(tokenizer, other, f'{{"name": "tool_{number}", "arguments": {{"n": {number}}}}}')
    third = grammars.offered([LOOK, tool("add", a={"type": "string"})], "hermes")
    assert third
    assert writes(tokenizer, third, '{"name": "add", "arguments": {"a": "one"}}')


def test_formats_whose_marks_are_control_tokens_are_left_alone(grammars: Grammars) -> None:
    assert grammars.offered([LOOK], "mistral") is None
    assert grammars.offered([LOOK], "llama3") is None
    assert grammars.offered([], "hermes") is None


def test_a_demanded_call_needs_a_tool(grammars: Grammars) -> None:
    with pytest.raises(InvalidInputError, match="there is none"):
        grammars.tool_call([], REQUIRED, "json")


def test_a_token_that_was_not_allowed_is_an_error(tokenizer: Any, grammars: Grammars) -> None:
    grammar = grammars.json_schema(PERSON)
    with pytest.raises(EngineError, match="cannot be held"):
        grammar.accept(int(tokenizer.encode("x")[0]))
    with pytest.raises(EngineError, match="cannot be held"):
        grammar.mask()
