"""Real pages of agents, copied to try compressors on.

Read through /proc/PID/pagemap and /proc/PID/mem, which root may. Knows nothing of compressors. Invariants:
only pages that are in RAM are read, so looking brings nothing back from swap and makes no new page; empty
pages are left out, since zswap stores none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from nexus.agentmem.ksm import PAGE
from nexus.agentmem.machine import Machine

_PRESENT = 1 << 63
_RUN = 16  # pages taken in a row, as the kernel reads ahead
_VMA = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ (\d+) *(.*)")
_EMPTY = bytes(PAGE)


def sample(machine: Machine, pids: Sequence[int], most: int) -> bytes:
    """Up to `most` bytes in whole pages of the private memory of these processes, from all over it."""
    share = most // max(1, len(pids)) // PAGE
    return b"".join(b"".join(_of(machine, pid, share)) for pid in pids)


def private_ranges(maps: Sequence[str]) -> list[tuple[int, int]]:
    """Where a process keeps private writable memory without a file, from the lines of its /proc/PID/maps."""
    found = []
    for line in maps:
        match = _VMA.fullmatch(line.rstrip())
        if match and match[3] == "0" and match[4] in ("", "[heap]"):
            found.append((int(match[1], 16), int(match[2], 16)))
    return found


def present(entries: bytes) -> list[int]:
    """Which pages are in RAM, from a piece of /proc/PID/pagemap."""
    whole = len(entries) // 8 * 8
    words = memoryview(entries[:whole]).cast("Q")
    return [number for number, word in enumerate(words) if word & _PRESENT]


def spread(runs: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Some of these (address, pages), evenly from all of them, `most` pages together."""
    total = sum(pages for _, pages in runs)
    if total <= most or not runs:
        return list(runs)
    wanted = max(1, most * len(runs) // total)
    return [runs[number * len(runs) // wanted] for number in range(wanted)]


def _of(machine: Machine, pid: int, most: int) -> Iterator[bytes]:
    try:
        with (
            machine.path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap,
            machine.path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory,
        ):
            runs = list(_runs(pagemap.fileno(), private_ranges(machine.read_lines(f"/proc/{pid}/maps"))))
            for address, pages in spread(runs, most):
                try:
                    taken = os.pread(memory.fileno(), pages * PAGE, address)
                except OSError:
                    continue  # it was given back meanwhile
                for begin in range(0, len(taken) - PAGE + 1, PAGE):
                    if (page := taken[begin : begin + PAGE]) != _EMPTY:
                        yield page
    except OSError:
        return  # it has ended, or may not be read


def _runs(pagemap: int, ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(address, pages) of what is in RAM, in pieces of no more than `_RUN` pages."""
    for low, high in ranges:
        first, last = low // PAGE, high // PAGE
        while first < last:
            entries = os.pread(pagemap, min(last - first, 65536) * 8, first * 8)
            if len(entries) < 8:
                break
            begin = length = 0
            for number in present(entries):
                if length and number == begin + length and length < _RUN:
                    length += 1
                    continue
                if length:
                    yield (first + begin) * PAGE, length
                begin, length = number, 1
            if length:
                yield (first + begin) * PAGE, length
            first += len(entries) // 8
