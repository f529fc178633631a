"""The echo guard: knows again what was given to an agent, so that it is never learnt from its mouth.

A text shown is kept as hashes only: of each sentence, of each run of five words, and of each sentence
together with the session it was shown in. Knows nothing of where the hashes are kept. Invariant: case,
punctuation, Markdown and line breaks make no difference.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

_RUN = 5
# So much of a sentence's runs must have been shown to call it an echo. A person who takes up a few words
# of what was shown says something of his own.
_SHARE = 0.6
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


class Marks(Protocol):
    """Where hashes of 16 hexadecimal digits are kept (`nexus.cortex.approvals`)."""

    def note_shown(self, hashes: Sequence[str]) -> None:
        """Keep these."""

    def was_shown(self, hashes: Sequence[str]) -> set[str]:
        """Which of these are kept."""


class Recalled:
    """What was shown, in every session."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def note(self, session: str, texts: Sequence[str]) -> None:
        """These texts were given to the agent of `session`."""
        hashes: dict[str, None] = {}
        for text in texts:
            for sentence in _SENTENCE.split(text):
                words = _words(sentence)
                if words:
                    hashes.update(dict.fromkeys((_hash(*words), _hash("", session, *words))))
            # Runs go over sentence ends: whoever repeats a text may set the full stops elsewhere.
            hashes.update(dict.fromkeys(_runs(_words(text))))
        if hashes:
            self._marks.note_shown(list(hashes))

    def is_echo(self, sentence: str) -> bool:
        """Whether any agent was given this, whole or for the most part."""
        words = _words(sentence)
        whole, runs = _hash(*words), _runs(words)
        seen = self._marks.was_shown([whole, *runs])
        return whole in seen or (bool(runs) and len(seen.intersection(runs)) >= _SHARE * len(runs))

    def was_shown_in(self, session: str, sentence: str) -> bool:
        """Whether the agent of this session was given exactly this sentence."""
        return bool(self._marks.was_shown([_hash("", session, *_words(sentence))]))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(_hash(*words[i : i + _RUN]) for i in range(len(words) - _RUN + 1)))


def _hash(*words: str) -> str:
    data = "\x1f".join(words).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=8).hexdigest()
