"""Questions that a text asks of a memory by itself: what was said about X at the start?

X is a name: one to three capitalised words, none of which the text also writes small, inside a sentence of
the first part of the text, and it comes back later. The answer is what followed its first mention. Knows
text; knows neither tokens nor models. Invariants: the first mention is the first time that the words stand in
the text at all; no two answers begin at the same place; a text of any length is read once, a block at a time.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.core.errors import InvalidInputError, NotFoundError

START: Final = 0.04  # the part of the text that is "the start"
ANSWER_WORDS: Final = 8
_BLOCK: Final = 1 << 15  # bytes
_MOST_START: Final = 1 << 23  # characters of the start that are looked at
_WORD: Final = r"[A-Z][a-z]{2,}"
_RUN: Final = re.compile(rf"\b{_WORD}(?: {_WORD}){{0,2}}\b")
# After a small word and one blank: no sentence begins here.
_INSIDE: Final = re.compile(rf"(?<=[a-z,;] )(?<![A-Z]\w )({_WORD}(?: {_WORD}){{0,2}})\b(?! [A-Z])")
_ANSWER: Final = re.compile(rf"\s*\S+(?:\s+\S+){{{ANSWER_WORDS - 1}}}")
_NO_LETTER_BEFORE: Final = r"(?<![^\W_])"  # nor digit; many texts put _names_ so
_NO_LETTER_BEHIND: Final = r"(?![^\W_])"
_SMALL: Final = re.compile(r"\b[a-z]{3,}\b")
# They begin with a capital wherever they stand, and say nothing of whom is spoken.
_TITLES: Final = frozenset("Mrs Miss Sir Lady Lord Madame Monsieur The And But".split())


@dataclass(frozen=True, slots=True)
class Question:
    """phrase: what is asked. answer: the words that followed its first mention, from the very next character.
    at: where the answer begins, in characters. mentions: how often the phrase comes back after the start.
    """

    phrase: str
    answer: str
    at: int
    mentions: int


def questions(path: Path, count: int = 20) -> list[Question]:
    """Up to `count`, those that come back most often first.

    Raises `InvalidInputError` where the file is empty or no text, `NotFoundError` where it is not there.
    """
    size = sum(len(block) for block in blocks(path))
    wanted = min(_MOST_START, max(1, int(START * size)))
    start, seen, later, small = "", 0, Counter[str](), set[str]()
    for block in blocks(path):
        small.update(_SMALL.findall(block))
        if seen < wanted:
            start += block[: wanted - seen]
        if seen + len(block) > wanted:
            later.update(_runs(block[max(0, wanted - seen) :]))
        seen += len(block)
    return chosen(start, later, small, count)


def chosen(start: str, later: Counter[str], small: Set[str], count: int) -> list[Question]:
    """The questions of a `start` whose phrases come back `later` so often and are never `small`."""
    found: list[Question] = []
    taken: set[str] = set()
    for match in _INSIDE.finditer(start):
        phrase = match[1]
        if phrase in taken or not later[phrase] or not _TITLES.isdisjoint(phrase.split()):
            continue
        taken.add(phrase)
        if not small.isdisjoint(phrase.lower().split()):
            continue
        # Its first mention, in whatever place, must be this one.
        first = re.search(rf"{_NO_LETTER_BEFORE}{re.escape(phrase)}{_NO_LETTER_BEHIND}", start)
        answer = _ANSWER.match(start, match.end())
        if first is not None and first.start() == match.start() and answer is not None:
            found.append(Question(phrase, answer[0], match.end(), later[phrase]))
    found.sort(key=lambda each: (-each.mentions, each.at))
    return found[:count]


def blocks(path: Path, told: Callable[[int], None] = lambda done: None) -> Iterator[str]:
    """The text of a file in blocks that end at an end of line where there is one; `told` hears of bytes.

    Raises `InvalidInputError` where it is empty or no UTF-8 text, `NotFoundError` where it is not there.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, rest = 0, ""
    try:
        with open(path, "rb") as file:
            while data := file.read(_BLOCK):
                if b"\0" in data:
                    raise _no_text(path, f"byte {done + data.index(0)} is 0")
                try:
                    text = rest + decoder.decode(data)
                except UnicodeDecodeError as error:
                    raise _no_text(path, f"near byte {done + error.start} it is no UTF-8") from error
                done += len(data)
                end = text.rfind("\n") + 1 or len(text)
                rest = text[end:]
                yield text[:end]
                told(done)
            try:
                rest += decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:
                raise _no_text(path, "it ends within a character") from error
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} is not there", hint="name a file of text") from error
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not done:
        raise InvalidInputError(f"{path} is empty", hint="name a file that holds text")
    if rest:
        yield rest


def _runs(text: str) -> Iterator[str]:
    """Each capitalised run, and the words in it: a first name is a mention, too."""
    for match in _RUN.finditer(text):
        yield match[0]
        words = match[0].split(" ")
        if len(words) > 1:
            yield from words


def _no_text(path: Path, why: str) -> InvalidInputError:
    return InvalidInputError(f"{path} is no text: {why}", hint="name a file of text in UTF-8")
