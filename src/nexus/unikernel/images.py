"""An image on disk: the ELF file that a tender loads, and what is known of how it was made.

Images lie under NEXUS_HOME/cache/unikernel/<key>/, key being the hash of everything that went in. Invariant:
a folder that has `image.json` is whole; others are remains of a build that was cut off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ELF, MAP, ABOUT, LIBRARY, MAIN = "image.elf", "image.map", "image.json", "library.nxa", "main.py"


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. `kind` is "python" (runs the module main.py, or serves FETCH) or "c"."""

    folder: Path
    kind: str
    key: str

    @property
    def elf(self) -> Path:
        """The stripped ELF file."""
        return self.folder / ELF

    @property
    def map(self) -> Path:
        """The linker's map."""
        return self.folder / MAP

    @property
    def library(self) -> Path | None:
        """The module archive of Python's standard library (module "lib"), where there is one."""
        path = self.folder / LIBRARY
        return path if path.exists() else None

    @property
    def main(self) -> Path | None:
        """The program (module "main.py") that a Python image runs of itself, where it was built with one."""
        path = self.folder / MAIN
        return path if path.exists() else None


def opened(folder: Path) -> Image | None:
    """The whole image in a folder, or None."""
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        return None
    return Image(folder, str(about["kind"]), str(about["key"]))
