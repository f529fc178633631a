"""A control group of our own: the kernel holds a child's processor time, whatever the child does.

Both kinds are spoken: v1 (`cpu.cfs_quota_us` under the cpu controller) and v2 (`cpu.max`). Knows nothing of
limits in percent. Invariants: only folders that this code made are written to or removed, except that a
group in which there is nobody but this service may be told to hand on its cpu controller; where the
system does not allow it, nothing has changed and `reason` says why. What a killed service left is removed
by the next one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

Version = Literal["v1", "v2", "none"]

# A tenth of a second: the kernel counts in such stretches, so no second holds much more than its share.
_PERIOD_US = 100_000
# The kernel refuses less.
_LEAST_QUOTA_US = 1_000
_PREFIX = "nexus-background-"
_REMOVING_SECONDS = 1.0


class ControlGroup:
    """At most one group, made when a process is first put into it, removed by `remove`.

    `root` is where control groups are mounted, `proc` is /proc; `remove_folder` takes a group's folder away.
    """

    def __init__(
        self,
        root: Path = Path("/sys/fs/cgroup"),
        proc: Path = Path("/proc"),
        *,
        remove_folder: Callable[[Path], object] = os.rmdir,
    ) -> None:
        self._root, self._proc, self._remove_folder = root, proc, remove_folder
        self._folder: Path | None = None
        self.version: Version = "none"
        self.reason = "no process is held"

    def hold(self, pid: int, cores: float) -> bool:
        """Put a process, with all its threads, under a quota of `cores`. Whether the kernel holds it now.

        Calling it again moves another process in, or changes the quota.
        """
        if self._folder:
            return self._fill(pid, cores)
        reasons = []
        for version, parent in self._places():
            folder = parent / f"{_PREFIX}{os.getpid()}-{self._started(os.getpid())}"
            try:
                if version == "v2":
                    self._hand_on_cpu(parent)
                folder.mkdir(exist_ok=True)
            except OSError as error:
                reasons.append(f"{parent}: {error.strerror}")
                continue
            self.version, self._folder = version, folder
            if self._fill(pid, cores):
                return True
            reasons.append(self.reason)
            self.remove()
        self.reason = "; ".join(reasons) or "this system has no cpu control groups"
        return False

    def limit(self, cores: float) -> bool:
        """Change the quota. Whether it holds; False where nothing is held."""
        if not self._folder:
            return False
        quota = max(_LEAST_QUOTA_US, round(cores * _PERIOD_US))
        try:
            if self.version == "v2":
                (self._folder / "cpu.max").write_text(f"{quota} {_PERIOD_US}")
            else:
                (self._folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
                (self._folder / "cpu.cfs_quota_us").write_text(str(quota))
        except OSError as error:
            self.reason = f"{self._folder.parent}: {error.strerror}"
            return False
        return True

    def remove(self) -> bool:
        """Take the group away, after the process in it has ended. Whether nothing is left of it.

        A process that was killed takes a moment to go; one that stays keeps the group, and the next start
        removes it.
        """
        folder, self._folder, self.version = self._folder, None, "none"
        if folder is None:
            return True
        deadline = time.monotonic() + _REMOVING_SECONDS
        while True:
            try:
                self._remove_folder(folder)
            except FileNotFoundError:
                return True
            except OSError as error:
                if time.monotonic() >= deadline:
                    self.reason = f"{folder} stays: {error.strerror}"
                    return False
                time.sleep(0.02)
            else:
                return True

    def remove_stale(self) -> list[Path]:
        """Take away the groups of services that ended without doing so. Returns them.

        A group tells by its name whose it is: the process id, and when that process began.
        """
        removed = []
        for _, parent in self._places():
            for folder in sorted(parent.glob(f"{_PREFIX}*-*")):
                owner, _, started = folder.name.removeprefix(_PREFIX).partition("-")
                if owner.isdigit() and self._started(int(owner)) != started:
                    with suppress(OSError):  # a process is still in it: the next start tries again
                        self._remove_folder(folder)
                        removed.append(folder)
        return removed

    def _fill(self, pid: int, cores: float) -> bool:
        if not self.limit(cores):
            return False
        assert self._folder
        try:
            self._go_last(self._folder)
            (self._folder / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            self.reason = f"{self._folder.parent}: {error.strerror}"
            return False
        self.reason = ""
        return True

    def _go_last(self, folder: Path) -> None:
        """Have every other group go first. A scheduling class holds among the processes of one group only:

        in a group of its own, of the weight that groups have by default, a process of the class SCHED_IDLE
        gets as much as all the others above it together.
        """
        name, value = "cpu.idle", "1"
        if not (folder / name).exists():  # Linux before 5.15: the least weight there is
            name, value = ("cpu.weight", "1") if self.version == "v2" else ("cpu.shares", "2")
        (folder / name).write_text(value)

    def _places(self) -> Iterator[tuple[Version, Path]]:
        """Folders in which a group of ours may be made, the likeliest first."""
        try:
            lines = (self._proc / "self" / "cgroup").read_text().splitlines()
        except OSError:
            return
        for line in lines:
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            inside = path.strip("/")
            if "cpu" in controllers.split(","):
                mount = self._root / controllers
                if not mount.is_dir():
                    mount = self._root / "cpu"
                # In a container the path may be the host's, which is not to be seen from here.
                own = mount / inside
                yield "v1", own if own.is_dir() else mount
            elif number == "0" and not controllers and ".." not in path:
                mount = self._root if (self._root / "cgroup.controllers").exists() else self._root / "unified"
                own = mount / inside
                # A group with processes in it cannot have limited groups below it, so the place is beside
                # us, where the group above was given to this service (systemd: Delegate, DelegateSubgroup).
                for parent in (own, own.parent) if inside else (own,):
                    if "cpu" in _words(parent / "cgroup.controllers"):
                        yield "v2", parent

    def _hand_on_cpu(self, parent: Path) -> None:
        """Make sure that groups below `parent` can be limited. Raises `OSError` where that is not ours."""
        switch = parent / "cgroup.subtree_control"
        own = "cpu" in _words(switch)
        if not self._ours(parent):
            # Beside strangers a group may be made only in the place that we are in ourselves.
            if own and str(os.getpid()) in _words(parent / "cgroup.procs"):
                return
            raise PermissionError(1, "the group above is not this service's own")
        if not own:
            switch.write_text("+cpu")

    def _ours(self, parent: Path) -> bool:
        """Whether `parent` holds no process itself, and below it nobody but this process and its children."""
        if _words(parent / "cgroup.procs"):
            return False
        inside = {int(pid) for file in parent.rglob("cgroup.procs") for pid in _words(file)}
        return all(self._is_family(pid) for pid in inside)

    def _is_family(self, pid: int) -> bool:
        for _ in range(64):
            if pid == os.getpid():
                return True
            fields = self._fields(pid)
            if len(fields) < 2 or fields[1] == "0":
                return False
            pid = int(fields[1])
        return False

    def _started(self, pid: int) -> str:
        """When the process began, in clock ticks after the machine did; empty where there is none."""
        fields = self._fields(pid)
        return fields[19] if len(fields) > 19 else ""

    def _fields(self, pid: int) -> list[str]:
        """State, parent and so on: what stands in /proc/PID/stat behind the name."""
        try:
            text = (self._proc / str(pid) / "stat").read_text()
        except OSError:
            return []
        # The name in brackets may hold anything, brackets too.
        return text.rpartition(")")[2].split()


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
