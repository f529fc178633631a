"""Whether an agent does anything: its processor time, what it reads and writes, and its terminal.

What is looked at, and how reliable it is: processor time of every process (10 ms steps); bytes through
read() and write(), which is how terminals, pipes, files and most sockets are used (sockets that are used by
recv() and send() are not in it, but cost processor time); the times of the terminal when the agent is what
the terminal listens to (8 s steps). Knows nothing of what follows from it. Invariants: an `Activity` is
bounded by the number of processes; `quiet` depends on its arguments only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.agentmem.process_tree import TICKS, Process, terminal_path

# Timers and collectors of idle language runtimes stay below both: threads that wake each other read 8 bytes,
# a few times. A single key press may be below too; it is seen by the terminal's time.
QUIET_SHARE = 0.01  # of one core
QUIET_BYTES = 4.0  # a second
# And once: counting in ticks adds the one, a collector's turn the other.
_STEP_SECONDS, _STEP_BYTES = 0.05, 64


@dataclass(frozen=True, slots=True)
class Activity:
    """What a tree of processes had done by a moment."""

    at: float  # seconds on a clock that never goes back
    processor: dict[int, float]  # seconds of processor time by process id
    bytes: dict[int, int]  # read and written, by process id; -1: may not be seen
    terminal: float = 0.0  # when it was last written to or read from, seconds since 1970; 0: none

    @property
    def seconds(self) -> float:
        """Processor time of all together."""
        return sum(self.processor.values())


def observe(tree: Sequence[Process], at: float, proc: Path = Path("/proc")) -> Activity:
    """What the processes have done until now."""
    return Activity(
        at,
        {process.pid: process.cpu / TICKS for process in tree},
        {process.pid: _bytes_of(process.pid, proc) for process in tree},
        _terminal_time(tree[0]) if tree else 0.0,
    )


def quiet(before: Activity, after: Activity) -> bool:
    """Whether next to nothing happened between two moments. A process that began or ended is something."""
    if before.processor.keys() != after.processor.keys() or before.terminal != after.terminal:
        return False
    seconds = max(0.0, after.at - before.at)
    worked = sum(max(0.0, after.processor[pid] - before.processor[pid]) for pid in after.processor)
    moved = sum(max(0, after.bytes.get(pid, 0) - before.bytes.get(pid, 0)) for pid in after.bytes)
    return worked <= QUIET_SHARE * seconds + _STEP_SECONDS and moved <= QUIET_BYTES * seconds + _STEP_BYTES


class Idleness:
    """Since when each of several agents is idle, from one `Activity` after the other."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Activity, float]] = {}  # by agent: latest, and when it was last active

    def seen(self, key: str, now: Activity) -> float:
        """Note what an agent has done. Returns its idle seconds; a new one counts as active."""
        before = self._last.get(key)
        since = before[1] if before and quiet(before[0], now) else now.at
        self._last[key] = now, since
        return now.at - since

    def __contains__(self, key: str) -> bool:
        return key in self._last

    def keep(self, keys: Sequence[str]) -> None:
        """Forget all others."""
        kept = set(keys)
        self._last = {key: value for key, value in self._last.items() if key in kept}


def _bytes_of(pid: int, proc: Path) -> int:
    try:
        with open(f"{proc}/{pid}/io", "rb") as file:
            lines = file.read().split(b"\n", 2)
        return int(lines[0].split()[1]) + int(lines[1].split()[1])  # rchar, wchar
    except (OSError, IndexError, ValueError):
        return -1


def _terminal_time(first: Process) -> float:
    """When the agent's terminal was last used, if the agent is what it listens to."""
    path = terminal_path(first.terminal) if first.terminal and first.foreground == first.job else None
    try:
        status = os.stat(path) if path else None  # noqa: PTH116
    except OSError:
        return 0.0
    return max(status.st_atime, status.st_mtime) if status else 0.0
