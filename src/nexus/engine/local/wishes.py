"""What a request in the words of the chat API asks for, checked.

Does not know models. Invariant: a value that cannot be used is refused by name; none is replaced.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from nexus.core.errors import InvalidInputError
from nexus.engine.base import Tool, ToolChoice, ToolMode

if TYPE_CHECKING:
    from nexus._engine import Sampler

_MOST_TOP_K = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request asks for beside its messages. `choice` is none where there are no tools."""

    max_tokens: int
    stops: tuple[str, ...]
    tools: tuple[Tool, ...]
    choice: ToolChoice
    schema: Mapping[str, Any] | None

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools that the model is told of."""
        return () if self.choice.mode == "none" else self.tools

    @property
    def held(self) -> bool:
        """Whether the answer is held to a grammar."""
        return self.choice.mode == "required" or self.schema is not None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Wishes:
        """Raises `InvalidInputError` naming the field."""
        max_tokens = _whole(body, "max_tokens", 512)
        if max_tokens < 1:
            raise InvalidInputError(f"max_tokens is {max_tokens}", hint="use 1 or more")
        stop = body.get("stop") or ()
        stops = (stop,) if isinstance(stop, str) else stop
        if not isinstance(stops, list | tuple) or not all(isinstance(text, str) for text in stops):
            raise InvalidInputError(f"stop is {str(stop)[:80]!r}", hint="send a text or a list of texts")
        tools = _tools(body)
        return cls(max_tokens, tuple(stops), tools, _tool_choice(body, tools), _schema(body))


def sampler(body: Mapping[str, Any]) -> Sampler:
    """How tokens are drawn. Raises `InvalidInputError` naming the field."""
    from nexus._engine import LimitError, Sampler

    top_k = _whole(body, "top_k", 0)
    if not 0 <= top_k <= _MOST_TOP_K:
        raise InvalidInputError(f"top_k is {top_k}", hint="use 1 or more, or 0 for all")
    seed = body.get("seed")
    try:
        return Sampler(
            temperature=_number(body, "temperature", 0.7),
            top_p=_number(body, "top_p", 0.95),
            top_k=top_k,
            min_p=_number(body, "min_p", 0.0),
            presence_penalty=_number(body, "presence_penalty", 0.0),
            frequency_penalty=_number(body, "frequency_penalty", 0.0),
            repeat_penalty=_number(body, "repeat_penalty", 1.0),
            seed=secrets.randbits(63) if seed is None else _whole(body, "seed", 0) % 2**63,
        )
    except LimitError as error:
        raise InvalidInputError(str(error)) from error


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind != "json_schema" or not isinstance(wanted, dict):
        raise InvalidInputError(
            f"response_format {str(wanted)[:80]} is unknown", hint="use text, json_object or json_schema"
        )
    named = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise InvalidInputError("response_format has no schema", hint="send json_schema.schema, an object")
    return schema


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    given = body.get("tools") or ()
    if not isinstance(given, list | tuple):
        raise InvalidInputError(f"tools is a {type(given).__name__}", hint="send a list")
    tools = []
    for each in given:
        function = each.get("function") if isinstance(each, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidInputError(f"a tool has no function with a name: {str(each)[:200]}")
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(parameters, dict):
            raise InvalidInputError(f"the parameters of the tool {function['name']!r} are no object")
        tools.append(Tool(function["name"], str(function.get("description") or ""), parameters))
    return tuple(tools)


def _tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> ToolChoice:
    given = body.get("tool_choice") or "auto"
    if isinstance(given, dict):
        function = given.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if name not in [tool.name for tool in tools]:
            raise InvalidInputError(
                f"tool_choice names {str(name)[:80]!r}, which is not among the tools",
                hint="name one of the tools, or use auto",
            )
        return ToolChoice("required", str(name))
    modes: tuple[ToolMode, ...] = get_args(ToolMode)
    for mode in modes:
        if given == mode:
            if mode == "required" and not tools:
                raise InvalidInputError("a tool has to be called and there is none", hint="send tools")
            return ToolChoice(mode if tools else "none")
    raise InvalidInputError(
        f"tool_choice {str(given)[:80]!r} is unknown", hint="use auto, none or required, or name a tool"
    )


def _number(body: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = body.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInputError(f"{name} is {str(value)[:80]!r}", hint="send a number")
    return float(value)


def _whole(body: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = body.get(name)
    if value is None:
        return otherwise
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{name} is {str(value)[:80]!r}", hint="send a whole number")
    return value
