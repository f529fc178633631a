"""Starting a program beside the service instead of below it, by the user's own systemd.

A service that was confined (`nexus.service.unit`) can neither mount nor gain a right, and what it starts ends
with it. Knows no program. Invariant: what is started here has the user's ordinary rights, and outlives us.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nexus.core.errors import NexusError

_SECONDS = 120.0


def is_confined(status: Path = Path("/proc/self/status")) -> bool:
    """Whether this process can gain no right any more, so that no helper of the system can mount for it."""
    try:
        return any(line.split() == ["NoNewPrivs:", "1"] for line in status.read_text().splitlines())
    except OSError:  # no /proc, no systemd
        return False


def start_outside(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Have systemd run `command`, which goes on by itself when it returns, with these variables.

    Raises `NexusError` with what systemd or the command said.
    """
    given = [f"--setenv={name}={value}" for name, value in variables.items()]
    words = [
        "systemd-run",
        "--user",
        "--collect",
        "--quiet",
        "--property=Type=forking",
        *given,
        "--",
        *command,
    ]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NexusError(f"systemd-run: {error}", hint=_hint(command)) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise NexusError(f"systemd-run: {said[0] if said else done.returncode}", hint=_hint(command))


def _hint(command: Sequence[str]) -> str:
    return f"run it yourself: {' '.join(command[-3:])}"
