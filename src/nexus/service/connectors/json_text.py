"""Changes to a JSON file of somebody else: everything that is not changed keeps its bytes.

Reading a document and writing it again would lose its layout and its number spellings, and would show
a person a difference in every line. So the places of values are looked up in the text, and only there
text is put in or taken out. Knows nothing of any agent. Invariant: the result is valid JSON and differs
from the old document by exactly what was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from nexus.core.errors import InvalidInputError

_BLANK = re.compile(r"[ \t\n\r]*")
_INDENT = re.compile(r"\n([ \t]+)\S")
_DECODER = json.JSONDecoder()


class _Span(NamedTuple):
    """A member of an object or an element of an array: where its text and its value begin and end."""

    start: int
    value: int
    end: int
    name: str | None


class JsonText:
    """A document as text. Paths are names of members and positions in arrays, from the root."""

    def __init__(self, text: str, place: str) -> None:
        """Raises `InvalidInputError`, naming `place`, for what is not a JSON object."""
        self.text = text if text.strip() else "{}\n"
        self._place = place
        self._check()

    def value(self) -> dict[str, Any]:
        """The document."""
        document = json.loads(self.text.removeprefix("\ufeff"))
        assert isinstance(document, dict)
        return document

    def add(self, path: Sequence[str | int], name: str | None, value: Any) -> None:
        """Put a new member `name`, or an element (`name` None), at the end of what `path` names."""
        start, end = self._find(path)
        spans = _spans(self.text, start)
        closer = end - 1
        depth = len(path)
        step = self._step()
        inner, outer = "\n" + step * (depth + 1), "\n" + step * depth
        written = json.dumps(value, indent=step, ensure_ascii=False).replace("\n", inner)
        if name is not None:
            written = f"{json.dumps(name, ensure_ascii=False)}: {written}"
        if spans:
            self._replace(spans[-1].end, spans[-1].end, f",{inner}{written}")
        else:
            self._replace(start + 1, closer, f"{inner}{written}{outer}")
        self._check()

    def replace(self, path: Sequence[str | int], value: Any) -> None:
        """Give the value at `path` another one."""
        start, end = self._find(path)
        written = json.dumps(value, indent=self._step(), ensure_ascii=False)
        self._replace(start, end, written.replace("\n", "\n" + self._step() * len(path)))
        self._check()

    def remove(self, path: Sequence[str | int]) -> None:
        """Take the member or element at `path` out, with its comma."""
        start, _ = self._find(path[:-1])
        spans = _spans(self.text, start)
        number = _position(spans, path[-1])
        if number + 1 < len(spans):
            self._replace(spans[number].start, spans[number + 1].start, "")
        elif number:
            self._replace(spans[number - 1].end, spans[number].end, "")
        else:
            self._replace(start + 1, _blank(self.text, spans[0].end), "")
        self._check()

    def _find(self, path: Sequence[str | int]) -> tuple[int, int]:
        start = _blank(self.text, 1 if self.text.startswith("\ufeff") else 0)
        end = _DECODER.raw_decode(self.text, start)[1]
        for part in path:
            spans = _spans(self.text, start)
            span = spans[_position(spans, part)]
            start, end = span.value, span.end
        return start, end

    def _step(self) -> str:
        found = _INDENT.search(self.text)
        return found[1] if found else "  "

    def _replace(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]

    def _check(self) -> None:
        try:
            document = json.loads(self.text.removeprefix("\ufeff"), object_pairs_hook=self._once)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"{self._place} is not JSON: {error}", hint="mend it first") from error
        if not isinstance(document, dict):
            raise InvalidInputError(f"{self._place} is not a JSON object", hint="mend it first")

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, value in pairs:
            if name in members:
                raise InvalidInputError(f"{self._place} has {name!r} twice", hint="mend it first")
            members[name] = value
        return members


def _spans(text: str, start: int) -> list[_Span]:
    """The members or elements of the object or array that begins at `start`."""
    if text[start] not in "{[":
        raise InvalidInputError(
            f"{text[start : start + 40]!r} is not an object or a list", hint="mend it first"
        )
    named = text[start] == "{"
    at, spans = _blank(text, start + 1), []
    while text[at] not in "}]":
        first, name = at, None
        if named:
            name, at = _DECODER.raw_decode(text, at)
            at = _blank(text, _blank(text, at) + 1)
        end = _DECODER.raw_decode(text, at)[1]
        spans.append(_Span(first, at, end, name))
        at = _blank(text, end)
        if text[at] == ",":
            at = _blank(text, at + 1)
    return spans


def _position(spans: Sequence[_Span], part: str | int) -> int:
    return part if isinstance(part, int) else [span.name for span in spans].index(part)


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()
