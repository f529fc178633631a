"""The hooks in an agent's settings: one entry for each event, all of them our hook client.

Claude Code (settings.json) and Codex (hooks.json) share the form: a member "hooks" with a list for each
event. Invariant: entries that are not ours are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.service.connectors.json_members import remove_empty
from nexus.service.connectors.json_text import JsonText
from nexus.service.connectors.record import Record

PROGRAM = "nexus-hook"
# Seconds an agent waits before it gives the hook up; the client itself ends sooner.
_TIMEOUT = 3


@dataclass(frozen=True, slots=True)
class Hooks:
    """Our hooks as a part of a settings file."""

    command: str
    events: Sequence[str]
    name: str = "hooks"
    private: bool = False

    def present(self, text: str, place: str, before: Record | None) -> bool:
        """Whether any of our hooks is there."""
        return without_hooks(text, place) != text

    def put(self, text: str, place: str) -> str:
        """`text` with our hook at each event."""
        return with_hooks(text, place, self.command, self.events)

    def take(self, text: str, place: str, before: Record | None) -> str:
        """`text` without our hooks."""
        return without_hooks(text, place, users=JsonText(before.old or "", place) if before else None)


def with_hooks(text: str, place: str, command: str, events: Sequence[str]) -> str:
    """`text` with our hook at each of `events`, and at no other event."""
    wanted = dict.fromkeys(events, command)
    document = JsonText(without_hooks(text, place, keep=wanted), place)
    hooks = document.value().get("hooks")
    if not isinstance(hooks, dict | None):
        raise InvalidInputError(f"{place}: hooks is not an object", hint="mend it first")
    if hooks is None:
        document.add([], "hooks", {event: [_entry(command)] for event in events})
        return document.text
    for event in events:
        entries = document.value()["hooks"].get(event)
        if not isinstance(entries, list | None):
            raise InvalidInputError(f"{place}: hooks.{event} is not a list", hint="mend it first")
        if entries is None:
            document.add(["hooks"], event, [_entry(command)])
        elif not any(_is_ours(entry) for entry in entries):
            document.add(["hooks", event], None, _entry(command))
    return document.text


def without_hooks(
    text: str, place: str, *, keep: dict[str, str] | None = None, users: JsonText | None = None
) -> str:
    """`text` without our hooks, but for one entry with the command of `keep` at each of its events.

    Lists that are empty then are taken out too, unless they are so in `users`, the document before us.
    """
    document = JsonText(text, place)
    kept: set[str] = set()
    hooks = document.value().get("hooks")
    changed = False
    for event in list(hooks) if isinstance(hooks, dict) else ():
        entries = document.value()["hooks"][event]
        for number in range(len(entries) - 1, -1, -1) if isinstance(entries, list) else ():
            if not _is_ours(entries[number]):
                continue
            if entries[number] == _entry((keep or {}).get(event, "")) and event not in kept:
                kept.add(event)
                continue
            document.remove(["hooks", event, number])
            changed = True
        if keep is None and entries:
            remove_empty(document, ["hooks", event], users)
    return document.text if changed else text


def _entry(command: str) -> dict[str, Any]:
    return {"hooks": [{"type": "command", "command": command, "timeout": _TIMEOUT}]}


def _is_ours(entry: Any) -> bool:
    """An entry with nothing but our client in it."""
    hooks = entry.get("hooks") if isinstance(entry, dict) else None
    if not isinstance(hooks, list) or not hooks:
        return False
    return all(isinstance(hook, dict) and _calls_us(str(hook.get("command", ""))) for hook in hooks)


def _calls_us(command: str) -> bool:
    words = command.replace('"', " ").replace("'", " ").split()
    return any(word.rsplit("/", 1)[-1] == PROGRAM for word in words)
