"""What a chat template cannot say, and how it is said instead.

Finds out by rendering small conversations. Invariant: nothing of a conversation is left out because the
template has no words for it: it is written into the text of a message that the template does write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nexus.core.errors import InvalidInputError

Messages = Sequence[Mapping[str, Any]]
Render = Callable[[Messages, Messages], str]
_ID_LETTERS = 9
_INSTRUCTION = (
    "You can call these functions, each described by a JSON schema:\n{tools}\n"
    "To call one, answer with one JSON object and nothing else:\n"
    '{{"name": "the function", "arguments": {{"a parameter": "its value"}}}}'
)


@dataclass(frozen=True, slots=True)
class Gaps:
    """What the template does write: messages of the system, tools, calls with their results.

    `text_arguments`: it wants the arguments of a call as JSON text and not as an object. `short_ids`: it
    wants identifiers of calls to have nine letters. `one_call`: it takes one call in a message.
    """

    system: bool
    tools: bool
    calls: bool
    text_arguments: bool = False
    short_ids: bool = False
    one_call: bool = False

    @classmethod
    def of(cls, render: Render) -> Gaps:
        """Ask the template by having it write; it says no by raising `InvalidInputError`."""
        user = {"role": "user", "content": "needle user"}
        system = {"role": "system", "content": "needle system"}
        tool = _tool("needle_tool", {"type": "object", "properties": {"needle_key": {"type": "string"}}})

        def says(messages: Messages, tools: Messages, *words: str) -> bool:
            try:
                written = render(messages, tools)
            except InvalidInputError:
                return False
            # Python's way of printing an object is no way to write the arguments of a call.
            return all(word in written for word in words) and "'needle_key': 'needle value'" not in written

        def says_calls(*names: str, arguments: Any) -> bool:
            calls = [
                {"id": name, "type": "function", "function": {"name": "needle_tool", "arguments": arguments}}
                for name in names
            ]
            results = [
                {"role": "tool", "name": "needle_tool", "tool_call_id": name, "content": "needle result"}
                for name in names
            ]
            asked = {"role": "assistant", "content": "", "tool_calls": calls}
            words = ("needle_tool", "needle_key", "needle value", "needle result")
            return says([user, asked, *results], [tool], *words)

        found = cls(
            system=says([system, user], [], "needle system", "needle user"),
            tools=says([user], [tool], "needle_tool", "needle_key"),
            calls=False,
        )
        if not found.tools:
            return found
        value = {"needle_key": "needle value"}
        for arguments in (value, json.dumps(value)):
            for first, second in (("call_0123456789", "call_9876543210"), ("a0b1c2d3e", "e3d2c1b0a")):
                if says_calls(first, arguments=arguments):
                    return replace(
                        found,
                        calls=True,
                        text_arguments=arguments is not value,
                        short_ids=len(first) == _ID_LETTERS,
                        one_call=not says_calls(first, second, arguments=arguments),
                    )
        return found

    def fill(self, messages: Messages, tools: Messages) -> tuple[Messages, Messages]:
        """Messages and tools that the template can write. `tool_calls` have objects as arguments."""
        filled = [self._message(message) for message in messages]
        if not self.calls:
            filled = _in_words(filled)
        elif self.one_call:
            filled = _one_by_one(filled)
        if tools and not self.tools:
            described = "\n".join(
                json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in tools
            )
            filled = _to_system(filled, _INSTRUCTION.format(tools=described))
            tools = ()
        if not self.system:
            filled = _system_to_user(filled)
        return filled, tools

    def _message(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        changed = dict(message)
        if self.text_arguments and message.get("tool_calls"):
            changed["tool_calls"] = [_text_arguments(call) for call in message["tool_calls"]]
        if self.short_ids:
            if "tool_call_id" in changed:
                changed["tool_call_id"] = _short(str(changed["tool_call_id"]))
            if calls := changed.get("tool_calls"):
                changed["tool_calls"] = [{**call, "id": _short(str(call.get("id", "")))} for call in calls]
        return changed


def _tool(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def _text_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    text = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    return {**call, "function": {**function, "arguments": text}}


def _short(name: str) -> str:
    if len(name) == _ID_LETTERS and name.isalnum():
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:_ID_LETTERS]


def _one_by_one(messages: Messages) -> list[Mapping[str, Any]]:
    """Several calls at once as one after the other, each with its result."""
    out: list[Mapping[str, Any]] = []
    results = {str(m.get("tool_call_id")): m for m in messages if m["role"] == "tool"}
    placed: set[str] = set()
    for message in messages:
        calls = message.get("tool_calls") or ()
        if message["role"] == "tool" and str(message.get("tool_call_id")) in placed:
            continue
        if len(calls) < 2:
            out.append(message)
            continue
        for number, call in enumerate(calls):
            out.append(
                {**message, "content": message["content"] if number == 0 else "", "tool_calls": [call]}
            )
            if result := results.get(str(call.get("id"))):
                out.append(result)
                placed.add(str(call.get("id")))
    return out


def _in_words(messages: Messages) -> list[Mapping[str, Any]]:
    """Calls as text of the assistant, results as text of the user."""
    names: dict[str, str] = {}
    out: list[Mapping[str, Any]] = []
    for message in messages:
        if message["role"] == "assistant" and message.get("tool_calls"):
            said = [message["content"]] if message["content"] else []
            for call in message["tool_calls"]:
                function = call["function"]
                names[str(call.get("id"))] = str(function.get("name"))
                shown = {"name": function.get("name"), "arguments": function.get("arguments") or {}}
                said.append(json.dumps(shown, ensure_ascii=False))
            out.append({"role": "assistant", "content": "\n".join(said)})
        elif message["role"] == "tool":
            name = message.get("name") or names.get(str(message.get("tool_call_id")), "the function")
            _append(out, "user", f"Result of {name}:\n{message['content']}")
        elif message["role"] == "user" and out and out[-1].get("joined"):
            _append(out, "user", message["content"])
        else:
            out.append(message)
    return [{key: value for key, value in message.items() if key != "joined"} for message in out]


def _append(out: list[Mapping[str, Any]], role: str, text: str) -> None:
    """As a message of its own, or behind the one that was made the same way just before."""
    if out and out[-1].get("joined"):
        text = f"{out.pop()['content']}\n\n{text}"
    out.append({"role": role, "content": text, "joined": True})


def _to_system(messages: Messages, text: str) -> list[Mapping[str, Any]]:
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _system_to_user(messages: Messages) -> list[Mapping[str, Any]]:
    """What the system says goes before what the user says next."""
    out: list[Mapping[str, Any]] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting.append(message["content"])
        elif waiting and message["role"] == "user":
            out.append({**message, "content": "\n\n".join([*waiting, message["content"]])})
            waiting = []
        else:
            out.append(message)
    if waiting:
        out.append({"role": "user", "content": "\n\n".join(waiting)})
    return out
