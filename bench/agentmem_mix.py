"""More conversation than there is: turns of real sessions, mixed and changed. For agentmem_profile.py.

Every session is cut into runs of 40 to 160 turns, the runs of all sessions are shuffled, and in each run
the ten digits are permuted and 20 of the session's 60 most frequent long words replaced by made ones.
What comes out is cut into pieces of one size. Nothing is taken twice before everything was taken once,
and then it is cut, shuffled and changed in another way. Two agents have other orders, other numbers and
other names, but share what is left of their sentences; the store keeps private conversations apart, so
that this helps it only within one agent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from nexus.agentmem.demo.transcripts import Transcripts

_WORD = re.compile(rb"\b[A-Za-z_]{6,24}\b")
_SYLLABLES = [a + b for a in b"b d f g k l m n p r s t v z".decode().split() for b in "aeiou"]
_FREQUENT, _REPLACED = 60, 20
DIGITS = b"0123456789"


class Source:
    """The turns of all sessions below a folder, and the words that are changed in each."""

    def __init__(self, folder: Path) -> None:
        sessions = Transcripts(folder).sessions
        self.turns = [[said.text.encode() for said in session.messages] for session in sessions]
        self.words = [
            [word for word, _ in Counter(_WORD.findall(b"\n".join(turns))).most_common(_FREQUENT)]
            for turns in self.turns
        ]
        self.bytes = sum(len(turn) for turns in self.turns for turn in turns)


def changed(run: bytes, words: Sequence[bytes], random: Random) -> bytes:
    """Other numbers, other names."""
    digits = list(DIGITS)
    random.shuffle(digits)
    run = run.translate(bytes.maketrans(DIGITS, bytes(digits)))
    for word in random.sample(words, min(_REPLACED, len(words))):
        made = "".join(random.choices(_SYLLABLES, k=(len(word) + 1) // 2)).encode()[: len(word)]
        run = run.replace(word, made)
    return run


def _runs(source: Source, random: Random) -> Iterator[bytes]:
    while True:
        cuts = []
        for number, turns in enumerate(source.turns):
            first = 0
            while first < len(turns):
                last = first + random.randrange(40, 161)
                cuts.append((number, first, last))
                first = last
        random.shuffle(cuts)
        for number, first, last in cuts:
            run = b"\n".join(source.turns[number][first:last])
            yield changed(run, source.words[number], random)


def pieces(source: Source, seed: str, size: int) -> Iterator[bytes]:
    """Pieces of exactly this size, without end."""
    held = bytearray()
    for run in _runs(source, Random(seed)):
        held += run
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
