"""The items of a Responses request as a chat.

Does not know models, nor the rest of the request. Invariants: every text is in the chat once, or the
request is refused by the place of its item; thoughts of models, which nobody else can read, are left out
and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.engine.base import ChatMessage, ToolCall
from nexus.service.api.conversation import BETWEEN, Conversation
from nexus.service.api.openai_body import check_arguments
from nexus.service.api.sound import sound, sound_json

Item = Mapping[str, Any]
_UNSEEN = "[an image, which this model cannot see]"
_TEXTS = ("input_text", "output_text", "text", "summary_text")


def chat_of(
    instructions: str | None, items: str | list[dict[str, Any]]
) -> tuple[tuple[ChatMessage, ...], dict[str, int]]:
    """The messages, and how many items of which kind were left out.

    What the client's harness says before anybody else belongs to the system prompt; what it says later is
    marked as its words within the user's, because few chat templates know a system message there.
    """
    first = [sound(instructions, "instructions")] if instructions else []
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    chat, left_out, begun = Conversation(), Counter[str](), False
    for number, item in enumerate(items):
        where, kind = f"input.{number}", item.get("type", "message")
        if kind == "message":
            role, text = item.get("role"), _content(item.get("content"), f"{where}.content")
            if role in ("system", "developer") and not begun:
                first.append(text)
            elif role in ("system", "developer"):
                chat.say("user", f"<developer>\n{text}\n</developer>")
            elif role == "user" or role == "assistant":
                begun = True
                chat.say("user" if role == "user" else "assistant", text)
            else:
                raise InvalidInputError(
                    f"{where}.role is {str(role)[:80]!r}", hint="use system, developer, user or assistant"
                )
        elif kind in ("function_call", "custom_tool_call"):
            begun = True
            chat.call(_call(item, where))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            begun = True
            output = _content(item.get("output"), f"{where}.output", images=True)
            chat.result(_text(item, "call_id", where), output)
        elif kind == "reasoning":
            left_out["reasoning"] += 1
        else:
            raise InvalidInputError(
                f"{where}: an item of type {str(kind)[:80]!r} cannot be read by this model",
                hint="send messages, function calls and their outputs",
            )
    messages = tuple(chat.messages())
    if not messages:
        raise InvalidInputError("input holds no message", hint="send what the user says")
    system = [ChatMessage("system", BETWEEN.join(first), blocks=first)] if first else []
    return (*system, *messages), dict(left_out)


def _call(item: Item, where: str) -> ToolCall:
    if item.get("type") == "custom_tool_call":
        # A tool whose input is plain text, from an earlier model: as a function with one argument.
        arguments = sound_json({"input": _text(item, "input", where)}, where)
    else:
        arguments = _text(item, "arguments", where)
    call = ToolCall(_text(item, "call_id", where), _text(item, "name", where), arguments)
    check_arguments(call)
    return call


def _content(content: Any, where: str, *, images: bool = False) -> str:
    """The text of a message or of a tool's output. `images` are named to the model instead of refused."""
    return BETWEEN.join(_texts(content, where, images))


def _texts(content: Any, where: str, images: bool) -> Iterator[str]:
    if isinstance(content, str):
        yield sound(content, where)
        return
    if not isinstance(content, list):
        raise InvalidInputError(f"{where} is no text", hint="send a string or a list of parts")
    for number, part in enumerate(content):
        place = f"{where}.{number}"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXTS:
            yield _text(part, "text", place)
        elif kind == "refusal":
            yield _text(part, "refusal", place)
        elif kind == "input_image" and images:
            yield _UNSEEN
        elif kind == "input_image":
            raise InvalidInputError(
                f"{place}: this model cannot see images", hint="say in words what is in it, or leave it out"
            )
        else:
            raise InvalidInputError(
                f"{place}: content of type {str(kind)[:80]!r} is not supported", hint="send input_text"
            )


def _text(item: Item, key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise InvalidInputError(f"{where}.{key} is no text", hint="send a string")
    return sound(value, f"{where}.{key}")
