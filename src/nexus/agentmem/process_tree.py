"""Which processes an agent consists of, and how much they have done.

One walk through /proc serves all agents. A process belongs to an agent when it is in the agent's own control
group, descends from its first process, or is in the session or job that this one leads (a helper whose
parent has ended has another parent, but the same job). Knows nothing of what agents are for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, as /proc/PID/stat has it."""

    pid: int
    parent: int
    job: int  # process group
    session: int
    terminal: int  # device number of the controlling terminal; 0: none
    foreground: int  # the job that the terminal listens to
    cpu: int  # clock ticks in user and system mode, without children
    start: int  # clock ticks after the machine began

    @property
    def word(self) -> str:
        """PID:START, as nexus-pageout wants it."""
        return f"{self.pid}:{self.start}"


def processes(proc: Path = Path("/proc")) -> dict[int, Process]:
    """All that can be seen, by process id."""
    found = {}
    for name in os.listdir(proc):  # noqa: PTH208 - a walk of every few seconds
        if name.isdigit():
            process = process_of(int(name), proc)
            if process:
                found[process.pid] = process
    return found


def process_of(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """One process; None where there is none, or where it is a zombie: that has no memory any more."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    number = [int(field) for field in fields[1:20]]
    return Process(
        pid, number[0], number[1], number[2], number[3], number[4], number[10] + number[11], number[18]
    )


def tree(root: int, all_of_them: Mapping[int, Process], group: str = "") -> list[Process]:
    """The processes of the agent whose first process is `root`, that one first; empty where it has ended."""
    if root not in all_of_them:
        return []
    members = {root, *_in_group(group)} & all_of_them.keys()
    for process in all_of_them.values():
        if root in (process.job, process.session):
            members.add(process.pid)
    children: dict[int, list[int]] = {}
    for process in all_of_them.values():
        children.setdefault(process.parent, []).append(process.pid)
    waiting = list(members)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in members:
                members.add(child)
                waiting.append(child)
    members.discard(root)
    return [all_of_them[pid] for pid in (root, *sorted(members))]


def terminal_path(device: int) -> Path | None:
    """The file of a terminal by its number in /proc/PID/stat; None where it has none that is known."""
    major, minor = os.major(device), os.minor(device)
    if major == 136:
        return Path(f"/dev/pts/{minor}")
    return Path(f"/dev/tty{minor}") if major == 4 and minor < 64 else None


def _in_group(folder: str) -> Iterable[int]:
    if folder:
        with suppress(OSError):
            return [int(word) for word in Path(folder, "cgroup.procs").read_text().split()]
    return ()
