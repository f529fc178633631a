"""From an application to an image. What a compiler does is in `toolchain`."""

from __future__ import annotations

import json
from pathlib import Path

from nexus.core import atomic
from nexus.unikernel.images import ABOUT, Image
from nexus.unikernel.toolchain import Toolchain


def build_c(source: Path, folder: Path) -> Image:
    """Compile one C file against nx.h into an image in `folder`. Raises `BuildError`, `MissingPartError`."""
    toolchain = Toolchain.find()
    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / "objects"
    core = toolchain.core_archive(parts)
    app = toolchain.compile(source.resolve(), parts / "app.o", "-Wall")
    toolchain.link([app], [core], folder)
    atomic.write_text(folder / ABOUT, json.dumps({"kind": "c", "key": folder.name}))
    return Image(folder, "c", folder.name)
