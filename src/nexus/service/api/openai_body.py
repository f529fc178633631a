"""OpenAI's chat request: its fields, and what they mean to the engine.

Does not know how answers are sent. Invariant: what is asked for and cannot be done is refused before
anything is queued.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.assembler import Turn
from nexus.engine.base import ChatMessage, ChatRequest, Role, Tool, ToolCall, ToolChoice
from nexus.service.answer import Question
from nexus.service.api.fields import Body
from nexus.service.api.sound import sound_json
from nexus.service.daemon import Daemon

WITH_MEMORY = "nexus"


class Part(Body):
    """A piece of a message's content."""

    type: str
    text: str = ""


class CalledFunction(Body):
    """What was called; `arguments` is JSON text."""

    name: str
    arguments: str = "{}"


class Call(Body):
    """A tool call of an earlier answer."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(Body):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str = ""

    def text(self) -> str:
        """The content as text. Raises `InvalidInputError` for images and the like."""
        if self.content is None and (self.role != "assistant" or not self.tool_calls):
            raise InvalidInputError(f"a message of role {self.role!r} has no content", hint="send text")
        if not isinstance(self.content, list):
            return self.content or ""
        for part in self.content:
            if part.type != "text":
                raise InvalidInputError(f"content of type {part.type!r} is not supported", hint="send text")
        return "".join(part.text for part in self.content)

    def plain(self) -> ChatMessage:
        """As the engine has it. Raises `InvalidInputError`."""
        role: Role = "system" if self.role == "developer" else self.role
        if role == "tool" and not self.tool_call_id:
            raise InvalidInputError(
                "a message of role 'tool' does not say which call it answers", hint="send its tool_call_id"
            )
        calls = [ToolCall(c.id, c.function.name, c.function.arguments) for c in self.tool_calls or ()]
        for call in calls:
            check_arguments(call)
        return ChatMessage(role, self.text(), calls, self.tool_call_id)


class Function(Body):
    """What the model may call."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OfferedTool(Body):
    """A tool; only functions can be offered."""

    type: Literal["function"]
    function: Function


class NamedFunction(Body):
    """The name alone."""

    name: str


class NamedTool(Body):
    """The one tool that has to be called."""

    type: Literal["function"]
    function: NamedFunction


class JsonSchema(Body):
    """The schema that the answer is held to."""

    name: str = ""
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class ResponseFormat(Body):
    """What the answer looks like."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(Body):
    """What the stream should hold besides text."""

    include_usage: bool = False


class ChatBody(Body):
    """`POST /v1/chat/completions`; unknown fields are accepted and counted."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=2000)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    presence_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    frequency_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    stop: str | list[str] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    n: int | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    @property
    def length(self) -> int | None:
        """Tokens of the answer, where the client says how many."""
        return self.max_completion_tokens or self.max_tokens


def request_of(body: ChatBody, reply_tokens: int) -> ChatRequest:
    """What the engine is asked. `reply_tokens` where the client does not say how many."""
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    choice = body.tool_choice or "auto"
    wanted = (
        ToolChoice("required", choice.function.name) if isinstance(choice, NamedTool) else ToolChoice(choice)
    )
    if wanted.mode == "required" and not body.tools:
        raise InvalidInputError("tool_choice demands a call and there are no tools", hint="send tools")
    return ChatRequest(
        messages=tuple(message.plain() for message in body.messages),
        max_tokens=body.length or reply_tokens,
        temperature=0.7 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        stop=tuple(stop),
        seed=body.seed,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        tools=tuple(_tool(tool.function) for tool in body.tools or ()),
        tool_choice=wanted,
        schema=_schema(body.response_format),
    )


def question_of(body: ChatBody, name: str, other: str) -> Question:
    """The last message as a question to the model with memory, called `name`; `other` has none."""
    unsupported = {
        "tools": bool(body.tools),
        "response_format": _schema(body.response_format) is not None,
        "messages of role 'tool'": any(m.role == "tool" or m.tool_calls for m in body.messages),
    }
    for what, asked in unsupported.items():
        if asked:
            raise InvalidInputError(
                f"{what} cannot be used with the model {name!r}, which answers in words from memory",
                hint=f"ask the model {other!r}",
            )
    *earlier, (role, prompt) = [(message.role, message.text()) for message in body.messages]
    if role != "user":
        raise InvalidInputError(f"the last message is of role {role!r}", hint="end with the user's")
    turns = tuple(Turn(r, text) for r, text in earlier if r == "user" or r == "assistant")
    return Question(prompt, turns, body.length, body.temperature or 0.0)


def _tool(function: Function) -> Tool:
    parameters = function.parameters or {"type": "object", "properties": {}}
    sound_json(parameters, f"the parameters of {function.name}")
    return Tool(function.name, function.description or "", parameters)


def _schema(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    schema = wanted.json_schema.schema_ if wanted.json_schema else None
    if schema is None:
        raise InvalidInputError("response_format has no schema", hint="send json_schema.schema")
    sound_json(schema, "the schema")
    return schema


def check_model(daemon: Daemon, name: str, *, memory_at: str = "") -> None:
    """Raise `NotFoundError` for a model that does not answer; `memory_at` says where the one with memory
    does, where it does not do so here."""
    own = daemon.engine.name
    if name == WITH_MEMORY and memory_at:
        raise InvalidInputError(
            f"the model {name!r}, which answers from memory, is not served here",
            hint=f"ask {memory_at} for it, or {own!r} here",
        )
    if name not in (own, WITH_MEMORY):
        known = own if memory_at else f"{WITH_MEMORY}, {own}"
        raise NotFoundError(f"no model {name!r}", hint=f"there are {known}")


def check_arguments(call: ToolCall) -> None:
    """Raise `InvalidInputError` where a call's arguments are no JSON object."""
    try:
        sound = isinstance(json.loads(call.arguments or "{}"), dict)
    except ValueError:
        sound = False
    if not sound:
        raise InvalidInputError(
            f"the arguments of the call {call.id} are not a JSON object: {call.arguments[:80]!r}",
            hint="send them back as the model wrote them",
        )
