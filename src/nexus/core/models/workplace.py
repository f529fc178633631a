"""The folder where one installation is under way, and the sum of its progress.

`files/` becomes the model's folder, `pack/` holds what is converted, `fetch/` what is being
downloaded. Everything in it survives a crash and is taken up by the next run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from nexus.core.models.delivery import checked
from nexus.core.models.download import DigestError, Progress
from nexus.core.models.manifest import InstalledFile
from nexus.core.models.model import ModelFile
from nexus.core.models.sources import Source


class Workplace:
    """The folder of an installation that is under way."""

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        """`fresh` throws away what an earlier run left. Raises `OSError`."""
        if fresh and folder.exists():
            shutil.rmtree(folder)
        self.folder = folder
        self.files = folder / "files"
        self.pack = folder / "pack"
        for path in (self.files, self.pack):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def scratch(self, source: Source) -> Path:
        """A folder of this source's own, so that two sources' leftovers never mix."""
        key = hashlib.sha256(str(source).encode()).hexdigest()[:16]
        return self.folder / "fetch" / key

    def kept(self, file: ModelFile, folder: Path) -> InstalledFile | None:
        """`file` as an earlier run finished it; None where it did not."""
        path = folder / file.name
        if not path.is_file():
            return None
        try:
            sha256 = checked(path, file)
        except DigestError:
            path.unlink()
            return None
        return self.record(file, path, sha256, "an earlier, interrupted pull")

    def record(self, file: ModelFile, path: Path, sha256: str, source: str) -> InstalledFile:
        """The manifest's entry for a finished file, which is on the disk when this returns."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        return InstalledFile(
            name=file.name,
            size=size,
            sha256=sha256,
            source=source,
            pinned=bool(file.pins) and file.accepts(size, sha256),
        )

    def size(self) -> int:
        """Bytes on the disk of everything kept here; a file with holes counts what it holds."""
        return sum(p.stat().st_blocks * 512 for p in self.folder.rglob("*") if p.is_file())


class Meter:
    """Adds up the progress of the files of one model."""

    def __init__(self, progress: Progress | None, total: int | None) -> None:
        self._progress = progress
        self._total = total
        self._base = 0

    def within(self, done: int, total: int | None) -> None:
        """The current file has `done` of its `total` bytes."""
        if self._progress:
            self._progress(self._base + done, self._total)

    def advance(self, size: int) -> None:
        """The current file of `size` bytes is finished."""
        self._base += size
        self.within(0, None)
