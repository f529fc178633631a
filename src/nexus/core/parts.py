"""The parts that a machine may lack, and the command that mends each.

Looks without importing or starting anything. Looking costs half a millisecond of walking through folders, so
who is asked again and again takes `recent_parts`, which is at most `RECENT_SECONDS` old.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

RECENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system on this machine."""

    name: str
    state: Literal["available", "missing"]
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def package(name: str, module: str, purpose: str, mend: str) -> Part:
    """A Python package, by whether it can be found."""
    there = importlib.util.find_spec(module) is not None
    return Part(name, "available", purpose) if there else Part(name, "missing", purpose, mend)


def program(name: str, commands: tuple[str, ...], purpose: str, mend: str) -> Part:
    """A program on the PATH or beside this Python, under any of its names."""
    beside = str(Path(sys.executable).parent)
    found = next((path for c in commands if (path := shutil.which(c) or shutil.which(c, path=beside))), None)
    return Part(name, "available", f"{purpose} ({found})") if found else Part(name, "missing", purpose, mend)


def optional_parts() -> list[Part]:
    """What is optional now: without it something named here does not work, and nothing else."""
    return [
        package(
            "native",
            "nexus._native",
            "fast vector scan, CPU features, memory trimming",
            "apt-get install g++ python3-dev && make up",
        ),
        package("qdrant", "qdrant_edge", "index on disk", "pip install qdrant-edge-py"),
        package("qdrant-client", "qdrant_client", "index on a Qdrant server", "pip install qdrant-client"),
        package("llama.cpp", "xllamacpp", "local chat model", "pip install xllamacpp"),
        program("hook client", ("nexus-hook",), "what agents call at each prompt", "make up"),
        program("chromium", ("chromium", "google-chrome"), "browser tests", "apt-get install chromium"),
        program("npm", ("npm",), "models that come as npm packages", "apt-get install npm"),
    ]


class RecentParts:
    """The parts as they were at most `seconds` ago. Any thread may ask; one looks, the others wait for it."""

    def __init__(
        self,
        look: Callable[[], list[Part]] = optional_parts,
        seconds: float = RECENT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._seconds, self._clock = look, seconds, clock
        self._lock = threading.Lock()
        self._seen: tuple[float, list[dict[str, str]]] | None = None

    def as_dicts(self) -> list[dict[str, str]]:
        """For JSON; not to be changed."""
        with self._lock:
            now = self._clock()
            if self._seen is None or now - self._seen[0] >= self._seconds:
                self._seen = now, [part.as_dict() for part in self._look()]
            return self._seen[1]


_recent = RecentParts()
recent_parts = _recent.as_dicts
