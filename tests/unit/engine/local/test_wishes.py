"""What a request asks for: taken as it is, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.core.errors import InvalidInputError
from nexus.engine.base import ToolChoice
from nexus.engine.local.wishes import Wishes, sampler

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_what_is_not_said_has_its_usual_value() -> None:
    wishes = Wishes.of({})
    assert (wishes.max_tokens, wishes.stops, wishes.tools, wishes.schema) == (512, (), (), None)
    assert wishes.choice == ToolChoice("none")
    sampler({})


def test_everything_that_can_be_said_is_taken() -> None:
    body: dict[str, Any] = {
        "max_tokens": 9.0,
        "stop": "end",
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}},
    }
    wishes = Wishes.of(body)
    assert (wishes.max_tokens, wishes.stops) == (9, ("end",))
    assert wishes.choice == ToolChoice("required", "look")
    assert [tool.name for tool in wishes.offered] == ["look"]
    assert wishes.schema == {"type": "array"}
    assert Wishes.of({"response_format": {"type": "json_object"}}).schema == {"type": "object"}
    assert Wishes.of({"response_format": {"type": "text"}}).schema is None
    assert Wishes.of({"tools": [TOOL], "tool_choice": "none"}).offered == ()
    assert Wishes.of({"tools": [TOOL]}).choice == ToolChoice("auto")
    sampler({"temperature": 0, "top_k": 40, "seed": -5, "min_p": 0.1, "presence_penalty": -1})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": "many"}, "max_tokens is 'many'"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stop": 7}, "stop"),
        ({"stop": ["a", 7]}, "stop"),
        ({"tools": {"name": "x"}}, "tools is a dict"),
        ({"tools": ["x"]}, "no function with a name"),
        ({"tools": [{"function": {"name": "x", "parameters": 3}}]}, "parameters of the tool 'x'"),
        ({"tool_choice": "always"}, "'always' is unknown"),
        ({"tool_choice": ["x"]}, "tool_choice"),
        ({"tool_choice": "required"}, "there is none"),
        ({"tools": [TOOL], "tool_choice": {"function": {"name": "leap"}}}, "'leap'"),
        ({"tools": [TOOL], "tool_choice": {"function": 3}}, "not among the tools"),
        ({"response_format": "xml"}, "response_format xml"),
        ({"response_format": {"type": "json_schema"}}, "no schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": 3}}}, "no schema"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(body: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        Wishes.of(body)


@pytest.mark.parametrize(
    "body",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"top_p": 2},
        {"top_k": -1},
        {"top_k": 2**40},
        {"top_k": float("inf")},
        {"min_p": 3},
        {"seed": "x"},
        {"repeat_penalty": -1},
    ],
)
def test_a_sampler_that_cannot_be_is_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(body))):
        sampler(body)
