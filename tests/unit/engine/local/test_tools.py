"""Calls in streamed text: found however the text is cut, never shown by half, never lost."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.engine.base import ToolCall
from nexus.engine.local.tools import ToolText, format_of

NASTY = '{"text": "} ``` </tool_call> [TOOL_CALLS] \\" {"}'
CALL = f'{{"name": "say", "arguments": {NASTY}}}'
TAGGED = f"<tool_call>\n{CALL}\n</tool_call>"
SAID = ("say", NASTY)

# Format, text, and what comes out of it: texts, and (name, arguments) of calls.
ANSWERS = [
    ("hermes", TAGGED, [SAID]),
    ("hermes", f"Let me see.\n\n{TAGGED}", ["Let me see.", SAID]),
    ("hermes", f"{TAGGED}\n{TAGGED}\n", [SAID, SAID]),
    ("hermes", f"a{TAGGED}b", ["a", SAID, "b"]),
    ("hermes", f"<tool_call>\n{CALL}", [SAID]),
    ("hermes", f"```json\n{CALL}\n```", [SAID]),
    ("hermes", f"I call it:\n```json\n{CALL}\n```\n", ["I call it:", SAID]),
    ("hermes", CALL, [SAID]),
    ("hermes", f"\n{CALL}\n{CALL}", [SAID, SAID]),
    ("hermes", f"{CALL}\n</tool_call>", [SAID]),
    ("hermes", f"\n{{{CALL}}}\n", [SAID]),
    ("hermes", f"{{{CALL}", [SAID]),
    ("hermes", f"I run it:\n{CALL}\nThat says it.", ["I run it:", SAID, "That says it."]),
    ("hermes", f"I run it:\n\n  {CALL}", ["I run it:", SAID]),
    ("hermes", f"a\n{CALL}\n{CALL}\n", ["a", SAID, SAID]),
    ("hermes", '{"name": "SAY", "arguments": "{\\"a\\": 1}"}', [("say", '{"a": 1}')]),
    ("hermes", '{"function": {"name": "say", "arguments": {}}}', [("say", "{}")]),
    ("hermes", '<tool_call>{"name": "say"}</tool_call>', [("say", "{}")]),
    ("llama3", '{"name": "say", "parameters": {"a": 1}}', [("say", '{"a": 1}')]),
    ("llama3", f'<|python_tag|>{CALL}; {{"name": "look", "parameters": {{}}}}', [SAID, ("look", "{}")]),
    ("mistral", f"[TOOL_CALLS][{CALL}, {CALL}]", [SAID, SAID]),
    ("mistral", f"[TOOL_CALLS] say[ARGS]{NASTY}", [SAID]),
    ("mistral", f"[TOOL_CALLS]say{NASTY}[TOOL_CALLS]look{{}}", [SAID, ("look", "{}")]),
    ("mistral", f"[{CALL}]", [SAID]),
    ("json", CALL, [SAID]),
]
# Texts that only look like calls.
TEXTS = [
    ("hermes", "  no call, but space \n"),
    ("hermes", f"{CALL} and that was it"),
    ("hermes", '<tool_call>\n{"name": "say", "argum'),
    ("hermes", '<tool_call>\n{"name": "say", "arguments": {"a": }}\n</tool_call>\nmore'),
    ("hermes", '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>'),
    ("hermes", '<tool_call>{"name": "say", "arguments": [1]}</tool_call>'),
    ("hermes", "the <tool_call> tag, </tool_call> and a < b"),
    ("hermes", "<tool_c"),
    ("hermes", '{"title": "x", "name": "say"}'),
    ("hermes", '{"name": "Ann", "age": 3}'),
    ("hermes", "[1, 2]"),
    ("hermes", '{{"name": "unknown", "arguments": {}}}'),
    ("hermes", "{{ user.name }}"),
    ("hermes", f"see {{{CALL}}}"),
    ("hermes", f"see {CALL}\n"),
    ("hermes", f"see\n{CALL} and more"),
    ("hermes", 'see\n{"name": "Ann"}\n'),
    ("hermes", '```json\n{"x": 1}\n```\nand ```py\nx = {}\n```'),
    ("hermes", f"`{CALL}`"),
    ("llama3", "<|python_tag|>print({})"),
    ("mistral", "[TOOL_CALLS] say nothing"),
    ("mistral", "[TODO] [TOOL_"),
    ("json", "{"),
    ("json", "```"),
]


def read(tool_format: str, pieces: list[str]) -> list[str | tuple[str, str]]:
    """What comes out, neighbouring texts as one."""
    reader = ToolText(tool_format, ["say", "look"])
    came: list[str | ToolCall] = []
    for piece in pieces:
        came += reader.push(piece)
    came += reader.flush()
    out: list[str | tuple[str, str]] = []
    for part in came:
        if isinstance(part, ToolCall):
            assert part.id
            out.append((part.name, part.arguments))
        elif out and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return out


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(("tool_format", "text", "expected"), ANSWERS)
def test_calls_are_found_whole_and_letter_by_letter(
    tool_format: str, text: str, expected: list[str | tuple[str, str]]
) -> None:
    assert read(tool_format, [text]) == expected
    assert read(tool_format, list(text)) == expected


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 10_000), max_size=8))
def test_it_does_not_matter_how_the_text_is_cut(
    answer: tuple[str, str, list[str | tuple[str, str]]], places: list[int]
) -> None:
    tool_format, text, expected = answer
    assert read(tool_format, cut(text, places)) == expected


@given(st.sampled_from(TEXTS), st.lists(st.integers(0, 10_000), max_size=8))
def test_what_is_no_call_comes_back_unchanged(case: tuple[str, str], places: list[int]) -> None:
    tool_format, text = case
    assert read(tool_format, cut(text, places)) == [text]


@given(
    st.sampled_from(["hermes", "llama3", "mistral", "json"]),
    st.lists(
        st.sampled_from(
            ["<tool_call>", "</tool_call>", "```", "json\n", CALL, '{"name": "s', "{", "{{", "}",
             "[TOOL_CALLS]", "say", "[ARGS]", "<|python_tag|>", " ", "\n", "x", "[", ";", '"']
        ),
        max_size=12,
    ),
)  # fmt: skip
def test_nothing_is_lost_and_cuts_do_not_matter_for_any_text(tool_format: str, parts: list[str]) -> None:
    text = "".join(parts)
    whole = read(tool_format, [text])
    assert read(tool_format, list(text)) == whole
    if all(isinstance(part, str) for part in whole):
        assert "".join(part for part in whole if isinstance(part, str)) == text


def test_text_is_shown_at_once_and_a_call_never_by_half() -> None:
    reader = ToolText("hermes", ["say"])
    assert reader.push("Hello") == ["Hello"]
    assert reader.push(" <tool") == []
    assert reader.push("ing") == [" <tooling"]
    shown = [piece for letter in TAGGED[:-1] for piece in reader.push(letter)]
    assert shown == []
    (call,) = reader.push(">")
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == json.loads(NASTY)


def test_a_json_answer_is_not_held_back_to_its_end() -> None:
    reader = ToolText("hermes", ["say"])
    assert reader.push('{"na') == []
    assert "".join(map(str, reader.push('tion": 1, '))) == '{"nation": 1,'


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("... <tool_call>\n{...}\n</tool_call>", "hermes"),
        ("{{ '[TOOL_CALLS]' }}", "mistral"),
        ("{{ '<|python_tag|>' }}", "llama3"),
        ('{"name": function name, "parameters": dictionary', "llama3"),
        ("{{ message.content }}", "json"),
    ],
)
def test_the_format_is_read_from_the_template(source: str, found: str) -> None:
    assert format_of(source) == found
