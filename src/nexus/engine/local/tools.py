"""Tool calls in the model's text, as it streams.

Does not know tokens. Invariants: everything that came in goes out, as a whole call or as text unchanged,
but for white space around calls; text that may still become a call is not shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from nexus.engine.base import ToolCall
from nexus.engine.local.call_text import CallText

_TAG, _TAG_END = "<tool_call>", "</tool_call>"
_FENCE = "```"
_LINE = '{"name"'  # at the beginning of a line, behind text
_DOUBLED = "{{"  # some templates show a call with the braces of a format string
_MISTRAL = "[TOOL_CALLS]"
_LLAMA = "<|python_tag|>"
_MARKS = {"hermes": (_TAG,), "mistral": (_MISTRAL,), "llama3": (_LLAMA,), "json": (_TAG,)}
_FENCE_HEAD = re.compile(r"```[ \t]*(?:json|tool_call)?[ \t]*\r?\n?\s*(?=[{\[])")
_FENCE_HEAD_BEGUN = re.compile(r"```[ \t]*(?:j|js|jso|json|t\w{0,8})?[ \t]*\r?\n?\s*")
_FENCE_END = re.compile(r"\s*```")
_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\w*)?\s*(?:\[ARGS\])?\s*(?=\{)")
_NAMED_BEGUN = re.compile(r"\s*[\w.-]*\s*(?:\[[A-Z_]*\]?\w*)*\s*")
# Characters with which something is decided; others only lengthen what is held.
_DECIDING = frozenset('{}[]`<>:"')

Piece = str | ToolCall
# How many characters were read, and the calls in them: none where they are text.
_Found = tuple[int, list[ToolCall]]


def format_of(template_source: str) -> str:
    """How a model with this chat template writes its calls: hermes, llama3, mistral or json."""
    if _TAG in template_source:
        return "hermes"
    if _MISTRAL in template_source:
        return "mistral"
    if _LLAMA in template_source or '"parameters": ' in template_source:
        return "llama3"
    return "json"


class ToolText:
    """Reads one answer. `names` are the tools on offer; what calls another one is text.

    A call stands behind the mark of the format, or in a block of code of its own, or is the whole
    answer, also in double braces, or stands on a line of its own behind text: models that learnt their
    own format badly do all of it.
    """

    def __init__(self, format_name: str, names: Sequence[str]) -> None:
        self._marks = (*_MARKS[format_name], _FENCE, _LINE)
        self._calls = CallText(names)
        self._held = ""
        self._waits = False
        self._bare = True  # nothing has been shown but white space
        self._called = False

    def push(self, text: str) -> list[Piece]:
        """Text that may be shown, and whole calls, in order."""
        self._held += text
        if self._waits and _DECIDING.isdisjoint(text):
            return []
        return self._read(last=False)

    def flush(self) -> list[Piece]:
        """The end has come: what is no whole call comes back as text."""
        out = self._read(last=True)
        if self._called and not self._held.strip():
            self._held = ""
        self._show(out, len(self._held))
        return out

    def _read(self, last: bool) -> list[Piece]:
        out: list[Piece] = []
        while self._held:
            lead = len(self._held) - len(self._held.lstrip())
            rest = self._held[lead:]
            mark = self._mark(rest, "\n" in self._held[:lead])
            if mark is None:
                size = self._until_mark(lead, last)
                if not size:
                    break
                self._show(out, size)
                continue
            found = self._whole(mark, rest, last)
            self._waits = found is None
            if found is None:
                break
            size, calls = found
            if calls:
                out += calls
                self._called = True
                self._held = rest[size:]
            else:
                self._show(out, lead + size)
        return out

    def _mark(self, text: str, new_line: bool) -> str | None:
        """With what mark of a call `text` begins; "" without one, where the whole answer may be a call."""
        for mark in self._marks:
            if text.startswith(mark) and (mark != _LINE or (new_line and not self._bare)):
                return mark
        if self._bare and text.startswith(_DOUBLED):
            return _DOUBLED
        return "" if self._bare and text[:1] in ("{", "[") and not _MISTRAL.startswith(text[:12]) else None

    def _until_mark(self, start: int, last: bool) -> int:
        """How much may be shown: not what may begin a mark, nor white space before it."""
        places = [at for mark in self._marks if (at := self._find(mark, start)) >= 0]
        if not places and last:
            return 0 if self._called and not self._held.strip() else len(self._held)
        at = min(places, default=len(self._held) - self._begun())
        return len(self._held[:at].rstrip())

    def _find(self, mark: str, start: int) -> int:
        """Where the next one is; -1 for nowhere."""
        at = self._held.find(mark, start)
        while mark == _LINE and at >= 0 and not _ends_a_line(self._held[:at]):
            at = self._held.find(mark, at + 1)
        return at

    def _begun(self) -> int:
        """How many characters at the end may be the beginning of a mark."""
        longest = max(map(len, self._marks)) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(mark.startswith(self._held[-size:]) for mark in self._marks):
                return size
        return 0

    def _show(self, out: list[Piece], size: int) -> None:
        if size:
            out.append(self._held[:size])
            self._bare = self._bare and not self._held[:size].strip()
            self._held = self._held[size:]

    def _whole(self, mark: str, text: str, last: bool) -> _Found | None:
        """The calls with which `text` begins; None while that is open."""
        if mark == _TAG:
            return self._tagged(text, last)
        if mark == _FENCE:
            return self._fenced(text, last)
        if mark == _MISTRAL:
            return self._behind_mistral_mark(text, last)
        if mark == _DOUBLED:
            return self._doubled(text, last)
        if mark == _LINE:
            return self._of_a_line(text, last)
        return self._to_the_end(text, len(mark), last)

    def _of_a_line(self, text: str, last: bool) -> _Found | None:
        found = self._calls.read(text, last)
        if found is None:
            return None
        size, calls = found
        if calls and size == len(text):
            return (size, calls) if last else None
        return (size, calls) if calls and _ends_a_line(text[:size]) else (1, [])

    def _doubled(self, text: str, last: bool) -> _Found | None:
        found = self._calls.read(text[1:], last)
        if found is None:
            return None
        size, calls = found
        left = text[1 + size :]
        if calls and not left and not last:
            return None
        return (1 + size + left.startswith("}"), calls) if calls else (1, [])

    def _tagged(self, text: str, last: bool) -> _Found | None:
        found = self._calls.read(text[len(_TAG) :], last)
        if found is None:
            return None
        size, calls = found
        end = len(_TAG) + size
        if calls and text.startswith(_TAG_END, end):
            return end + len(_TAG_END), calls
        left = text[end:]
        if not last and (calls or not text[len(_TAG) :].strip()) and _TAG_END.startswith(left):
            return None
        if calls and not left:  # the answer ended without the closing mark
            return end, calls
        return len(_TAG), []

    def _fenced(self, text: str, last: bool) -> _Found | None:
        head = _FENCE_HEAD.match(text)
        if head is None:
            begun = _FENCE_HEAD_BEGUN.fullmatch(text) is not None
            return None if begun and not last else (len(_FENCE), [])
        found = self._calls.read(text[head.end() :], last)
        if found is None:
            return None
        size, calls = found
        end = _FENCE_END.match(text, head.end() + size)
        if calls and end:
            return end.end(), calls
        left = text[head.end() + size :].lstrip()
        if calls and _FENCE.startswith(left):
            return (len(text), calls) if last else None
        return len(_FENCE), []

    def _behind_mistral_mark(self, text: str, last: bool) -> _Found | None:
        named = _NAMED.match(text, len(_MISTRAL))
        if named is None:
            begun = _NAMED_BEGUN.fullmatch(text, len(_MISTRAL)) is not None
            if text[len(_MISTRAL) :].lstrip()[:1] in ("[", "{"):
                return self._to_the_end(text, len(_MISTRAL), last)
            return None if begun and not last else (len(_MISTRAL), [])
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(text, named.end())
        except (ValueError, RecursionError):
            return (len(_MISTRAL), []) if last else None
        call = self._calls.named(named[1], value)
        return (end, [call]) if call else (len(_MISTRAL), [])

    def _to_the_end(self, text: str, start: int, last: bool) -> _Found | None:
        """Calls that are all there is from `start` on."""
        found = self._calls.read(text[start:], last)
        if found is None:
            return None
        size, calls = found
        left = text[start + size :].removesuffix(_TAG_END).strip()
        if calls and not left and last:
            return len(text), calls
        may_follow = not left or _TAG_END.startswith(left)
        if not last and may_follow and (calls or not text[start:].strip()):
            return None
        return max(start, 1), []


def _ends_a_line(text: str) -> bool:
    """Whether the white space at its end holds the end of a line."""
    return "\n" in text[len(text.rstrip()) :]
