"""What a Flow remembers of one bit in one context: a bit history in one byte.

A state is (zeros, ones, last bit) seen, with small bounds: a long run of one bit may be counted up to 40, a
mixed history only roughly, and a surprise cuts the count of the other bit, so that old habits give way.
Invariant: at most 256 states, number 0 is "nothing seen", and the successor of a state is a state. The C
core holds the same table, made by the same rule.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# The most that may be counted of the commoner bit when the rarer one was counted 0, 1, 2 ... times.
_BOUND = (40, 30, 12, 8, 6, 5)
# Up to this many bits seen, the last one is remembered too.
_LAST_KEPT = 15

State = tuple[int, int, int]


@cache
def states() -> tuple[tuple[State, ...], NDArray[np.uint8]]:
    """All states in order of number, and `successor[state, bit]`, uint8 [256, 2]."""
    found: list[State] = [(0, 0, 0)]
    numbers = {found[0]: 0}
    successor = np.zeros((256, 2), np.uint8)
    # `found` grows while it is walked: breadth first, so that the order is the same everywhere.
    for number, state in enumerate(found):
        for bit in (0, 1):
            after = _after(state, bit)
            if after not in numbers:
                numbers[after] = len(found)
                found.append(after)
            successor[number, bit] = numbers[after]
    return tuple(found), successor


def _after(state: State, bit: int) -> State:
    seen, other = (state[1], state[0]) if bit else (state[0], state[1])
    seen += 1
    if other > 2:
        other = min(other - 1, 7) if other > 5 else other
    while max(seen, other) > (_BOUND[min(seen, other)] if min(seen, other) < len(_BOUND) else 0):
        if seen >= other:
            seen -= 1
        else:
            other -= 1
    zeros, ones = (other, seen) if bit else (seen, other)
    last = bit if min(zeros, ones) > 0 and zeros + ones <= _LAST_KEPT else 0
    return (zeros, ones, last)


@cache
def counted() -> NDArray[np.uint8]:
    """How many bits each state has counted, uint8 [256]: what is worth keeping when a bucket is needed."""
    table = np.zeros(256, np.uint8)
    table[: len(states()[0])] = [zeros + ones for zeros, ones, _ in states()[0]]
    return table


@cache
def first_guess() -> NDArray[np.float32]:
    """The probability of a one that each state starts with, float32 [256]."""
    table = np.full(256, 0.5, np.float32)
    for number, (zeros, ones, _) in enumerate(states()[0]):
        table[number] = np.float32((ones + 0.4) / (zeros + ones + 0.8))
    return table
