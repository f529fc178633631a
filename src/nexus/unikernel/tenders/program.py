"""The compiled tenders, `nexus-tender-kvm` and `nexus-tender-spt`: where they are and how to call them.

Knows nothing of what guests ask. Invariant: a command line that `arguments` gives is one that they take.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel import words as command_line
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tender import Backend, Preflight

MEND = "make up (needs gcc or clang, and Linux on x86-64)"
_PROBE_SECONDS = 10.0  # a probe takes 20 ms; more where the machine is busy
_KEPT = 1.0  # seconds that a place is believed without a search, which costs half a millisecond
_MODULES, _NAME = 32, 47
_Found = tuple[tuple[str | None, str], float, str]  # PATH and this Python then, when, where
_found: dict[str, _Found] = {}


def find(name: str) -> str | None:
    """The program's full path: beside this Python, or in PATH."""
    beside = os.pathsep.join((sysconfig.get_path("scripts"), str(Path(sys.executable).parent)))
    found = shutil.which(name, path=beside) or shutil.which(name)
    return str(Path(found).absolute()) if found else None


def needed(name: str) -> str:
    """The program's full path, searched for at most a second ago with the same PATH; it can be started still.
    Raises `MissingPartError`; that there is none is never kept."""
    place, now = (os.environ.get("PATH"), sys.executable), time.monotonic()
    held = _found.get(name)
    if held and held[0] == place and now - held[1] < _KEPT and os.access(held[2], os.X_OK):
        return held[2]
    found = find(name)
    if found is None:
        raise MissingPartError(f"{name} is not installed", hint=MEND)
    _found[name] = place, now, found  # one store: threads may come at once, and the last one's stays
    return found


def probed(program: str) -> dict[str, Any]:
    """What `PROGRAM --probe` says: "works", "code", "detail" and more. One that is silent does not work."""
    try:
        done = subprocess.run(
            (program, "--probe"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            timeout=_PROBE_SECONDS,
            check=False,
        )
        said: Any = json.loads(done.stdout)
        if isinstance(said, dict) and isinstance(said.get("works"), bool):
            return said
        detail = f"--probe ended with status {done.returncode}"
    except subprocess.TimeoutExpired:
        detail = f"--probe did not end in {_PROBE_SECONDS:.0f} seconds"
    except (OSError, ValueError) as error:
        detail = f"--probe failed: {error}"
    return {"works": False, "code": "probe_failed", "detail": f"{program} {detail}"}


def arguments(
    image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
) -> tuple[str, ...]:
    """What both programs are called with. Raises `InvalidInputError` for what they would refuse."""
    command_line.joined(words)
    if len(modules) > _MODULES:
        raise InvalidInputError(f"{len(modules)} modules: a guest takes at most {_MODULES}")
    named: list[str] = []
    for name, file in modules:
        if not 0 < len(os.fsencode(name)) <= _NAME or "=" in name or "\0" in name:
            raise InvalidInputError(f"module name {name!r}: 1 to {_NAME} bytes, without = and NUL")
        if any(name == other for other, _ in modules[: len(named) // 2]):
            raise InvalidInputError(f"module name {name!r}: it is given twice")
        named += ["--module", f"{name}={file.absolute()}"]
    sizes = ("--memory", str(limits.memory), "--cpu", f"{limits.cpu:.6f}")
    return (*sizes, *named, str(image.elf.absolute()), *words)


class Recent:
    """A preflight as it was at most a second ago. Any thread may ask; one looks, the others wait for it."""

    def __init__(self, look: Callable[[], Preflight], seconds: float = 1.0) -> None:
        self._look, self._seconds = look, seconds
        self._lock = Lock()
        self._seen: tuple[float, Preflight] | None = None

    def __call__(self) -> Preflight:
        with self._lock:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] >= self._seconds:
                self._seen = now, self._look()
            return self._seen[1]


def missing(backend: Backend, name: str) -> Preflight:
    """What is said where the program is not there."""
    if sys.platform != "linux" or os.uname().machine not in ("x86_64", "AMD64"):
        return Preflight(backend, False, f"{name} exists for Linux on x86-64 only", "", "no_program")
    return Preflight(backend, False, f"{name} is not installed", MEND, "no_program")
