"""Context: what stands before the next byte, as hashes.

Orders 0 to 6, the word so far, the word with the one before it, and bytes with gaps. Knows no tables.
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
        self.word = 0
        self.previous_word = 0
        self.line = 0  # the first bytes of the line, up to four

    def add(self, byte: int) -> None:
        """`byte` was read."""
        self.window = self.window[1:] + bytes((byte,))
        self.length += 1
        self.last = ((self.last << 8) | byte) & _MASK
        lower = byte | 32 if 65 <= byte <= 90 else byte
        if 97 <= lower <= 122 or byte >= 128:
            self.word = ((self.word ^ lower) * _B + 1) & _MASK
        elif self.word:
            self.previous_word, self.word = self.word, 0
        self.line = 0 if byte == 10 else self.line

    def hashes(self) -> list[int]:
        """One number for each of the `CONTEXTS`; those of orders 0 to 6 first, in this order."""
        last = self.last
        parts = [last & ((1 << 8 * order) - 1) for order in range(ORDERS + 1)]
        parts += [
            last,
            self.word,
            (self.word + self.previous_word * 3) & _MASK,
            last & 0xFFFF00,
            last & 0xFF00FF,
            last & 0xFFFF0000,
            (self.previous_word + (last & 0xFF)) & _MASK,
        ]
        return [mixed((part + (number + 1) * _A) & _MASK) for number, part in enumerate(parts)]

    def tail(self) -> int:
        """A hash of the last six bytes, where repeats are looked up."""
        return mixed(self.last & 0xFFFFFFFFFFFF)
