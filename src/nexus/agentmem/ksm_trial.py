"""How fast KSM shall look, chosen from a short trial on this machine.

Each setting runs for a moment over what is marked (or, where nothing is, over a sample of our own), and how
many pages it looked at and what ksmd needed for it are read from the kernel. Knows nothing of what was there
before: the caller has written that down. Invariant: what is chosen was measured; where nothing can be
measured, the usual values are taken and that is said.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from nexus.agentmem.ksm import FOLDER, PAGE, Ksm
from nexus.agentmem.machine import Machine

# Of one core, while it looks.
MOST_PERCENT = 10.0
# Equal pages are merged the second time they are seen; all that is marked is seen once in so long.
ROUND_SECONDS = 30.0
# What is planned for at least, since more agents come: four of 256 MB.
_PLANNED_PAGES = 2**30 // PAGE
_SAMPLE_MIB = 64
_LEAST_PAGES = 256  # less than that in one trial is chance
_SETTLE = 0.25  # of the time of one trial, before it counts

# A quarter of it equal page by page, the rest random.
_SAMPLE = """
import mmap, os, sys
size = int(sys.argv[1]) << 20
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_NOHUGEPAGE)
area.madvise(mmap.MADV_MERGEABLE)
equal, at = os.urandom(mmap.PAGESIZE), 0
while at < size // 4:
    area[at : at + len(equal)] = equal
    at += len(equal)
while at < size:
    area[at : at + len(equal)] = os.urandom(len(equal))
    at += len(equal)
print(flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """Values below /sys/kernel/mm/ksm, in the order in which they are written."""

    name: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What one setting did."""

    setting: Setting
    pages: float  # looked at, each second
    percent: float  # of a core

    @property
    def micros(self) -> float:
        """Microseconds of ksmd for a page."""
        return self.percent * 1e4 / self.pages if self.pages else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """All of them, and which is taken."""

    tried: tuple[Tried, ...]
    chosen: Setting
    pages: int  # that are to be looked at in a round
    words: str  # on what, or why it could not be measured

    def lines(self) -> list[str]:
        """For people."""
        found = [f"trial over {self.words}"] if self.tried else [f"not measured: {self.words}"]
        for one in self.tried:
            a_round = f"{self.pages / one.pages:.0f} s" if one.pages else "never"
            mark = "  <- chosen" if one.setting == self.chosen else ""
            found.append(
                f"{one.setting.name}: {one.pages:,.0f} pages/s, {one.percent:.1f} % of a core, "
                f"{one.micros:.2f} us a page; {self.pages * PAGE >> 20} MB in {a_round}{mark}"
            )
        return found


def settings(machine: Machine, *, advisor: bool) -> list[Setting]:
    """What can be tried here; the kernel's own advisor (Linux 6.8) only where it is there and asked for."""
    has = machine.has(f"{FOLDER}/advisor_mode")
    still = (("advisor_mode", "none"),) if has else ()
    found = [
        Setting(
            f"{pages} pages each {sleep} ms",
            (*still, ("sleep_millisecs", str(sleep)), ("pages_to_scan", str(pages))),
        )
        for pages, sleep in ((100, 20), (500, 20), (1000, 20), (2000, 20), (4000, 20))
    ]
    if has and advisor:
        found.append(
            Setting(
                f"the kernel's advisor, {ROUND_SECONDS:.0f} s a round",
                (
                    ("sleep_millisecs", "20"),
                    ("advisor_mode", "none"),  # so that it begins anew
                    ("advisor_max_cpu", f"{MOST_PERCENT:.0f}"),
                    ("advisor_target_scan_time", f"{ROUND_SECONDS:.0f}"),
                    ("advisor_mode", "scan-time"),
                ),
            )
        )
    return found


USUAL = 2  # which of `settings` is taken where nothing can be measured


def touched(machine: Machine) -> list[str]:
    """Every file that a trial or what it chooses may change, in the order in which they are put back last."""
    names = ("run", "advisor_mode", "advisor_max_cpu", "advisor_target_scan_time", "smart_scan")
    return [
        f"{FOLDER}/{name}"
        for name in (*names, "sleep_millisecs", "pages_to_scan")
        if machine.has(f"{FOLDER}/{name}")
    ]


def choose(tried: Sequence[Tried], pages: int) -> Setting:
    """The cheapest that looks at everything within a round and takes no more than a tenth of a core.

    Where none is so fast, the fastest of those that cost no more; where all cost more, the cheapest.
    """
    fit = [one for one in tried if one.percent <= MOST_PERCENT and one.pages > 0]
    fast = [one for one in fit if pages / one.pages <= ROUND_SECONDS]
    if fast:
        return min(fast, key=lambda one: one.percent).setting
    if fit:
        return max(fit, key=lambda one: one.pages).setting
    return min(tried, key=lambda one: one.percent).setting


def use(machine: Machine, setting: Setting) -> None:
    """Write a setting. Raises `NexusError` where the kernel refuses."""
    for name, value in setting.values:
        if machine.read(f"{FOLDER}/{name}") != value:
            machine.write(f"{FOLDER}/{name}", value)


def trial(machine: Machine, seconds: float, wait: Callable[[float], None] = time.sleep) -> Trial:
    """Try each for `seconds`; what is chosen is in use afterwards, and KSM runs.

    The caller has noted all of `touched`. Raises `NexusError` where the kernel refuses a value.
    """
    ksm = Ksm(machine)
    usual = settings(machine, advisor=False)[USUAL]
    if seconds <= 0 or ksm.cpu() is None:
        why = "not asked for" if seconds <= 0 else "ksmd cannot be seen from here, so its cost is unknown"
        use(machine, usual)
        machine.write(f"{FOLDER}/run", "1")
        return Trial((), usual, 0, f"{why}; the usual {usual.name}")
    marked = ksm.marked()
    pages = sum(one.bytes for one in marked) // PAGE
    real = pages >= _SAMPLE_MIB * 2**20 // PAGE
    smart = machine.read(f"{FOLDER}/smart_scan")
    if smart == "1":  # passes over what did not merge lately, so that a trial would measure less and less
        machine.write(f"{FOLDER}/smart_scan", "0")
    with _sample(real):
        # What is seen for the first time costs less than what is looked for among the others.
        use(machine, settings(machine, advisor=False)[-1])
        machine.write(f"{FOLDER}/run", "1")
        wait(seconds)
        tried = tuple(_one(ksm, setting, seconds, wait) for setting in settings(machine, advisor=real))
    if smart == "1":
        machine.write(f"{FOLDER}/smart_scan", "1")
    words = f"{pages * PAGE >> 20} MB that {len(marked)} process(es) have marked"
    if not real:
        words = f"a sample of {_SAMPLE_MIB} MB, since little is marked yet"
    pages = max(pages, _PLANNED_PAGES)
    if max(one.pages for one in tried) * seconds < _LEAST_PAGES:
        use(machine, usual)
        return Trial((), usual, pages, f"ksmd looked at nothing; the usual {usual.name}")
    chosen = choose(tried, pages)
    use(machine, chosen)
    return Trial(tried, chosen, pages, words)


def _one(ksm: Ksm, setting: Setting, seconds: float, wait: Callable[[float], None]) -> Tried:
    use(ksm.machine, setting)
    wait(seconds * _SETTLE)
    before = ksm.figures()
    wait(seconds)
    after = ksm.figures()
    took = max(after.at - before.at, 1e-6)
    cpu = (after.cpu or 0.0) - (before.cpu or 0.0)
    return Tried(setting, (after.scanned - before.scanned) / took, max(0.0, cpu) / took * 100)


@contextmanager
def _sample(enough: bool) -> Iterator[None]:
    """Something to look at, while nobody has marked anything. It ends when we do, however."""
    if enough:
        yield
        return
    words = [sys.executable, "-I", "-c", _SAMPLE, str(_SAMPLE_MIB)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        assert process.stdin
        process.stdin.close()
