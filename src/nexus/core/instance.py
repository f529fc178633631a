"""One process per NEXUS_HOME: a locked file that says who it is.

The service holds it, or a program that has opened Cortex by itself (`Cortex.open`), which has no URL.
The lock dies with its process, however that ends, so the file itself is never stale and never deleted.
Who stops in order empties it; so what stands in it when nobody holds it is of one that did not.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO

import nexus
from nexus.core import clock
from nexus.core.errors import AlreadyRunningError, StorageError
from nexus.core.paths import Home

_LARGEST = 10_000


@dataclass(frozen=True, slots=True)
class Running:
    """The process that holds a home. `url` is empty where it is no service."""

    pid: int
    url: str
    version: str
    started: str


class Instance:
    """Holds the lock of a home until `release`.

    `fresh` tells whether no service has used this home before; `killed` who used it last, where that one
    did not stop in order.
    """

    def __init__(self, home: Home, url: str) -> None:
        """Raises `AlreadyRunningError` naming the holder and its URL, or `StorageError`."""
        self.fresh = not home.lock_file.exists()
        try:
            self._file: IO[str] = open(home.lock_file, "a+", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise StorageError.from_os(error, home.lock_file) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise _held(home, holder(home)) from None
        self.killed = self._left()
        self._write(Running(os.getpid(), url, nexus.__version__, clock.iso(clock.now())))

    def release(self) -> None:
        """Let go. Calling it twice is harmless."""
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()

    def _left(self) -> Running | None:
        self._file.seek(0)
        try:
            text = self._file.read(_LARGEST)
            return Running(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return Running(0, "", "", "")  # killed while it wrote this

    def _write(self, me: Running) -> None:
        self._file.seek(0)
        self._file.truncate()
        json.dump(asdict(me), self._file)
        self._file.flush()


def holder(home: Home) -> Running | None:
    """The process that holds this home, a service or not, or None."""
    try:
        with open(home.lock_file, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None  # nobody holds it; what it says is about the past
            except BlockingIOError:
                with suppress(ValueError, TypeError):
                    return Running(**json.load(file))
                return Running(0, "an address it has not written yet", "", "")
    except OSError:
        return None


def running(home: Home) -> Running | None:
    """The service that holds this home, or None."""
    found = holder(home)
    return found if found and found.url else None


def refuse_held(home: Home) -> None:
    """Raise `AlreadyRunningError` when a process holds this home."""
    other = holder(home)
    if other:
        raise _held(home, other)


def _held(home: Home, other: Running | None) -> AlreadyRunningError:
    if other is None:
        return AlreadyRunningError(f"another process holds {home.lock_file}", hint="try again")
    if not other.url:
        return AlreadyRunningError(
            f"process {other.pid} has {home.root} open and is no service",
            hint=f"end that program (`ps -p {other.pid}` names it), or use another NEXUS_HOME",
        )
    return AlreadyRunningError(
        f"NexusOS already runs at {other.url} (process {other.pid})", hint="stop it with `nexus down`"
    )
