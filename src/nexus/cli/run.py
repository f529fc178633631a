"""`nexus run -- COMMAND`: says which agent begins, and becomes it.

No process of ours stays behind, so a hundred agents cost no hundred Pythons. Loads next to nothing: the
agent waits for it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from nexus.agentmem import freezer, registration
from nexus.agentmem.registration import DEFAULT_IMPORTANCE, Registration
from nexus.core.errors import InvalidInputError, NexusError
from nexus.core.paths import Home

USAGE = (
    "nexus run [--name NAME] [--importance N] [--idle MINUTES | --never-pause] "
    "[--merge] [--freeze] -- COMMAND..."
)
_PR_SET_MEMORY_MERGE = 67
_NOT_FOUND, _NOT_STARTED = 127, 126  # as shells have it


def run(words: Sequence[str]) -> NoReturn:
    """Read the options of the command line behind `nexus run`, and become the command."""
    name, importance, merge, freeze = "", DEFAULT_IMPORTANCE, False, False
    idle: float | None = None
    left = list(words)
    while left and left[0].startswith("-"):
        option, glued, value = left.pop(0).partition("=")
        if option == "--":
            break
        if option in ("--name", "--importance", "--idle") and not glued:
            if not left:
                raise InvalidInputError(f"{option} wants a value", hint=USAGE)
            value = left.pop(0)
        if option == "--name":
            name = value
        elif option == "--importance":
            importance = int(_number(option, value, 100))
        elif option == "--idle":
            idle = _number(option, value, 100_000)
        elif option == "--never-pause" and not glued:
            idle = 0.0
        elif option == "--merge" and not glued:
            merge = True
        elif option == "--freeze" and not glued:
            freeze = True
        else:
            raise InvalidInputError(f"nexus run has no option {option}", hint=USAGE)
    become(left, name=name, importance=importance, idle_minutes=idle, merge=merge, freeze=freeze)


def become(
    command: Sequence[str],
    *,
    name: str,
    importance: int,
    idle_minutes: float | None,
    merge: bool,
    freeze: bool,
) -> NoReturn:
    """Register this process as an agent and become `command`. Raises `InvalidInputError`, `StorageError`."""
    if not command:
        raise InvalidInputError("no command is named", hint=USAGE)
    name = name or os.path.basename(command[0])  # noqa: PTH119
    registration.refuse_name(name)
    home = Home.from_env()
    pid = os.getpid()
    start = registration.start_of(pid)
    if not start:
        raise NexusError("/proc does not show this process", hint="only Linux, with /proc, can pause agents")
    if merge:
        _merge()
    group = freezer.enter(f"{pid}-{start}")
    path = registration.write(
        home,
        Registration(
            pid, start, registration.boot_of(), name, os.path.basename(command[0]), os.getcwd(), time.time(),  # noqa: PTH109, PTH119
            importance, merge, freeze, idle_minutes, group,
        ),
    )  # fmt: skip
    try:
        os.execvp(command[0], list(command))  # noqa: S606
    except OSError as error:
        path.unlink(missing_ok=True)
        freezer.leave(group)
        print(f"nexus: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_STARTED)


def _number(option: str, value: str, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise InvalidInputError(f"{option} {value!r} is no number from 0 to {most:g}", hint=USAGE)
    return number


def _merge() -> None:
    """Let the kernel merge equal pages of this process and what it becomes. Says so where it will not."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_MEMORY_MERGE, 1, 0, 0, 0):
        reason = os.strerror(ctypes.get_errno())
        raise NexusError(
            f"this kernel does not merge the memory of agents: {reason}",
            hint="leave --merge out; it needs Linux 6.4 with KSM",
        )
    try:
        with open("/sys/kernel/mm/ksm/run") as file:
            running = file.read().strip() == "1"
    except OSError:
        running = False
    if not running:
        print("nexus: --merge waits: KSM is off here; `nexus tune` shows how to start it", file=sys.stderr)
