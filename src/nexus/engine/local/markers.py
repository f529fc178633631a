"""Texts of control tokens inside messages, so that they are read as the plain text that they are.

Knows the vocabulary and texts, not templates. Invariant: a control token in the result stood in what the
template wrote itself, not in what a message or a file said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError

if TYPE_CHECKING:
    from nexus._engine import Tokenizer

# Code points for private use: whichever of them no message has stand around a marker.
_PRIVATE = range(0x10F000, 0x10FFFE)
# What a template writes out itself, such as <start_of_turn> or [INST]: some files say that these tokens
# are ordinary ones.
_WRITTEN = re.compile(r"<[^\s<>{}'\"]{1,60}>|\[/?[A-Z_]{2,40}\]")
# Templates take these out of the model's earlier answers, and have to find them for that.
_THOUGHT = re.compile(r"</?think(?:ing)?>")
# A character that no vocabulary has as a part of anything longer.
_APART = "\U0010fffd"


class Markers:
    """The markers of one vocabulary and one template's source."""

    def __init__(self, tokenizer: Tokenizer, template_source: str) -> None:
        self._tokenizer = tokenizer
        controls = [
            tokenizer.piece(token, special=True).decode("utf-8", "replace")
            for token in range(tokenizer.size)
            if tokenizer.is_control(token)
        ]
        control = {text for text in controls if text and self._is_one(text, special=True)}
        written = {text for text in _WRITTEN.findall(template_source) if self._is_one(text, special=True)}
        self._all = re.compile(_pattern(control | written)) if control | written else None
        own = {text for text in control if not _THOUGHT.fullmatch(text)}
        self._control = re.compile(_pattern(own)) if own else None
        words = control | written
        self._begins = {word[:size] for word in words for size in range(1, len(word))}
        self._ends = {word[size:] for word in words for size in range(1, len(word))}
        self._longest = max(map(len, words), default=0)
        first = tokenizer.encode("x")
        self._adds_space = bool(len(first)) and tokenizer.piece(int(first[0])).startswith(b" ")

    def encode(
        self,
        render: Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], str],
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
    ) -> NDArray[np.int32]:
        """Tokens of the rendered messages and tools, with a begin mark where the model wants one."""
        begin, end = _unused([messages, tools])
        text = render(
            [self._marked(m, begin, end, own=m.get("role") == "assistant") for m in messages],
            self._marked(list(tools), begin, end, own=False),
        )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"the messages are not valid unicode: {text[error.start : error.end]!r}",
                hint="send whole characters",
            ) from None
        tokenizer = self._tokenizer
        tokens = []
        if tokenizer.adds_bos and tokenizer.bos is not None:
            mark = tokenizer.piece(tokenizer.bos, special=True).decode("utf-8", "replace")
            if not text.startswith(mark):
                tokens.append(np.array([tokenizer.bos], dtype=np.int32))
        plain = False
        for number, part in enumerate(re.split(f"({begin}|{end})", text)):
            if part in (begin, end):
                # A template that cuts texts up may leave one without the other: nothing but a border.
                plain = part == begin
            elif part and plain and self._all and self._all.fullmatch(part):
                tokens += self._plainly(part)
            elif part:
                tokens.append(self._encode(part, special=True, goes_on=number > 0))
        return np.concatenate(tokens) if tokens else np.empty(0, dtype=np.int32)

    def _marked(self, value: Any, begin: str, end: str, *, own: bool) -> Any:
        """`value` with markers between `begin` and `end`. The model's `own` words may have the written
        ones, such as <tool_call>, but no control token."""
        pattern = self._control if own else self._all
        if isinstance(value, str):
            if pattern is None:
                return value
            marked = pattern.sub(lambda found: f"{begin}{found.group()}{end}", value)
            # Nor may a half of one become whole with what the template writes beside it.
            sizes = range(1, min(self._longest, len(value) + 1))
            before = end if any(value[:size] in self._ends for size in sizes) else ""
            after = end if any(value[-size:] in self._begins for size in sizes) else ""
            return f"{before}{marked}{after}"
        if isinstance(value, Mapping):
            return {
                self._marked(key, begin, end, own=own): self._marked(inner, begin, end, own=own)
                for key, inner in value.items()
            }
        if isinstance(value, Sequence):
            return [self._marked(inner, begin, end, own=own) for inner in value]
        return value

    def _plainly(self, marker: str) -> list[NDArray[np.int32]]:
        if not self._is_one(marker, special=False):
            return [self._encode(marker, special=False, goes_on=True)]
        # An ordinary token by its type: cut in two it is none.
        return [self._encode(part, special=False, goes_on=True) for part in (marker[:1], marker[1:])]

    def _is_one(self, text: str, *, special: bool) -> bool:
        return len(text) > 1 and len(self._tokenizer.encode(text, parse_special=special)) == 1

    def _encode(self, text: str, *, special: bool, goes_on: bool) -> NDArray[np.int32]:
        """Tokens of a piece; one that goes on gets no space in front, as a text does with some models."""
        if not (goes_on and self._adds_space):
            return self._tokenizer.encode(text, parse_special=special)
        before = len(self._tokenizer.encode(_APART))
        return self._tokenizer.encode(_APART + text, parse_special=special)[before:]


def _unused(values: Any) -> tuple[str, str]:
    """Two characters that occur in no text of `values`."""
    texts = list(_texts(values))
    free = (chr(code) for code in _PRIVATE if not any(chr(code) in text for text in texts))
    return next(free), next(free)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _pattern(words: Iterable[str]) -> str:
    """A regular expression of all the words, the longest first, in time that does not grow with them."""
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}

    def branch(node: dict[str, Any]) -> str:
        ways = [re.escape(letter) + branch(below) for letter, below in sorted(node.items()) if letter]
        if not ways:
            return ""
        body = ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
        return f"(?:{body})?" if "" in node else body

    return branch(tree)
