"""How much memory an agent takes: what the kernel counts for each of its processes, added up.

Sums are of PSS, never of RSS: what several processes share is counted once. Knows nothing of states.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from nexus.agentmem.pageout import meminfo

_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of one agent, or of several together."""

    rss: int = 0
    pss: int = 0
    private: int = 0
    shared: int = 0  # of RSS, what others have too
    swapped: int = 0  # proportional, as PSS is
    merged: int = 0  # pages that KSM holds once for several

    def __add__(self, other: Footprint) -> Footprint:
        return Footprint(*(a + b for a, b in zip(self._numbers(), other._numbers(), strict=True)))

    def as_dict(self) -> dict[str, int]:
        """For JSON, in bytes."""
        return asdict(self)

    def _numbers(self) -> tuple[int, ...]:
        return self.rss, self.pss, self.private, self.shared, self.swapped, self.merged


@dataclass(frozen=True, slots=True)
class Compression:
    """How zswap does on this machine now, for all processes together."""

    in_zswap: float  # share of what is swapped that is compressed in RAM
    ratio: float  # what it was by what it takes; 0 where zswap holds nothing

    def in_ram(self, swapped: int) -> int:
        """An estimate of the RAM that `swapped` bytes take: the kernel does not say it by process."""
        return round(swapped * self.in_zswap / self.ratio) if self.ratio else 0


def footprint(pids: Iterable[int], proc: Path = Path("/proc")) -> Footprint:
    """What these processes take. One that ended meanwhile, or may not be seen, counts nothing."""
    total = Footprint()
    for pid in pids:
        try:
            lines = (proc / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        total += Footprint(
            rss=kib.get("Rss", 0) * 1024,
            pss=kib.get("Pss", 0) * 1024,
            private=(kib.get("Private_Clean", 0) + kib.get("Private_Dirty", 0)) * 1024,
            shared=(kib.get("Shared_Clean", 0) + kib.get("Shared_Dirty", 0)) * 1024,
            swapped=kib.get("SwapPss", 0) * 1024,
            merged=_merged(pid, proc),
        )
    return total


def compression(proc: Path = Path("/proc")) -> Compression:
    """What zswap says of itself now."""
    found = meminfo(proc)
    held, pool = found.get("Zswapped", 0), found.get("Zswap", 0)
    used = found.get("SwapTotal", 0) - found.get("SwapFree", 0)
    return Compression(min(1.0, held / used) if used > 0 else 0.0, held / pool if pool else 0.0)


def _merged(pid: int, proc: Path) -> int:
    try:
        lines = (proc / str(pid) / "ksm_stat").read_text().splitlines()
    except OSError:
        return 0
    words = dict(line.split()[:2] for line in lines if len(line.split()) >= 2)
    return int(words.get("ksm_merging_pages", 0)) * _PAGE
