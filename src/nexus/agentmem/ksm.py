"""What merging equal pages (KSM) saves on this machine, what it costs, and whose memory it looks at.

All of it is the kernel's own word: counters below /sys/kernel/mm/ksm, the processor time of its thread ksmd,
and the mark that each region carries in /proc/PID/smaps. Knows nothing of who turns it on or off. Invariant:
what the kernel does not tell is None or 0, never a guess.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nexus.agentmem.machine import Machine

FOLDER = "/sys/kernel/mm/ksm"
PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
# What the kernel keeps for each page that it looks after (struct ksm_rmap_item), where it does not count it.
_ITEM_BYTES = 64
_CARED_FOR = ("pages_shared", "pages_sharing", "pages_unshared", "pages_volatile")
_OF_THE_KERNEL = 2  # the process id of kthreadd, whose child ksmd is
_VMA = re.compile(rb"^[0-9a-f]+-[0-9a-f]+ ")


@dataclass(frozen=True, slots=True)
class Figures:
    """KSM at one moment."""

    at: float  # seconds of the monotonic clock
    profit: int  # bytes saved, less what the kernel keeps for it; negative: it costs memory
    sharing: int  # pages that are one with another
    scanned: int  # pages looked at since the machine began
    cpu: float | None  # seconds of ksmd since then; None: it cannot be seen from here


@dataclass(frozen=True, slots=True)
class Marked:
    """A process whose memory KSM looks at."""

    pid: int
    program: str
    bytes: int  # of that memory, as it is in RAM
    regions: int


class Ksm:
    """The kernel's figures on one machine; it remembers where ksmd is."""

    def __init__(self, machine: Machine, clock: Callable[[], float] = time.monotonic) -> None:
        self.machine, self._clock, self._pid = machine, clock, 0

    def figures(self) -> Figures:
        """As of now."""
        return Figures(
            self._clock(),
            self.profit(),
            self._count("pages_sharing"),
            self._count("pages_scanned"),
            self.cpu(),
        )

    def profit(self) -> int:
        """Bytes that it saves. The kernel's own sum (Linux 6.1), else the same sum from its counts."""
        said = self.machine.read(f"{FOLDER}/general_profit")
        if re.fullmatch(r"-?\d+", said):
            return int(said)
        overhead = sum(self._count(name) for name in _CARED_FOR) * _ITEM_BYTES
        return (self._count("pages_sharing") + self._count("ksm_zero_pages")) * PAGE - overhead

    def cpu(self) -> float | None:
        """Seconds that ksmd has used since the machine began; None: no such thread is to be seen."""
        proc = self.machine.path("/proc")
        if not is_ksmd(self.machine.read_bytes(f"/proc/{self._pid}/stat")):
            names = (name for name in os.listdir(proc) if name.isdigit())  # noqa: PTH208
            found = (name for name in names if is_ksmd(self.machine.read_bytes(f"/proc/{name}/stat")))
            self._pid = int(next(found, "0"))
        if not self._pid:
            return None
        # In nanoseconds where the kernel counts so; else in ticks, mostly of ten milliseconds.
        exact = self.machine.read_bytes(f"/proc/{self._pid}/schedstat").split()
        if exact and exact[0].isdigit():
            return int(exact[0]) / 1e9
        return cpu_of(self.machine.read_bytes(f"/proc/{self._pid}/stat"))

    def marked(self) -> list[Marked]:
        """Each process with memory marked for merging that this user may look into, the largest first."""
        found = []
        for name in os.listdir(self.machine.path("/proc")):  # noqa: PTH208
            if not name.isdigit():
                continue
            said = self.machine.read_bytes(f"/proc/{name}/ksm_stat")
            if b"ksm_mergeable: no" in said and b"ksm_merge_any: no" in said:
                continue  # Linux 6.16 tells it at once
            size, regions = marked_in(self.machine.read_bytes(f"/proc/{name}/smaps").splitlines())
            if regions:
                program = self.machine.read_bytes(f"/proc/{name}/comm").decode(errors="replace").strip()
                found.append(Marked(int(name), program, size, regions))
        return sorted(found, key=lambda one: (-one.bytes, one.pid))

    def _count(self, name: str) -> int:
        said = self.machine.read(f"{FOLDER}/{name}")
        return int(said) if said.isdigit() else 0


def is_ksmd(stat: bytes) -> bool:
    """Whether a /proc/PID/stat is that of the kernel's thread: anybody may call a program ksmd."""
    name, end = stat[stat.find(b"(") + 1 : stat.rfind(b")")], stat.rfind(b")")
    fields = stat[end + 2 :].split()
    return end > 0 and name == b"ksmd" and len(fields) > 1 and fields[1] == b"%d" % _OF_THE_KERNEL


def cpu_of(stat: bytes) -> float | None:
    """Seconds in user and system mode from a /proc/PID/stat; None: it is no such line."""
    fields = stat[stat.rfind(b")") + 2 :].split()
    if b")" not in stat or len(fields) < 13 or not (fields[11].isdigit() and fields[12].isdigit()):
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS


def marked_in(smaps: Iterable[bytes]) -> tuple[int, int]:
    """(bytes in RAM, regions) that a process has marked, from the lines of its smaps."""
    size = regions = anonymous = 0
    for line in smaps:
        if _VMA.match(line):
            anonymous = 0
        elif line.startswith(b"Anonymous:"):
            words = line.split()
            anonymous = int(words[1]) * 1024 if len(words) > 1 and words[1].isdigit() else 0
        elif line.startswith(b"VmFlags:") and b"mg" in line.split():
            size, regions = size + anonymous, regions + 1
    return size, regions


def per_second(saved: float, cpu: float) -> float:
    """MB saved for each second of ksmd's processor time."""
    return saved / 2**20 / cpu if cpu > 0 else float("inf")
