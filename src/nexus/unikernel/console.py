"""What a tender of the frames "all" leaves to us: output, input, time, random numbers, sleep.

The tenders in C answer these themselves (native/libos/tenders/calls.c) in the same way. Knows nothing of
limits. Invariant: an answer to any argument and bytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from nexus.unikernel.abi import Errno, Op

Sink = Callable[[int, bytes], None]

OPS = frozenset((Op.WRITE, Op.READ, Op.TIME, Op.RANDOM, Op.SLEEP))


class Console:
    """Standard input is `stdin`; output goes to `sink(1 or 2, bytes)`. EXIT and SLEEP are the caller's."""

    def __init__(self, stdin: bytes, sink: Sink) -> None:
        self._input = memoryview(stdin)
        self._sink = sink

    def answer(self, op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
        """(result or -NX_E*, bytes)."""
        if op == Op.WRITE and arg in (1, 2):
            self._sink(arg, data)
            return len(data), b""
        if op == Op.READ and arg == 0:
            piece, self._input = bytes(self._input[:out_cap]), self._input[out_cap:]
            return len(piece), piece
        if op == Op.TIME and arg in (0, 1):
            return (time.monotonic_ns() if arg else time.time_ns()), b""
        if op == Op.RANDOM:
            return out_cap, os.urandom(out_cap)
        return -Errno.EINVAL, b""
