"""Memory: bit histories under hashed contexts, and where the last bytes stood before. NumPy, exact, slow.

Knows the contexts' hashes and the state table, not how inputs are mixed. A bucket holds the histories of
the 15 nodes of half a byte; byte 0 tells contexts apart. Four neighbouring buckets, one cache line, may hold
a context; the one that has counted least gives way. Invariant: without `learn` nothing here changes but
where the last match goes on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nexus.flowing import states
from nexus.flowing.contexts import _A, _MASK, CONTEXTS, WINDOW, Context, mixed

Floats = NDArray[np.float32]
INPUTS = 2 * CONTEXTS + 2  # two for each context, two for the match
SHORTEST = 6
MATCHES = 16
SITUATIONS = 32  # eight by how many of the longer contexts know the next bit, four by the match
FAMILIAR = 10  # from this match on, what comes true is a repetition
_LIMIT = 1000  # a probability's rate falls from 1 / 8 to 1 / (8 + this)
_FIRST = np.float32(8)


def stretch(p: Floats | np.float32) -> Floats:
    """ln(p / (1 - p)), the domain in which predictions are mixed."""
    return np.asarray(np.log(p / (np.float32(1) - p)), np.float32)


class Memory:
    """What one kind of text has left behind: histories, their meanings, and the text itself."""

    def __init__(self, bits: int, match_bits: int) -> None:
        self.bits, self.match_bits = bits, match_bits
        self.buckets = np.zeros((1 << bits, 16), np.uint8)
        self.guess = np.tile(states.first_guess(), (CONTEXTS, 1))  # [context, state]
        self.tries = np.zeros((CONTEXTS, 256), np.uint16)
        self.text = np.zeros(1 << match_bits, np.uint8)  # a ring
        self.places = np.zeros(1 << (match_bits - 3), np.uint32)  # after the last six bytes; 0 is nowhere
        self.match_guess = np.full(MATCHES, 0.75, np.float32)
        self.match_tries = np.zeros(MATCHES, np.uint16)
        self.total = 0  # bytes ever learnt
        self.rows = np.full(CONTEXTS, -1)
        self.seen = np.zeros(CONTEXTS, np.uint8)
        self.begin()

    def begin(self) -> None:
        """A new text: the match is lost."""
        self.pointer, self.length = 0, 0

    def find(self, hashes: list[int], learn: bool) -> None:
        """Look up the buckets of half a byte; where `learn`, take one for each context that has none."""
        for number, value in enumerate(hashes):
            first = (value >> (64 - (self.bits - 2))) << 2 if self.bits > 2 else 0
            check = (value >> 8) & 0xFF
            line = self.buckets[first : first + 4]
            same = np.flatnonzero(line[:, 0] == check)
            if len(same):
                self.rows[number] = first + same[0]
            elif learn:
                row = int(np.argmin(states.counted()[line[:, 1]]))
                line[row] = 0
                line[row, 0] = check
                self.rows[number] = first + row
            else:
                self.rows[number] = -1

    def foresee(self) -> None:
        """Which byte followed when the last bytes stood somewhere before? -1 where that is not known."""
        size = 1 << self.match_bits
        if not 1 <= self.total - self.pointer <= size:  # all was followed, or it was overwritten
            self.length = 0
        self.expected = int(self.text[self.pointer & (size - 1)]) if self.length else -1
        self.match = min(MATCHES - 1, (self.length - SHORTEST) // 2 + 1) if self.length else 0

    def _agreeing(self, place: int, context: Context) -> int:
        """How many bytes before `place` equal the last bytes read, at most WINDOW."""
        mask, count = (1 << self.match_bits) - 1, 0
        while count < min(WINDOW, context.length, place):
            if self.text[(place - 1 - count) & mask] != context.window[WINDOW - 1 - count]:
                break
            count += 1
        return count

    def inputs(self, node: int, depth: int) -> Floats:
        """[INPUTS] what the contexts say of the next bit; 0 where one says nothing.

        `node` is 1 and the `depth` bits of the byte that are known.
        """
        slot = node if depth < 4 else (1 << (depth - 4)) | (node & ((1 << (depth - 4)) - 1))
        self.slot = slot
        self.seen = np.where(self.rows >= 0, self.buckets[self.rows, slot], 0)
        guess = self.guess[np.arange(CONTEXTS), self.seen]
        known = self.seen > 0
        values = np.zeros(INPUTS, np.float32)
        values[:CONTEXTS] = np.where(known, stretch(guess), 0)
        values[CONTEXTS : 2 * CONTEXTS] = np.where(known, (guess - np.float32(0.5)) * np.float32(4), 0)
        self.foreseen = self.expected >= 0 and (self.expected | 256) >> (8 - depth) == node
        if self.foreseen:
            sign = np.float32(1 if self.expected >> (7 - depth) & 1 else -1)
            sure = self.match_guess[self.match]
            values[-2] = sign * stretch(sure)
            values[-1] = sign * (sure - np.float32(0.5)) * np.float32(4)
        follows = 0 if not self.foreseen else 1 if self.match < 5 else 2 if self.match < FAMILIAR else 3
        self.situation = 4 * int(np.count_nonzero(known[1:8])) + follows
        self.familiar = self.foreseen and self.match >= FAMILIAR
        return values

    def learn(self, bit: int, depth: int) -> None:
        """The bit that `inputs` was asked about."""
        which = np.arange(CONTEXTS)
        tries = self.tries[which, self.seen]
        guess = self.guess[which, self.seen]
        moved = guess + (np.float32(bit) - guess) / (tries.astype(np.float32) + _FIRST)
        # Of a repetition only the histories learn: a text read twice must not seem twice as sure.
        known = (self.seen > 0) & (not self.familiar)
        self.guess[which, self.seen] = np.where(known, np.clip(moved, 1 / 4096, 1 - 1 / 4096), guess)
        self.tries[which, self.seen] = np.where(known & (tries < _LIMIT), tries + 1, tries)
        self.buckets[self.rows, self.slot] = states.states()[1][self.seen, bit]
        if self.foreseen:
            right = np.float32((self.expected >> (7 - depth) & 1) == bit)
            sure, count = self.match_guess[self.match], self.match_tries[self.match]
            sure += (right - sure) / (np.float32(count) + _FIRST)
            self.match_guess[self.match] = np.clip(sure, 1 / 4096, 1 - 1 / 4096)
            self.match_tries[self.match] = min(count + 1, _LIMIT)

    def follow(self, byte: int, context: Context) -> None:
        """`byte`, the last that `context` has, was read: the match goes on, or another is looked for.

        Before `keep`, which would have the last bytes find themselves.
        """
        if self.length and self.expected == byte:
            self.pointer += 1
            self.length = min(self.length + 1, 65535)
            return
        self.length = 0
        place = int(self.places[context.tail() >> (64 - (self.match_bits - 3))])
        # Places are kept in 32 bits; which 4 GB of the stream they belong to, their age tells.
        age = (self.total - place) & 0xFFFFFFFF
        if (
            context.length >= SHORTEST
            and place
            and 1 <= age <= min((1 << self.match_bits) - WINDOW, self.total)
        ):
            self.pointer = self.total - age
            self.length = self._agreeing(self.pointer, context)
            if self.length < SHORTEST:
                self.length = 0

    def keep(self, byte: int, context: Context) -> None:
        """`byte`, the last that `context` has, was learnt: matches may be found in it."""
        self.text[self.total & ((1 << self.match_bits) - 1)] = byte
        self.total += 1
        if context.length >= SHORTEST:
            self.places[context.tail() >> (64 - (self.match_bits - 3))] = self.total & 0xFFFFFFFF


def second_half(hashes: list[int], node: int) -> list[int]:
    """The hashes for the second half of the byte; `node` is 1 and the four bits that are known."""
    return [mixed((value + node * _A) & _MASK) for value in hashes]
