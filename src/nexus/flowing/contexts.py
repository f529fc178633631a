"""Context: what stands before the next byte, as hashes.

Orders 0 to 6 and 8; the word so far, alone, with those before it and with the line's beginning; bytes with
gaps. Knows no tables.
Invariant: every hash is a 64-bit number that depends on the bytes since `begin` alone, in the same way on
every machine; the C core makes the same numbers.
"""

from __future__ import annotations

ORDERS = 6
CONTEXTS = 14
WINDOW = 32
_MASK = (1 << 64) - 1
_A = 0x9E3779B97F4A7C15
_B = 0xD6E8FEB86659FD93


def mixed(value: int) -> int:
    """A 64-bit number in which every bit of `value` matters."""
    value = ((value ^ (value >> 32)) * _B) & _MASK
    value = ((value ^ (value >> 29)) * _A) & _MASK
    return value ^ (value >> 32)


class Context:
    """The bytes since the text began, as far as predictions look back."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was read."""
        self.window = bytearray(WINDOW)  # the last bytes, oldest first
        self.length = 0  # bytes since the beginning, at most WINDOW are kept
        self.last = 0  # the last eight bytes, newest lowest
        self.words = (0, 0, 0)  # hashes of the word so far and of the two before it
        self.line = 0  # the first two bytes of the line

    def add(self, byte: int) -> None:
        """`byte` was read."""
        self.window = self.window[1:] + bytes((byte,))
        self.length += 1
        self.last = ((self.last << 8) | byte) & _MASK
        if self.line < 256:
            self.line = self.line << 8 | byte
        if byte == 10:
            self.line = 0
        lower = byte | 32 if 65 <= byte <= 90 else byte
        word, previous, _ = self.words
        if 97 <= lower <= 122 or byte >= 128:
            self.words = (((word ^ lower) * _B + 1) & _MASK, *self.words[1:])
        elif word:
            self.words = (0, word, previous)

    def hashes(self) -> list[int]:
        """One number for each of the `CONTEXTS`; those of orders 0 to 6 first, in this order."""
        last, (word, previous, before) = self.last, self.words
        parts = [last & ((1 << 8 * order) - 1) for order in range(ORDERS + 1)]
        parts += [
            last,
            word,
            word + 3 * previous,
            word + 3 * previous + 5 * before,
            last & 0xFF00FF,
            word + self.line,
            previous + (last & 0xFF),
        ]
        return [mixed((part + (number + 1) * _A) & _MASK) for number, part in enumerate(parts)]

    def tail(self) -> int:
        """A hash of the last six bytes, where repeats are looked up."""
        return mixed(self.last & 0xFFFFFFFFFFFF)
