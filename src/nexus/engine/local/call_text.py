"""Tool calls as JSON text: one object, several, or a list of them.

Does not know what stands around them. Invariant: only text that is a call of a tool on offer, with an
object of arguments, is one; everything else is left alone.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

from nexus.engine.base import ToolCall

_KEYS = ("name", "arguments", "parameters", "type", "function", "id")
_ARGUMENTS = ("arguments", "parameters", "input", "args")
_SEPARATORS = re.compile(r"[\s;,]*")
_FIRST_KEY = re.compile(r'\[?\s*\{\s*"([^"\\]*)("?)')
_NOT_YET_A_KEY = re.compile(r"\[?\s*(\{\s*)?")
_NAME = re.compile(r'\s*:\s*"([^"\\]*)("?)')


class CallText:
    """`names` are the tools on offer; their case does not matter."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = {name.lower(): name for name in names} | {name: name for name in names}
        self._decoder = json.JSONDecoder(strict=False)

    def read(self, text: str, last: bool) -> tuple[int, list[ToolCall]] | None:
        """The calls with which `text` begins, and how many characters they take with what separates them.

        None: it may still become calls. No calls: it is none.
        """
        at, calls = 0, list[ToolCall]()
        while True:
            separators = _SEPARATORS.match(text, at)
            at = separators.end() if separators else at
            if text[at : at + 1] not in ("{", "["):
                return at, calls
            try:
                value, end = self._decoder.raw_decode(text, at)
            except (ValueError, RecursionError):
                return None if not last and self._may_be_call(text[at:]) else (0, [])
            found = [self.call(each) for each in (value if isinstance(value, list) else [value])]
            # What would have been shown as text, had it come in pieces, is text as a whole, too.
            if not found or not all(found) or not self._may_be_call(text[at:]):
                return 0, []
            calls += [call for call in found if call]
            at = end

    def call(self, value: Any) -> ToolCall | None:
        """The call that an object of JSON says, if it does."""
        if isinstance(value, dict) and isinstance(value.get("function"), dict):
            value = value["function"]
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            return None
        given: Any = next((value[key] for key in _ARGUMENTS if key in value), {})
        return self.named(value["name"], given)

    def named(self, name: str, arguments: Any) -> ToolCall | None:
        """A call of `name`; arguments may be JSON inside a text."""
        known = self._names.get(name) or self._names.get(name.lower())
        if isinstance(arguments, str):
            try:
                arguments = self._decoder.decode(arguments or "{}")
            except (ValueError, RecursionError):
                return None
        if known is None or not isinstance(arguments, dict):
            return None
        text = json.dumps(arguments, ensure_ascii=False)
        return ToolCall(f"call_{secrets.token_hex(12)}", known, text)

    def _may_be_call(self, text: str) -> bool:
        """Whether the beginning of an object, cut off anywhere, looks like that of a call."""
        key = _FIRST_KEY.match(text)
        if key is None:
            return _NOT_YET_A_KEY.fullmatch(text) is not None
        if not key[2]:
            return any(known.startswith(key[1]) for known in _KEYS)
        if key[1] != "name":
            return key[1] in _KEYS
        name = _NAME.match(text, key.end())
        if name is None:
            return re.fullmatch(r"\s*:?\s*", text[key.end() :]) is not None
        if not name[2]:
            return any(known.lower().startswith(name[1].lower()) for known in self._names)
        return name[1].lower() in self._names
