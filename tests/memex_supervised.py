"""A mount under supervision, as `nexus mount` makes one, with programs on it that a test ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nexus.memexfs import launch
from tests.memex_mounts import take_away

ROOT = Path(__file__).resolve().parents[1]


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Mount:
    """One under supervision, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.home, self.at, self.real = folder / "home", folder / "mount", folder / "real"
        self.hold, self.go = folder / "hold", folder / "go"
        os.mkfifo(self.go)
        for made in (self.home, self.at, self.real):
            made.mkdir()
        self.command = [sys.executable, "-m", "tests.memex_worker", str(self.real), str(self.hold)]
        self.pids: set[int] = set()
        self.clients: list[subprocess.Popen[str]] = []

    def start(self, *, passthrough: bool = False) -> launch.Serving:
        found = launch.start(self.home, self.at, self.command, passthrough=passthrough)
        self.pids |= {found.pid, found.worker}
        return found

    @property
    def serving(self) -> launch.Serving:
        found = launch.serving(self.home)
        assert found is not None
        self.pids |= {found.pid, found.worker}
        return found

    def client(self, script: str, at: Path | None = None) -> subprocess.Popen[str]:
        """A program that uses the mount, or another folder; it is $1."""
        started = subprocess.Popen(
            ["sh", "-c", script, "-", at or self.at],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )
        self.clients.append(started)
        return started

    def held(self, where: str) -> None:
        self.hold.with_suffix(".held").unlink(missing_ok=True)
        self.hold.write_text(where)

    def kill_when_held(self) -> None:
        """Kill the worker inside the operation, and let the next one do it."""
        until(self.hold.with_suffix(".held").exists)
        before = self.serving
        os.kill(before.worker, signal.SIGKILL)
        self.hold.unlink()
        until(lambda: (now := launch.serving(self.home)) is not None and now.worker != before.worker)

    def end(self) -> None:
        self.hold.unlink(missing_ok=True)
        found = launch.serving(self.home)
        if found is not None:
            self.pids |= {found.pid, found.worker}
        take_away(self.at)
        for program in self.clients:
            program.kill()
            program.communicate(timeout=30)
        for pid in self.pids:
            deadline = time.monotonic() + 20
            while not ended(pid) and time.monotonic() < deadline:
                time.sleep(0.01)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ended(pid: int) -> bool:
    """Whether the process is gone, or waits only to be taken note of."""
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
