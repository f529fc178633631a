"""OpenAI's Responses request in the words of `nexus.engine.base`: what Codex sends.

Does not know the model, nor how answers are sent. Invariant: every text of a request is in the chat that
comes out, once, or the request is refused; what is left out (thoughts of other models, tools that the
provider would run) is told by name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from nexus.core.errors import InvalidInputError
from nexus.engine.base import ChatRequest, Tool, ToolChoice
from nexus.service.api.fields import Body
from nexus.service.api.responses_input import chat_of
from nexus.service.api.sound import sound, sound_json

# The temperature where a client that offers tools names none: at the usual one a small model soon writes
# its calls in a form that is none.
_WITH_TOOLS = 0.2
# Where a client that offers tools names no length: half a call is none.
_ROOM_FOR_CALLS = 4096
# What only a service that keeps conversations can do, and the remedy.
_KEPT = "send the whole conversation as input: nothing is kept between requests"
_REFUSED = {
    "previous_response_id": _KEPT,
    "conversation": _KEPT,
    "background": "wait for the answer, or stream it",
    "prompt": "send instructions and input: no prompts are kept",
    "top_logprobs": "leave it out",
}


class TextFormat(Body):
    """What the answer looks like."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class TextOptions(Body):
    """`text`: the form of the answer."""

    format: TextFormat | None = None


class InputBody(Body):
    """`POST /v1/responses/input_tokens`; unknown fields are accepted and counted."""

    model: str
    input: str | list[dict[str, Any]] = Field(max_length=1 << 26)
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = Field(default=None, max_length=10_000)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None


class ResponsesBody(InputBody):
    """`POST /v1/responses`; unknown fields are accepted and counted."""

    stream: bool | None = None
    metadata: dict[str, Any] | None = None
    max_output_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    background: bool | None = None
    prompt: dict[str, Any] | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and what of it was left out: tools and items by kind, with how many there were."""

    chat: ChatRequest
    tools: dict[str, int]
    items: dict[str, int]

    @property
    def left_out(self) -> dict[str, dict[str, int]]:
        """For the reply; empty where nothing was."""
        return {name: kinds for name in ("tools", "items") if (kinds := getattr(self, name))}

    @property
    def names(self) -> tuple[str, ...]:
        """The same as names of fields, to be counted."""
        return tuple(f"{field}.{kind}" for field, kinds in self.left_out.items() for kind in kinds)


def asked_of(body: InputBody, reply_tokens: int) -> Asked:
    """The chat that is asked for. `reply_tokens` where the client does not say how many.

    Raises `InvalidInputError` naming the field that cannot be served.
    """
    for name, remedy in _REFUSED.items():
        if getattr(body, name, None):
            raise InvalidInputError(f"{name} is not served here", hint=remedy)
    messages, items = chat_of(body.instructions, body.input)
    tools, other = tools_of(body.tools or [])
    tools, choice = _chosen(tools, body.tool_choice)
    sampling: dict[str, Any] = {}
    if isinstance(body, ResponsesBody):
        sampling = body.model_dump(include={"temperature", "top_p"}, exclude_none=True)
        most = max(reply_tokens, _ROOM_FOR_CALLS) if tools else reply_tokens
        sampling["max_tokens"] = body.max_output_tokens or most
    if tools:
        sampling.setdefault("temperature", _WITH_TOOLS)
    chat = ChatRequest(
        messages=messages, tools=tools, tool_choice=choice, schema=_schema_of(body.text), **sampling
    )
    return Asked(chat, other, items)


def tools_of(tools: list[dict[str, Any]]) -> tuple[tuple[Tool, ...], dict[str, int]]:
    """The functions, and how many tools of other kinds there are.

    Those are run by the provider's servers (web_search) or written in grammars of their own (custom,
    namespace): a small model is better off without them than with words that nobody understands.
    """
    offered, other = [], Counter[str]()
    for number, tool in enumerate(tools):
        where, kind = f"tools.{number}", tool.get("type")
        if not isinstance(kind, str):
            raise InvalidInputError(f"{where} has no type", hint="send type: function")
        if kind != "function":
            other[kind] += 1
            continue
        name, about, schema = tool.get("name"), tool.get("description") or "", tool.get("parameters")
        if not isinstance(name, str) or not name or not isinstance(about, str):
            raise InvalidInputError(f"{where} has no name", hint="send name, description and parameters")
        if not isinstance(schema, dict | None):
            raise InvalidInputError(f"{where}.parameters is no object", hint="send a JSON schema")
        sound_json(schema, f"{where}.parameters")
        schema = schema or {"type": "object", "properties": {}}
        offered.append(Tool(sound(name, f"{where}.name"), sound(about, f"{where}.description"), schema))
    return tuple(offered), dict(other)


def _chosen(
    tools: tuple[Tool, ...], choice: str | dict[str, Any] | None
) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools that may be called, and whether one must be."""
    wanted = ToolChoice()
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("tools")
        names = [t.get("name") for t in allowed if isinstance(t, dict)] if isinstance(allowed, list) else []
        tools = tuple(tool for tool in tools if tool.name in names)
        choice = choice.get("mode") or "auto"
    if isinstance(choice, dict):
        name = choice.get("name")
        if choice.get("type") != "function" or not isinstance(name, str) or not name:
            raise InvalidInputError(
                f"tool_choice.type is {str(choice.get('type'))[:80]!r}",
                hint="use auto, none, required, or name a function",
            )
        wanted = ToolChoice("required", name)
    elif choice in ("none", "required"):
        wanted = ToolChoice("none" if choice == "none" else "required")
    elif choice not in (None, "auto"):
        raise InvalidInputError(f"tool_choice is {str(choice)[:80]!r}", hint="use auto, none or required")
    if wanted.mode == "required" and not tools:
        raise InvalidInputError("tool_choice demands a call and there are no tools", hint="send functions")
    return tools, wanted


def _schema_of(text: TextOptions | None) -> dict[str, Any] | None:
    wanted = text.format if text else None
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.schema_ is None:
        raise InvalidInputError("text.format has no schema", hint="send a JSON schema as text.format.schema")
    sound_json(wanted.schema_, "text.format.schema")
    return wanted.schema_
