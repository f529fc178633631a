"""A conversation while it is put together from the pieces of a request.

Does not know which interface is spoken. Invariant: nothing that was said is left out; neighbours of one
role become one message, as chat templates expect it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nexus.engine.base import ChatMessage, Role, ToolCall

BETWEEN = "\n\n"


class Conversation:
    """Messages in the order in which they were said."""

    def __init__(self) -> None:
        self._turns: list[tuple[Role, list[str], list[ToolCall], str]] = []

    def say(self, role: Role, text: str) -> None:
        """A text of this role."""
        self._turn(role)[1].append(text)

    def call(self, call: ToolCall) -> None:
        """The assistant calls a tool."""
        self._turn("assistant")[2].append(call)

    def result(self, call_id: str, text: str) -> None:
        """What a tool has answered."""
        self._turns.append(("tool", [text], [], call_id))

    def open(self, role: Role) -> None:
        """A message of this role, which may stay empty."""
        self._turn(role)

    def messages(self) -> Iterator[ChatMessage]:
        """All of it."""
        for role, texts, calls, call_id in self._turns:
            blocks = tuple(text for text in texts if text)
            yield ChatMessage(role, BETWEEN.join(blocks), tuple(calls), call_id, blocks)

    def _turn(self, role: Role) -> tuple[Role, list[str], list[ToolCall], str]:
        if not self._turns or self._turns[-1][0] != role:
            self._turns.append((role, [], [], ""))
        return self._turns[-1]
