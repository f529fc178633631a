"""One agent that was started by `nexus run`: who it is, in one small file.

The file lies in NEXUS_HOME/run/agents and is written by the process that becomes the agent. Knows nothing
of what is done with agents, and loads little: every agent begins here. Invariants: a file is whole or not
there, readable by its owner only; it never holds the agent's arguments, which may be credentials; a process
id that was given away anew is told apart by the start of the process and of the machine.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from nexus.core.errors import InvalidInputError, StorageError
from nexus.core.paths import Home

DEFAULT_IMPORTANCE = 50
_SUFFIX = ".json"


class Registration(NamedTuple):
    """What is known of an agent from its start on."""

    pid: int
    start: int  # of the process, in clock ticks after the machine began
    boot: str  # which start of the machine that was
    name: str
    program: str  # its file name, never its arguments
    folder: str  # where it was started
    at: float  # seconds since 1970
    importance: int = DEFAULT_IMPORTANCE  # 0 to 100
    merge: bool = False
    freeze: bool = False
    idle_minutes: float | None = None  # None: as configured; 0: never paused
    group: str = ""  # folder of a control group of its own; empty where there is none

    @property
    def key(self) -> str:
        """Names it among all agents of this start of the machine."""
        return f"{self.pid}-{self.start}"


def agents_folder(home: Home) -> Path:
    """Where registrations lie."""
    return home.run / "agents"


def refuse_name(name: str) -> None:
    """Raise `InvalidInputError` for what no agent can be called: it is shown, and told from a process id."""
    if not name or not name.isprintable() or len(name) > 64 or name.isdigit():
        raise InvalidInputError(
            f"{name!r} cannot be an agent's name", hint="up to 64 printable characters, not only digits"
        )


def start_of(pid: int, proc: str = "/proc") -> int:
    """When the process began, in clock ticks after the machine did; 0 where there is none.

    A zombie is none: it has no memory any more.
    """
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    # The name in brackets may hold anything, brackets too.
    fields = text[text.rfind(b")") + 2 :].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] not in (b"Z", b"X") else 0


def boot_of(proc: str = "/proc") -> str:
    """Which start of the machine this is."""
    try:
        with open(f"{proc}/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def write(home: Home, registration: Registration) -> Path:
    """Write the file; it replaces the one before. Raises `StorageError`."""
    folder = agents_folder(home)
    path = folder / (registration.key + _SUFFIX)
    text = json.dumps(registration._asdict())
    try:
        try:
            put(path, text)
        except FileNotFoundError:
            home.create()
            folder.mkdir(mode=0o700, exist_ok=True)
            put(path, text)
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    return path


def read(path: Path) -> Registration | None:
    """What the file says; None where it is not one of ours."""
    try:
        # It is ours, but a crashed machine may leave anything.
        fields: dict[str, Any] = json.loads(path.read_bytes())
        registration = Registration(**fields)
    except (OSError, ValueError, TypeError):
        return None
    return registration if registration.key == path.name.removesuffix(_SUFFIX) else None


def put(path: Path, text: str) -> None:
    """Replace a file at once, for its owner only. Raises `OSError`.

    Without the fsync of `nexus.core.atomic`: what is said here of a process does not outlive the machine's
    run, and an agent should not wait for the disk.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)
