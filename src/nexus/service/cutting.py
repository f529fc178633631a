"""A conversation cut into the pieces that AgentMem keeps (docs/formats/conversations.md).

A preface of system prompts and tools, then messages: of each first a head that says who speaks, then the
texts as they came, block by block, then the calls. Knows nothing of stores. Invariants: equal requests of two
interfaces give equal pieces; `read` gives back what was cut; nothing is left out but empty texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nexus.agentmem.unit_type import UnitType
from nexus.engine.base import ChatMessage, ChatRequest, Tool, ToolCall


class Cut(NamedTuple):
    """One piece: what it is, its text, and whether a message begins with it."""

    type: UnitType
    text: str
    starts: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A message as it was kept. Calls are the JSON objects that were cut, `call_id` of a tool's answer."""

    role: str
    texts: tuple[str, ...]
    calls: tuple[Any, ...] = ()
    call_id: str = ""


def preface(request: ChatRequest) -> list[Cut]:
    """What stands before the first message: system prompts, then tools."""
    first = []
    for message in request.messages:
        if message.role != "system":
            break
        first += [Cut(UnitType.SYSTEM_PROMPT, text) for text in _texts(message)]
    return first + [Cut(UnitType.TOOL_DEF, tool_text(tool)) for tool in request.tools]


def messages(request: ChatRequest) -> Iterator[list[Cut]]:
    """The messages behind the preface, each as its pieces."""
    begun = False
    for message in request.messages:
        begun = begun or message.role != "system"
        if begun:
            yield cut(message)


def reply(text: str, calls: Sequence[ToolCall]) -> list[Cut]:
    """The answer as the client will send it back; nothing for an empty one."""
    # Clients leave out blanks at the ends, which some interfaces refuse.
    text = text.strip()
    return cut(ChatMessage("assistant", text, tuple(calls))) if text or calls else []


def cut(message: ChatMessage) -> list[Cut]:
    """One message."""
    texts = [text.strip() for text in _texts(message)] if message.role == "assistant" else _texts(message)
    texts = [text for text in texts if text]
    head: dict[str, Any] = {"role": message.role, "texts": len(texts)}
    if message.tool_calls:
        head["calls"] = len(message.tool_calls)
    if message.tool_call_id:
        head["call_id"] = message.tool_call_id
    kind = {"tool": UnitType.TOOL_RESULT, "system": UnitType.SYSTEM_PROMPT}
    type_ = kind.get(message.role, UnitType.CONVERSATION)
    return [
        Cut(UnitType.CONVERSATION, canonical(head), starts=True),
        *(Cut(type_, text) for text in texts),
        *(Cut(UnitType.CONVERSATION, _call_text(call)) for call in message.tool_calls),
    ]


def tool_text(tool: Tool) -> str:
    """A tool as canonical JSON."""
    return canonical(
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    )


def canonical(value: Any) -> str:
    """JSON with sorted names and no blanks, so that equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def read(pieces: Iterable[bytes]) -> Said:
    """A message from its pieces. Raises `ValueError` where they are none."""
    first, *rest = [piece.decode() for piece in pieces]
    head = json.loads(first)
    texts = int(head["texts"])
    calls = tuple(json.loads(text) for text in rest[texts:])
    return Said(str(head["role"]), tuple(rest[:texts]), calls, str(head.get("call_id", "")))


def _texts(message: ChatMessage) -> list[str]:
    return [text for text in message.blocks or (message.content,) if text]


def _call_text(call: ToolCall) -> str:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = call.arguments
    return canonical({"id": call.id, "name": call.name, "arguments": arguments})
