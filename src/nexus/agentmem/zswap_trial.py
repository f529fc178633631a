"""Which compressor zswap shall use, and how much RAM, measured in this kernel on pages of the agents here.

A copy of the pages is paged out and touched again under each compressor that the kernel has; how much RAM
they took is the kernel's own count. Knows nothing of what was set before: the caller has written that down.
Invariants: agents' own memory is not moved; what cannot be measured (no swap, a compressor that this kernel
lacks, a machine where others swap meanwhile) is said and never guessed.
"""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nexus.agentmem.ksm import PAGE
from nexus.agentmem.machine import Machine
from nexus.core.errors import NexusError

FOLDER = "/sys/module/zswap/parameters"
# Taken where nothing is measured: the best ratio first, of those that are quick.
USUAL = ("zstd", "lzo-rle", "lz4")
_KNOWN = (*USUAL, "lzo", "deflate", "842", "lz4hc")
USUAL_PERCENT = 40
_LEAST_PERCENT, _MOST_PERCENT = 20, 50
# A page is back in so much processor time at most: 64 MB, what an agent wakes with, in half a second.
_SLOWEST_BACK = 30.0
# Pausing an agent of 256 MB takes a core three seconds at most.
_SLOWEST_OUT = 50.0
_AS_GOOD = 0.95  # of the best ratio: then the quicker one
_LEAST_PAGES = 256
_PAGEOUT = getattr(mmap, "MADV_PAGEOUT", 21)


@dataclass(frozen=True, slots=True)
class Measured:
    """One compressor on the sample."""

    name: str
    ratio: float
    out: float  # microseconds of processor time for a page, out of RAM
    back: float  # and back


@dataclass(frozen=True, slots=True)
class Trial:
    """All that this kernel has, and which is taken."""

    measured: tuple[Measured, ...]
    absent: tuple[str, ...]  # that this kernel does not have
    chosen: str
    percent: int  # of RAM
    words: str  # on what, or why it could not be measured

    def lines(self) -> list[str]:
        """For people."""
        found = [f"trial over {self.words}"] if self.measured else [f"not measured: {self.words}"]
        for one in self.measured:
            mark = "  <- chosen" if one.name == self.chosen else ""
            found.append(
                f"{one.name}: {one.ratio:.2f} times smaller, "
                f"out {one.out:.1f} us, back {one.back:.1f} us a page{mark}"
            )
        if self.absent:
            found.append(f"not in this kernel: {', '.join(self.absent)}")
        if self.measured:
            found.append(f"at most {self.percent} % of RAM, so that all of swap fits compressed")
        return found


def offered(crypto: str) -> list[str]:
    """Names to try: those that are known and whatever compressor /proc/crypto lists beside them."""
    found = list(_KNOWN)
    for block in re.split(r"\n\s*\n", crypto):
        values = dict(re.findall(r"^(\w+)\s*:\s*(\S+)$", block, re.MULTILINE))
        if values.get("type") in ("scomp", "acomp", "compression") and values.get("name") not in found:
            found.append(values.get("name", ""))
    return [name for name in found if name]


def choose(measured: Sequence[Measured]) -> str:
    """The best ratio of those that are quick both ways, the quickest of equals; else the quickest of all."""
    quick = [one for one in measured if one.back <= _SLOWEST_BACK and one.out <= _SLOWEST_OUT]
    best = max((one.ratio for one in quick), default=0.0)
    good = [one for one in quick if one.ratio >= _AS_GOOD * best] or measured
    return min(good, key=lambda one: one.out + one.back).name


def pool_percent(ratio: float, swap: int, memory: int) -> int:
    """Of RAM, so that all of swap fits compressed, but no more than half."""
    if ratio <= 0 or memory <= 0:
        return USUAL_PERCENT
    return min(_MOST_PERCENT, max(_LEAST_PERCENT, -int(-100 * swap / ratio // memory)))


def trial(machine: Machine, pages: bytes, words: str) -> Trial:
    """Measure each compressor on these pages; what is chosen is set afterwards. zswap must be on.

    Raises nothing where one cannot be measured; the usual order decides then.
    """
    found = machine.meminfo()
    if not found.get("SwapTotal"):
        return unmeasured(machine, "there is no swap to page out to")
    if len(pages) < _LEAST_PAGES * PAGE:
        return unmeasured(machine, "there are too few pages to try it on")
    measured, absent = [], []
    with mmap.mmap(-1, len(pages), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as region:
        region.madvise(mmap.MADV_NOHUGEPAGE)
        region[:] = pages
        for name in offered("\n".join(machine.read_lines("/proc/crypto"))):
            try:
                machine.write(f"{FOLDER}/compressor", name)
            except NexusError:
                absent.append(name)
                continue
            one = _one(machine, region, name)
            if one is None:
                return unmeasured(machine, "zswap did not take what was paged out, or others swap meanwhile")
            measured.append(one)
    if not measured:
        return unmeasured(machine, "this kernel has no compressor that zswap takes")
    chosen = choose(measured)
    machine.write(f"{FOLDER}/compressor", chosen)
    ratio = next(one.ratio for one in measured if one.name == chosen)
    percent = pool_percent(ratio, found["SwapTotal"], found.get("MemTotal", 0))
    return Trial(tuple(measured), tuple(absent), chosen, percent, words)


def unmeasured(machine: Machine, why: str) -> Trial:
    """The first of the usual order that this kernel has, set."""
    for name in USUAL:
        try:
            machine.write(f"{FOLDER}/compressor", name)
            break
        except NexusError:
            continue  # not in this kernel; where none is, the one that was there stays
    chosen = machine.read(f"{FOLDER}/compressor")
    return Trial((), (), chosen, USUAL_PERCENT, f"{why}; the usual order gives {chosen}")


def _one(machine: Machine, region: mmap.mmap, name: str) -> Measured | None:
    pages = len(region) // PAGE
    # Written anew, so that no copy from the round before is still in swap.
    for at in range(0, len(region), PAGE):
        region[at] = region[at]
    before, began = machine.meminfo(), time.thread_time()
    region.madvise(_PAGEOUT)
    region.madvise(_PAGEOUT)  # the first time the kernel leaves what it was just moving
    out = time.thread_time() - began
    after = machine.meminfo()
    held = after.get("Zswapped", 0) - before.get("Zswapped", 0)
    pool = after.get("Zswap", 0) - before.get("Zswap", 0)
    began = time.thread_time()
    for at in range(0, len(region), PAGE):
        region[at]
    back = time.thread_time() - began
    # Nearly all of it must be there, and not much beside it.
    if pool <= 0 or not 0.8 * len(region) <= held <= 1.2 * len(region):
        return None
    return Measured(name, held / pool, out / pages * 1e6, back / pages * 1e6)
