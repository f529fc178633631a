"""Ollama's chat and generate requests: their fields, and what they mean to the engine.

Does not know how answers are sent. Invariant: what is asked for and cannot be done is refused by the
field's name before anything is queued.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from nexus.core.errors import InvalidInputError
from nexus.cortex.assembler import Turn
from nexus.engine.base import ChatMessage, ChatRequest, Tool, ToolCall
from nexus.engine.completion import CompletionRequest
from nexus.service.answer import Question
from nexus.service.api.ollama_fields import Body, Fields, plain_name
from nexus.service.api.ollama_options import Options

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


class CalledFunction(Fields):
    """What was called, with its arguments as an object."""

    name: str = Field(min_length=1)
    arguments: dict[str, Any] | None = None


class Call(Fields):
    """A tool call of an earlier answer; not every client keeps the id."""

    id: str | None = None
    function: CalledFunction


class Message(Fields):
    """One message. `thinking` of earlier answers is not read by the model again, as is usual."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    images: list[Any] | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class Function(Fields):
    """What the model may call."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OfferedTool(Fields):
    """A tool; only functions can be offered."""

    type: Literal["function"] = "function"
    function: Function


class Asked(Body):
    """What chat and generate have in common. `keep_alive` is accepted: the model stays loaded."""

    model: str = Field(min_length=1, max_length=300)
    stream: bool | None = None
    format: Literal["", "json"] | dict[str, Any] | None = None
    options: Options | None = None
    think: bool | str | None = None
    keep_alive: float | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None

    @property
    def name(self) -> str:
        """The model's name as this house writes it."""
        return plain_name(self.model)

    @property
    def streamed(self) -> bool:
        """Whether the answer is sent line by line, which is what happens if nothing is said."""
        return self.stream is not False

    @property
    def settings(self) -> Options:
        """The options, the defaults where there are none."""
        return self.options or Options()

    def check(self) -> None:
        """Raise `InvalidInputError` for what cannot be done."""
        self.settings.check()
        if self.logprobs or self.top_logprobs:
            raise InvalidInputError("logprobs is not supported", hint="leave it out")

    def schema_of(self) -> dict[str, Any] | None:
        """What the answer is held to."""
        if not isinstance(self.format, dict):
            return {"type": "object"} if self.format == "json" else None
        return self.format


class ChatBody(Asked):
    """`POST /api/chat`. Without messages it only asks for the model to be loaded."""

    messages: list[Message] | None = Field(default=None, max_length=2000)
    tools: list[OfferedTool] | None = None

    def check(self) -> None:
        super().check()
        for message in self.messages or ():
            if message.images:
                raise _no_images()

    def turns(self) -> list[ChatMessage]:
        """The messages as the engine has them; each result of a tool is given to its call."""
        found: list[ChatMessage] = []
        waiting: list[ToolCall] = []
        for number, message in enumerate(self.messages or ()):
            calls = [
                _call(call, f"call_{number}_{place}") for place, call in enumerate(message.tool_calls or ())
            ]
            answered = _answered(message, waiting) if message.role == "tool" else ""
            waiting += calls
            found.append(ChatMessage(message.role, message.content or "", calls, answered))
        return found

    def offered(self) -> tuple[Tool, ...]:
        """The tools as the engine has them."""
        return tuple(_tool(tool.function) for tool in self.tools or ())


class GenerateBody(Asked):
    """`POST /api/generate`. Without a prompt it only asks for the model to be loaded."""

    prompt: str | None = None
    system: str | None = None
    suffix: str | None = None
    template: str | None = None
    raw: bool | None = None
    context: list[int] | None = None
    images: list[Any] | None = None

    def check(self) -> None:
        super().check()
        if self.images:
            raise _no_images()
        instead = {
            "template": "the model's own chat template is used; leave it out, or send the whole text as raw",
            "context": "send the earlier messages to /api/chat",
        }
        for name, hint in instead.items():
            if getattr(self, name):
                raise InvalidInputError(f"{name} is not supported", hint=hint)
        for name in ("system", "format") if self.plain else ():
            if getattr(self, name):
                raise InvalidInputError(
                    f"{name} cannot be used with {'raw' if self.raw else 'suffix'}", hint="leave one out"
                )

    @property
    def plain(self) -> bool:
        """Whether the text is continued as it stands, or up to its suffix, without the chat template."""
        return bool(self.raw or self.suffix)

    def turns(self) -> list[ChatMessage]:
        """The system's words and the prompt as the engine has them."""
        first = [ChatMessage("system", self.system)] if self.system else []
        return [*first, ChatMessage("user", self.prompt or "")]


def request_of(body: ChatBody | GenerateBody, reply_tokens: int) -> ChatRequest | CompletionRequest:
    """What the engine is asked. `reply_tokens` where the client does not say how many. Raises as `check`."""
    body.check()
    if isinstance(body, GenerateBody) and body.plain:
        return CompletionRequest(
            prompt=body.prompt or "",
            suffix=body.suffix or None,
            max_tokens=body.settings.length(reply_tokens),
            **body.settings.sampling(),
        )
    return ChatRequest(
        messages=tuple(body.turns()),
        max_tokens=body.settings.length(reply_tokens),
        tools=body.offered() if isinstance(body, ChatBody) else (),
        schema=body.schema_of(),
        **body.settings.sampling(),
    )


def question_of(body: ChatBody | GenerateBody, name: str, other: str) -> Question:
    """The last message as a question to the model with memory, called `name`; `other` has none."""
    body.check()
    talk = body.turns()
    unsupported = {
        "tools": isinstance(body, ChatBody) and bool(body.tools),
        "raw or suffix": isinstance(body, GenerateBody) and body.plain,
        "format": body.schema_of() is not None,
        "messages of role 'tool'": any(m.role == "tool" or m.tool_calls for m in talk),
        **{f"options.{option}": True for option in body.settings.beyond_memory()},
    }
    for what, asked in unsupported.items():
        if asked:
            raise InvalidInputError(
                f"{what} cannot be used with the model {name!r}, which answers in words from memory",
                hint=f"ask the model {other!r}",
            )
    *earlier, last = talk
    if last.role != "user":
        raise InvalidInputError(f"the last message is of role {last.role!r}", hint="end with the user's")
    turns = tuple(Turn(m.role, m.content) for m in earlier if m.role == "user" or m.role == "assistant")
    length = body.settings.num_predict
    return Question(
        last.content, turns, length if length and length > 0 else None, body.settings.temperature or 0.0
    )


def _no_images() -> InvalidInputError:
    return InvalidInputError("images: this model cannot see", hint="say in words what is in them")


def _tool(function: Function) -> Tool:
    parameters = function.parameters or _NO_PARAMETERS
    return Tool(function.name, function.description or "", parameters)


def _call(call: Call, otherwise: str) -> ToolCall:
    arguments = json.dumps(call.function.arguments or {}, ensure_ascii=False)
    return ToolCall(call.id or otherwise, call.function.name, arguments)


def _answered(message: Message, waiting: list[ToolCall]) -> str:
    """Which call a tool's message answers: by its id, else by its name, else the first that waits."""
    wanted = message.tool_call_id
    for call in waiting:
        known = call.id == wanted if wanted else message.tool_name in (None, "", call.name)
        if known:
            waiting.remove(call)
            return call.id
    said = wanted or message.tool_name or "without a name"
    raise InvalidInputError(
        f"a message of role 'tool' ({said}) answers no call that was made before it",
        hint="send the assistant's message with its tool_calls, too",
    )
