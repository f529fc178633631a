"""The parts that a machine may lack, and the command that mends each.

Looks without importing or starting anything.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


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
