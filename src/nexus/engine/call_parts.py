"""Tool calls out of a stream of their parts, as OpenAI-compatible servers send them.

Does not know the rest of an answer. Invariant: a call that is given out is whole, and its arguments are
the JSON text of an object.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

from nexus.core.errors import EngineError
from nexus.engine.base import ToolCall


class CallParts:
    """The calls of one answer. `given` counts those that came out."""

    def __init__(self) -> None:
        self.given = 0
        self._index: int | None = None
        self._id = ""
        self._name = ""
        self._arguments = ""

    def take(self, part: Any, label: str) -> Iterator[ToolCall]:
        """One delta; the call before it, where this begins another. Raises `EngineError`."""
        function = part.get("function") if isinstance(part, dict) else None
        function = function if isinstance(function, dict) else {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        if isinstance(arguments, dict):  # some servers send the object itself
            arguments = json.dumps(arguments, ensure_ascii=False)
        if not isinstance(part, dict) or not isinstance(name, str) or not isinstance(arguments, str):
            raise EngineError(f"{label} sent a tool call that is none: {str(part)[:80]!r}")
        index = part.get("index")
        begins = name and self._arguments if index is None else index != self._index
        if self._index is not None and begins:
            yield self._whole(label)
        if self._index is None or begins:
            self._index = index if isinstance(index, int) else self.given
            self._id = self._name = self._arguments = ""
        self._id = self._id or str(part.get("id") or "")
        self._name += name
        self._arguments += arguments

    def end(self, label: str, *, cut: bool) -> Iterator[ToolCall]:
        """The last call. Where the answer was `cut` off it may be half of one, which is left out."""
        if self._index is None or (cut and not _is_object(self._arguments)):
            return
        yield self._whole(label)

    def _whole(self, label: str) -> ToolCall:
        arguments = self._arguments.strip() or "{}"
        if not self._name or not _is_object(arguments):
            raise EngineError(
                f"{label} called the tool {self._name!r} with arguments that are no JSON object:"
                f" {arguments[:80]!r}",
                hint="ask again",
            )
        self.given += 1
        return ToolCall(self._id or f"call_{secrets.token_hex(12)}", self._name, arguments)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
