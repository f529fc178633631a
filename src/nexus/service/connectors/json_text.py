"""Changes to a JSON file of somebody else: everything that is not changed keeps its bytes.

Reading a document and writing it again would lose its layout, its comments and its number spellings, and
would show a person a difference in every line. So the places of values are looked up in the text, and only
there text is put in or taken out. Comments and a comma behind the last member are understood, as editors
allow them in their settings. Knows nothing of any agent. Invariant: the result is as valid as the old
document and differs from it by exactly what was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from nexus.core.errors import InvalidInputError

_STRING = r'"(?:[^"\\\r\n]|\\.)*"'
_COMMENT = re.compile(_STRING + r"|(//[^\r\n]*|/\*.*?\*/)", re.DOTALL)
_LAST_COMMA = re.compile(_STRING + r"|(,)(?=[ \t\r\n]*[}\]])", re.DOTALL)
_VISIBLE = re.compile(r"[^\r\n]")
_BLANK = re.compile(r"[ \t\n\r]*")
_INDENT = re.compile(r"\n([ \t]+)[^ \t\r\n/*]")
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
        self._place = place
        self._set(text if text.removeprefix("\ufeff").strip() else f"{text.rstrip()}{{}}\n")

    def value(self) -> dict[str, Any]:
        """The document."""
        document = json.loads(self._plain)
        assert isinstance(document, dict)
        return document

    def at(self, path: Sequence[str]) -> Any:
        """The value at a path of names, or None where there is none."""
        found: Any = self.value()
        for part in path:
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
        return found

    def written(self, path: Sequence[str | int]) -> str:
        """The value at `path` as it stands in the text."""
        start, end = self._find(path)
        return self.text[start:end]

    def add(self, path: Sequence[str | int], name: str | None, value: Any) -> None:
        """Put a new member `name`, or an element (`name` None), at the end of what `path` names."""
        start, end = self._find(path)
        spans, closer = _spans(self._plain, start), end - 1
        inner = self._newline() + self._step() * (len(path) + 1)
        written = self._dumped(value, len(path) + 1)
        if name is not None:
            written = f"{json.dumps(name, ensure_ascii=False)}: {written}"
        # Behind a comment that may follow the last member, before the blanks in front of the brace.
        at = start + len(self.text[start:closer].rstrip(" \t\r\n"))
        if not spans:
            if "\n" not in self.text[at:closer]:
                written += self._newline() + self._step() * len(path)
            self._replace((at, at, f"{inner}{written}"))
        elif "," in self._code[spans[-1].end : closer]:
            self._replace((at, at, f"{inner}{written},"))
        else:
            self._replace((spans[-1].end, spans[-1].end, ","), (at, at, f"{inner}{written}"))

    def replace(self, path: Sequence[str | int], value: Any) -> None:
        """Give the value at `path` another one."""
        self.rewrite(path, self._dumped(value, len(path)))

    def rewrite(self, path: Sequence[str | int], written: str) -> None:
        """Give the value at `path` another one, given as text."""
        start, end = self._find(path)
        self._replace((start, end, written))

    def remove(self, path: Sequence[str | int]) -> None:
        """Take the member or element at `path` out, with its comma and the blanks before it."""
        start, end = self._find(path[:-1])
        spans = _spans(self._plain, start)
        number = _position(spans, path[-1])
        span = spans[number]
        first = len(self.text[: span.start].rstrip(" \t\r\n"))
        following = spans[number + 1].start if number + 1 < len(spans) else end - 1
        comma = self._code.find(",", span.end, following)
        if comma < 0 and number:
            comma = self._code.rfind(",", spans[number - 1].end, span.start)
        elif comma < 0 and not (self.text[start + 1 : span.start] + self.text[span.end : end - 1]).strip():
            # The only one, without a comment: what is left is `{}`, however it was laid out.
            self._replace((start + 1, end - 1, ""))
            return
        cut = self._code[first - 1] in " \t" and self.text[first - 1] not in " \t"
        if cut and not re.match(r"[ \t]*[\r\n]", self.text[max(span.end, comma + 1) :]):
            first = span.start  # a comment to the end of its line stands before: its line must end
        edits = [(first, span.end, "")]
        if comma >= 0:
            edits.append((comma, comma + 1, ""))
        if comma >= span.end and not self.text[span.end : comma].strip():
            edits = [(first, comma + 1, "")]
        self._replace(*edits)

    def _find(self, path: Sequence[str | int]) -> tuple[int, int]:
        start = _blank(self._plain, 0)
        end = _DECODER.raw_decode(self._plain, start)[1]
        for part in path:
            spans = _spans(self._plain, start)
            span = spans[_position(spans, part)]
            start, end = span.value, span.end
        return start, end

    def _dumped(self, value: Any, depth: int) -> str:
        written = json.dumps(value, indent=self._step(), ensure_ascii=False)
        return written.replace("\n", self._newline() + self._step() * depth)

    def _step(self) -> str:
        found = _INDENT.search(self.text)
        return found[1] if found else "  "

    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _replace(self, *edits: tuple[int, int, str]) -> None:
        text = self.text
        # From the last to the first; of two at one place, the first named stands first. `reverse` does not.
        for start, end, new in reversed(sorted(edits, key=lambda edit: edit[0])):  # noqa: C413
            text = text[:start] + new + text[end:]
        self._set(text)

    def _set(self, text: str) -> None:
        self.text = text
        # The same text, at the same places, without comments, and as JSON proper.
        self._code = _COMMENT.sub(_blanked, " " + text[1:] if text.startswith("\ufeff") else text)
        self._plain = _LAST_COMMA.sub(_blanked, self._code)
        try:
            document = json.loads(self._plain, object_pairs_hook=self._once)
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


def _blanked(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else _VISIBLE.sub(" ", match[1])


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
