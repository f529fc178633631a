"""The files and programs by which a machine's system-wide switches are read and set.

`root` is where /sys, /proc and the rest are looked for. Knows nothing of what switches are for. Invariant: a
value that did not take is an error, never taken for done.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from nexus.agentmem.pageout import meminfo
from nexus.agentmem.registration import boot_of
from nexus.core.errors import MissingPartError, NexusError

Run = Callable[[Sequence[str]], None]


def run_program(words: Sequence[str]) -> None:
    """Run a program of the system. Raises `MissingPartError`, `NexusError` with what it said."""
    if not shutil.which(words[0], path="/usr/sbin:/sbin:/usr/bin:/bin"):
        raise MissingPartError(f"{words[0]} is not installed", hint="apt-get install util-linux mount")
    environment = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NexusError(f"{' '.join(words)} failed: {done.stderr.strip() or done.stdout.strip()}")


class Machine:
    """One machine, or a folder that looks like one."""

    def __init__(self, root: Path = Path("/"), run: Run = run_program) -> None:
        self.root, self.run = root, run

    def path(self, name: str) -> Path:
        """Where the absolute path `name` lies."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """A file's text; empty where it is not there. Of `a [b] c`, the chosen word."""
        try:
            text = self.path(name).read_text().strip()
        except OSError:
            return ""
        chosen = re.search(r"\[(\S+)\]", text)
        return chosen[1] if chosen else text

    def read_bytes(self, name: str) -> bytes:
        """A file's bytes; none where it is not there or may not be read."""
        try:
            return self.path(name).read_bytes()
        except OSError:
            return b""

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return self.path(name).exists()

    def write(self, name: str, value: str) -> None:
        """Set a switch. Raises `NexusError` where the kernel refuses or has another value afterwards."""
        try:
            self.path(name).write_text(value)
        except OSError as error:
            raise NexusError(f"{name} does not take {value!r}: {error.strerror}") from error
        if self.read(name) != value:
            raise NexusError(f"{name} does not take {value!r}: it stays {self.read(name)!r}")

    @property
    def boot(self) -> str:
        """Which start of the machine this is."""
        return boot_of(str(self.path("/proc")))

    def meminfo(self) -> dict[str, int]:
        """/proc/meminfo in bytes."""
        return meminfo(self.path("/proc"))

    def file_system(self, folder: Path) -> str:
        """The kind of file system that `folder` is on, as the kernel names it."""
        best, kind = -1, ""
        for line in self.read_lines("/proc/self/mountinfo"):
            left, _, right = line.partition(" - ")
            mount = Path(left.split()[4].encode().decode("unicode_escape"))
            if folder.is_relative_to(mount) and len(mount.parts) >= best:
                best, kind = len(mount.parts), right.split()[0]
        return kind

    def read_lines(self, name: str) -> list[str]:
        """A file's lines; none where it is not there."""
        try:
            return self.path(name).read_text().splitlines()
        except OSError:
            return []
