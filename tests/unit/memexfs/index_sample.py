"""A MemexFS without a mount: a real tree, store, Cortex and model; steps are made by the test."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.memexfs.memex import Memex


@dataclass
class Local:
    """No provider."""

    provider_url: str = ""
    provider_model: str = ""
    provider_key: str = ""


@dataclass
class Sample:
    """What a test works with."""

    memex: Memex
    cortex: Cortex
    tree: Path

    def write(self, name: str | bytes, text: str | bytes) -> bytes:
        """A file in the tree, queued as the recorder queues it."""
        path = os.fsencode(name)
        file = Path(os.fsdecode(os.fsencode(self.tree) + b"/" + path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        status = file.stat()
        self.memex.store.written(path, status.st_size, status.st_mtime_ns, 0)
        return path

    def rename(self, old: str, new: str) -> None:
        """In the tree and in the store."""
        folder = (self.tree / old).is_dir()
        (self.tree / new).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / old).rename(self.tree / new)
        self.memex.store.moved(old.encode(), new.encode(), folder)

    def remove(self, name: str) -> None:
        (self.tree / name).unlink()
        self.memex.store.removed(name.encode(), folder=False)

    def work(self) -> None:
        """Until nothing is due."""
        while self.memex.pipeline.step():
            pass

    def found(self, text: str, **options: Any) -> list[str]:
        return [os.fsdecode(found.path) for found in self.memex.search(text, **options)]

    def id(self, path: bytes) -> int:
        row = self.memex.store.file(path)
        assert row is not None
        return row.id

    def state(self, path: bytes) -> str:
        row = self.memex.store.file(path)
        return row.state if row else "unknown"


@contextmanager
def sample(home: Home, embedder: Any, index: str = "exact", **options: Any) -> Iterator[Sample]:
    """Opened, not started."""
    with Cortex(home, CortexSettings.model_validate({"index": index}), embedder) as cortex:
        memex = Memex(home, Local(), cortex, **options)
        try:
            yield Sample(memex, cortex, home.root / "memex" / "tree")
        finally:
            memex.stop()


def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait for it; a generous deadline, for machines are slow."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
