"""What is known of merging between `nexus tune`, which turns it on, and the governor, which turns it off.

Two files below /run, where nothing outlives a restart of the machine: `ksm.json` is root's and says since
when and with which figures; `governor/off.json` is written by whoever looks after agents and says when and
why it was turned off. Knows nothing of KSM itself. Invariants: root never writes in the governor's
folder, and what is read there is believed only where every value is of its kind; a half-written file is
never seen.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from nexus.agentmem.ksm import FOLDER as KSM
from nexus.agentmem.machine import Machine
from nexus.core import atomic
from nexus.core.errors import NexusError

FOLDER = "/run/nexusos"
_LONGEST = 64 * 1024
_FAR = 2.0**35  # seconds since 1970: beyond it no clock has a name for it


@dataclass(frozen=True, slots=True)
class TurnedOn:
    """Since when it runs for agents."""

    boot: str
    at: float  # seconds since 1970
    cpu: float  # seconds of ksmd by then; negative: unknown
    tried: str  # what the trial has shown, for people; several lines


@dataclass(frozen=True, slots=True)
class TurnedOff:
    """That it did not pay, and was turned off."""

    boot: str
    on_at: float  # which turning on this ended
    at: float  # seconds since 1970
    saved: float  # bytes, the mean of the window
    cpu: float  # seconds of ksmd in the window
    window: float  # seconds
    least: float  # MB for each second: the threshold
    run: str  # what was written to the kernel's `run`; empty: it was not allowed, so KSM runs on

    @property
    def words(self) -> str:
        """For people."""
        known = 0 <= self.at < _FAR  # it is a stranger's word
        clock = time.strftime("%H:%M", time.localtime(self.at)) if known else "an unknown time"
        done = f"KSM was turned off at {clock}" if self.run else f"KSM should have been turned off at {clock}"
        said = (
            f"{done}: it saved {round(self.saved / 2**20)} MB for {self.cpu:.1f} s of CPU in "
            f"{self.window / 60:.0f} minutes; threshold {self.least:g} MB for each second"
        )
        return said if self.run else f"{said}; this service may not: sudo nexus tune --apply --only ksm"


T = TypeVar("T", TurnedOn, TurnedOff)


class KsmState:
    """Both files of one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._folder = machine.path(FOLDER)
        self._theirs = self._folder / "governor"

    def turned_on(self) -> TurnedOn | None:
        """Since when; None: it was not turned on here since the machine began."""
        found = _read(self._folder / "ksm.json", TurnedOn)
        return found if found and found.boot == self._machine.boot else None

    def turned_off(self) -> TurnedOff | None:
        """When and why the governor ended what `turned_on` says; None: it has not, or it is on again."""
        on, found = self.turned_on(), _read(self._theirs / "off.json", TurnedOff)
        if not on or not found or (found.boot, found.on_at) != (on.boot, on.at):
            return None
        return found if (self._machine.read(f"{KSM}/run") == "1") == (not found.run) else None

    def note_on(self, on: TurnedOn, owner: int | None) -> None:
        """As root: it was turned on; `owner` is the user whose governor may turn it off."""
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._folder.chmod(0o755)
        if self._theirs.is_symlink():
            raise NexusError(f"{self._theirs} is a link", hint=f"rm {self._theirs}")
        shutil.rmtree(self._theirs, ignore_errors=True)
        self._theirs.mkdir(mode=0o755)
        if owner is not None:
            os.chown(self._theirs, owner, -1, follow_symlinks=False)
        atomic.write_text(self._folder / "ksm.json", json.dumps(asdict(on), indent=2) + "\n", mode=0o644)

    def note_off(self, off: TurnedOff) -> None:
        """As the governor: it was turned off. Raises `StorageError` where the folder is somebody else's."""
        text = json.dumps(asdict(off), indent=2) + "\n"
        atomic.write_text(self._theirs / "off.json", text, mode=0o644)

    def clear(self) -> None:
        """As root: nothing is known any more."""
        atomic.remove(self._folder / "ksm.json")
        if not self._theirs.is_symlink():
            shutil.rmtree(self._theirs, ignore_errors=True)
        with suppress(OSError):
            self._folder.rmdir()


def _read(path: Path, kind: type[T]) -> T | None:
    """What a file says; None where there is none, or it says something else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        found: Any = json.loads(os.read(descriptor, _LONGEST))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(descriptor)
    return parsed(found, kind)


def parsed(found: Any, kind: type[T]) -> T | None:
    """A record from what JSON gave; None where any value is missing or of another kind."""
    if not isinstance(found, dict):
        return None
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = found.get(field.name)
        if field.type == "float":
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                return None
            values[field.name] = float(value)
        elif isinstance(value, str):
            values[field.name] = value
        else:
            return None
    return kind(**values)
