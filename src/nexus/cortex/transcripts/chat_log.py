"""Chats kept as JSON: a list of messages as the chat completion APIs take it.

`[{role, content}, ...]`, `{"messages": [...]}`, `{"traj": [...]}`, or a list of such objects; then the
chats stand one after the other. Messages may carry a time (`timestamp`, `created_at`, `time`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nexus.cortex.transcripts.injected import spoken
from nexus.cortex.transcripts.json_lines import table_of, text_of
from nexus.cortex.transcripts.tool_talk import call_line, flat, line_of, result_text
from nexus.cortex.transcripts.transcript import Draft, Transcript, moment

_LISTS = ("messages", "traj", "conversation")
_TIMES = ("timestamp", "created_at", "time", "date")


def messages(value: object) -> Iterator[Mapping[str, Any]]:
    """The messages of all chats in `value`; none when it holds no chat."""
    if isinstance(value, Mapping):
        chats = [value]
    elif isinstance(value, list):
        if value and all(
            isinstance(item, Mapping) and isinstance(item.get("role"), str) for item in value[:3]
        ):
            chats = [{"messages": value}]
        else:
            chats = [item for item in value if isinstance(item, Mapping)]
    else:
        return
    for chat in chats:
        inner: list[Any] = next((chat[name] for name in _LISTS if isinstance(chat.get(name), list)), [])
        for item in inner:
            if isinstance(item, Mapping) and isinstance(item.get("role"), str):
                yield item


def read(data: bytes, path: Path) -> Transcript:
    """The chats in the bytes of a file. A file that is no JSON is one damaged line."""
    draft = Draft("chat", session=path.stem)
    text = data.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        draft.damaged = 1
        return draft.finish()
    place = _Place(text)
    calls: dict[str, str] = {}
    for message in messages(value):
        _message(message, draft, calls, place)
    return draft.finish()


def _message(message: Mapping[str, Any], draft: Draft, calls: dict[str, str], place: _Place) -> None:
    role, text = message["role"], flat(message.get("content"))
    said = next((moment(message[name]) for name in _TIMES if name in message), "")
    line = place.of(text)
    if role == "user":
        draft.say("user", text_of(message.get("name")) or "User", spoken(text), said, line)
    elif role == "assistant":
        draft.say("assistant", "Agent", text, said, line)
        asked = message.get("tool_calls")
        for call in asked if isinstance(asked, list) else []:
            function = table_of(table_of(call).get("function"))
            name = text_of(function.get("name")) or "tool"
            calls[text_of(table_of(call).get("id"))] = name
            arguments = function.get("arguments")
            told = call_line(name, arguments) or line_of(text_of(arguments))
            draft.say("tool", name, told or "called", said, line)
    elif role in ("tool", "function"):
        name = text_of(message.get("name")) or calls.get(text_of(message.get("tool_call_id")), "tool")
        kept = result_text(name, text)
        if kept:
            draft.say("tool", f"{name} output", kept, said, line)
        elif text.strip():
            draft.left_out["tool output"] += 1
    else:
        draft.left_out[f"{role[:40]} message"] += 1


class _Place:
    """Finds the line of a message by its first words: the parser does not tell it."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.line = text, 0, 1

    def of(self, content: str) -> int:
        words = content[:60]
        for escaped in (True, False) if words else ():
            at = self.text.find(json.dumps(words, ensure_ascii=escaped)[1:-1], self.position)
            if at >= 0:
                self.line += self.text.count("\n", self.position, at)
                self.position = at
                break
        return self.line
