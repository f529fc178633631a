"""Anthropic's messages, tools and choices in the words of `nexus.engine.base`.

Does not know the model, nor how answers are sent. Invariant: every text of a request is in the chat that
comes out, once, or the request is refused; left out are only what models have thought, cache marks, and
the client's billing line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from nexus.core.errors import InvalidInputError
from nexus.engine.base import ChatMessage, ChatRequest, Tool, ToolCall, ToolChoice
from nexus.service.api.conversation import BETWEEN, Conversation
from nexus.service.api.fields import Body
from nexus.service.api.sound import sound, sound_json

# Claude Code's first block of the system prompt: addressed to the provider, another one each session.
_BILLING = "x-anthropic-billing-header:"
_UNSEEN = "[an image, which this model cannot see]"
# The temperature where a client that offers tools names none, as Claude Code does: at the usual one a
# small model soon writes its calls in a form that is none.
WITH_TOOLS = 0.2
_THOUGHTS = ("thinking", "redacted_thinking")

Block = Mapping[str, Any]


class Message(Body):
    """One message. `system` within the conversation is what a client's harness says in between."""

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class CountBody(Body):
    """`POST /v1/messages/count_tokens`; unknown fields are accepted and counted."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=100_000)
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    mcp_servers: list[Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None


class MessagesBody(CountBody):
    """`POST /v1/messages`; unknown fields are accepted and counted."""

    max_tokens: int = Field(ge=1, le=2**31 - 1)
    stream: bool = False
    stop_sequences: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    top_k: int | None = Field(default=None, ge=0, le=2**31 - 1)
    thinking: dict[str, Any] | None = None

    @property
    def wants_thoughts(self) -> bool:
        """Whether what the model says to itself is to be shown; it does so or not by its own template."""
        wanted = self.thinking or {}
        return wanted.get("type") in ("enabled", "adaptive") and wanted.get("display") != "omitted"


def request_of(body: CountBody) -> ChatRequest:
    """The chat that is asked for, without its stop texts. Raises `InvalidInputError`."""
    if body.mcp_servers:
        raise InvalidInputError(
            "mcp_servers are not called from here", hint="let the client connect to them and send tools"
        )
    if body.messages[-1].role == "assistant":
        raise InvalidInputError(
            "the last message is the assistant's: continuing its words is not supported",
            hint="end with a message of the user",
        )
    sampling: dict[str, Any] = {}
    if isinstance(body, MessagesBody):
        sampling = body.model_dump(include={"max_tokens", "temperature", "top_p", "top_k"}, exclude_none=True)
    tools, choice = tools_of(body.tools or (), body.messages), choice_of(body.tool_choice)
    if choice.mode == "required" and not tools:
        raise InvalidInputError("tool_choice demands a tool and there is none", hint="send tools")
    if tools:
        sampling.setdefault("temperature", WITH_TOOLS)
    return ChatRequest(
        messages=chat_of(body.system, body.messages),
        tools=tools,
        tool_choice=choice,
        schema=_schema_of(body),
        **sampling,
    )


def chat_of(
    system: str | list[dict[str, Any]] | None, messages: Sequence[Message]
) -> tuple[ChatMessage, ...]:
    """The messages as chat templates know them. Raises `InvalidInputError` for what is not text.

    What the client's harness says before the model has said anything belongs to the system prompt: there
    it is the same in the next session, and the prompt can be read from the cache.
    """
    texts = [text for text in _texts(system or (), "system") if text and not text.startswith(_BILLING)]
    begun = False
    chat = Conversation()
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        begun = begun or message.role == "assistant"
        if message.role == "system":
            said = _texts(message.content, where)
            if begun:
                for text in said:
                    chat.say("user", f"<system-reminder>\n{text}\n</system-reminder>")
            else:
                texts.extend(said)
        elif message.role == "user":
            _hear(chat, message.content, where)
        else:
            _recount(chat, message.content, where)
    first = [ChatMessage("system", BETWEEN.join(texts), blocks=texts)] if texts else []
    return (*first, *chat.messages())


def tools_of(tools: Sequence[Block], messages: Sequence[Message] = ()) -> tuple[Tool, ...]:
    """The tools that the client runs. Raises `InvalidInputError` for those of the provider's servers.

    A tool whose loading is deferred is offered once a tool's result has named it.
    """
    named = {reference for message in messages for reference in _references(message.content)}
    offered = []
    for number, tool in enumerate(tools):
        where = f"tools.{number}"
        name = _text(tool, "name", where)
        kind = tool.get("type") or "custom"
        if kind != "custom":
            raise InvalidInputError(
                f"{where}: {name} ({kind}) is run by the provider's servers, which are not asked here",
                hint="send a tool with an input_schema that your client runs, for searching the web"
                " one of an MCP server",
            )
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise InvalidInputError(f"{where}: {name} has no input_schema", hint="send a JSON schema")
        if tool.get("defer_loading") and name not in named:
            continue
        about = _text(tool, "description", where) if tool.get("description") else ""
        sound_json(schema, f"{where}.input_schema")
        offered.append(Tool(name, about, schema))
    return tuple(offered)


def choice_of(choice: Block | None) -> ToolChoice:
    """Whether a tool may, must or must not be called."""
    kind = (choice or {}).get("type", "auto")
    if kind == "auto":
        return ToolChoice()
    if kind == "none":
        return ToolChoice("none")
    if kind == "any":
        return ToolChoice("required")
    if kind == "tool" and choice:
        return ToolChoice("required", _text(choice, "name", "tool_choice"))
    raise InvalidInputError(f"tool_choice.type is {kind!r}", hint="use auto, any, tool or none")


def _hear(chat: Conversation, content: str | list[dict[str, Any]], where: str) -> None:
    """What the user says, and what tools have answered."""
    for place, block in _blocks(content, where):
        if block["type"] == "tool_result":
            chat.result(_text(block, "tool_use_id", place), _result(block, place))
        else:
            chat.say("user", _readable(block, place))


def _recount(chat: Conversation, content: str | list[dict[str, Any]], where: str) -> None:
    """What the model has said. It may have been nothing but thoughts."""
    chat.open("assistant")
    for place, block in _blocks(content, where):
        if block["type"] == "tool_use":
            given = block.get("input")
            if not isinstance(given, dict):
                raise InvalidInputError(f"{place}.input is no object", hint="send the tool's arguments")
            call_id, name = _text(block, "id", place), _text(block, "name", place)
            chat.call(ToolCall(call_id, name, sound_json(given, f"{place}.input")))
        elif block["type"] not in _THOUGHTS:
            chat.say("assistant", _readable(block, place))


def _result(block: Block, where: str) -> str:
    """What a tool has answered, as text. An image is named: the model is told that it sees none."""
    said = []
    for place, part in _blocks(block.get("content") or "", f"{where}.content"):
        if part["type"] == "image":
            said.append(_UNSEEN)
        elif part["type"] == "tool_reference":
            said.append(f"The tool {_text(part, 'tool_name', place)} can be called now.")
        else:
            said.append(_readable(part, place))
    text = BETWEEN.join(said)
    return f"Error: {text}" if block.get("is_error") else text


def _readable(block: Block, where: str) -> str:
    """The text of a block. Raises `InvalidInputError` for one that has none."""
    kind = block["type"]
    if kind == "text":
        return _text(block, "text", where)
    if kind == "search_result":
        head = f"{_text(block, 'title', where)} ({_text(block, 'source', where)})"
        return BETWEEN.join([head, *_texts(block.get("content") or (), f"{where}.content")])
    if kind == "document":
        source = block.get("source")
        if isinstance(source, dict) and source.get("type") == "text":
            text = _text(source, "data", f"{where}.source")
        elif isinstance(source, dict) and source.get("type") == "content":
            text = BETWEEN.join(_texts(source.get("content") or (), f"{where}.source.content"))
        else:
            raise InvalidInputError(f"{where}: this document is not text", hint="send its text")
        title = block.get("title")
        return f"{_text(block, 'title', where)}{BETWEEN}{text}" if title else text
    if kind == "image":
        raise InvalidInputError(
            f"{where}: this model cannot see images", hint="say in words what is in it, or leave it out"
        )
    raise InvalidInputError(
        f"{where}: a block of type {kind!r} cannot be read by this model",
        hint="send text; a conversation that another provider's tools took part in has to be begun anew",
    )


def _texts(content: Any, where: str) -> list[str]:
    return [_readable(block, place) for place, block in _blocks(content, where)]


def _blocks(content: Any, where: str) -> Iterator[tuple[str, Block]]:
    """Each block with its place; a plain text is one block."""
    if isinstance(content, str):
        yield where, {"type": "text", "text": content}
        return
    for number, block in enumerate(content if isinstance(content, list | tuple) else [content]):
        place = f"{where}.{number}"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise InvalidInputError(f"{place} is no content block", hint="send an object with a type")
        yield place, block


def _references(content: str | list[dict[str, Any]]) -> Iterator[str]:
    """Names of deferred tools that a search for tools has found."""
    for block in content if isinstance(content, list) else ():
        if block.get("type") == "tool_result" and isinstance(block.get("content"), list):
            for part in block["content"]:
                if isinstance(part, dict) and part.get("type") == "tool_reference":
                    yield str(part.get("tool_name"))


def _text(block: Block, key: str, where: str) -> str:
    value = block.get(key)
    if not isinstance(value, str):
        raise InvalidInputError(f"{where}.{key} is no text", hint="send a string")
    return sound(value, f"{where}.{key}")


def _schema_of(body: CountBody) -> dict[str, Any] | None:
    wanted = (body.output_config or {}).get("format") or body.output_format
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise InvalidInputError("the output format is not a json_schema", hint="leave it out, or use that")
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        raise InvalidInputError("the output format has no schema", hint="send a JSON schema")
    sound_json(schema, "output_config.format.schema")
    return schema
