"""What was learnt, on the disk: whole folders that appear at once, the newest few of them.

Knows names and checksums, not what is in the files. Invariants: a checkpoint is either complete or not
there, whenever the process is killed; a damaged one is never used, never silently passed over, and
never the reason that an older one is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from nexus.core import atomic
from nexus.core.errors import NexusError, StorageError

KEPT: Final = 5
MANIFEST: Final = "manifest.json"
_NAME = re.compile(r"checkpoint-(\d{8})\Z")
_BLOCK = 1 << 20

T = TypeVar("T")


class DamagedCheckpointError(NexusError):
    """A checkpoint is not as it was written."""

    code = "damaged_checkpoint"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found at the start. `facts` are those that were saved; empty where nothing was usable."""

    name: str = ""
    age_seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


class Checkpoints:
    """A folder of them; one writer. `kept` is how many stay."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        """Removes what an interrupted write left. Raises `StorageError`."""
        self.folder = folder
        self.kept = kept
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in folder.glob(".writing-*"):
                shutil.rmtree(left)
        except OSError as error:
            raise StorageError.from_os(error, folder) from error

    def names(self) -> list[str]:
        """Oldest first."""
        return sorted(path.name for path in self.folder.iterdir() if _NAME.match(path.name))

    def save(self, write: Callable[[Path], None], facts: Mapping[str, Any]) -> Path:
        """Let `write` put its files into an empty folder, and make that the newest checkpoint.

        Raises `StorageError`; what was there is then unchanged.
        """

        def at_once(folder: Path) -> Iterator[None]:
            write(folder)
            return iter(())

        saving = self.saving(at_once, facts)
        while True:
            try:
                next(saving)
            except StopIteration as end:
                return Path(end.value)

    def saving(
        self, write: Callable[[Path], Iterator[None]], facts: Mapping[str, Any]
    ) -> Generator[None, None, Path]:
        """`save` in slices: those of `write`, then a block of a file at each step. Returns the checkpoint.

        Whoever gives up half-way closes the generator: nothing of it is left.
        """
        names = self.names()
        number = int(names[-1][-8:]) + 1 if names else 1
        new = self.folder / f".writing-{number:08d}"
        target = self.folder / f"checkpoint-{number:08d}"
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700)
            yield from write(new)
            files = {}
            for path in sorted(new.iterdir()):
                files[path.name] = yield from _summing(path, sync=True)
            manifest = {"saved": time.time(), "files": files, "facts": dict(facts)}
            atomic.write_text(new / MANIFEST, json.dumps(manifest))
            os.replace(new, target)
            atomic.sync_folder(self.folder)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise StorageError.from_os(error, target) from error
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        self._prune()
        return target

    def restore(self, read: Callable[[Path, Mapping[str, Any]], T]) -> tuple[T | None, Restored]:
        """What `read(folder, facts)` makes of the newest sound checkpoint, and the report; None without one.

        `read` may raise any `NexusError` to say that the files are of no use to it. Those that were
        passed over are renamed, so that they are not met again; one of them is kept.
        """
        skipped: list[str] = []
        for name in reversed(self.names()):
            path = self.folder / name
            try:
                manifest = verified(path)
                made = read(path, manifest["facts"])
            except NexusError as error:
                skipped.append(f"{name} is damaged: {error.message}")
                self._set_aside(path)
                continue
            age = max(0.0, time.time() - float(manifest["saved"]))
            return made, Restored(name, age, manifest["facts"], tuple(skipped))
        return None, Restored(skipped=tuple(skipped))

    def clear(self) -> None:
        """Delete all of them, damaged ones too. Raises `StorageError`."""
        try:
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
            atomic.sync_folder(self.folder)
        except OSError as error:
            raise StorageError.from_os(error, self.folder) from error

    def as_dict(self) -> dict[str, Any]:
        """For the status: `count`, `total_size_mb`, `last_seconds_ago` (None where there is none)."""
        size, newest = 0, None
        names = self.names()
        for name in names:
            for path in (self.folder / name).iterdir():
                size += path.stat().st_size
        if names:
            newest = max(0.0, time.time() - (self.folder / names[-1]).stat().st_mtime)
        return {"count": len(names), "total_size_mb": round(size / 1e6, 2), "last_seconds_ago": newest}

    def _prune(self) -> None:
        for name in self.names()[: -self.kept]:
            # First out of sight as a checkpoint: half a folder must not look like one.
            gone = self.folder / f".writing-{name}"
            try:
                os.replace(self.folder / name, gone)
                shutil.rmtree(gone)
            except OSError as error:
                raise StorageError.from_os(error, gone) from error

    def _set_aside(self, path: Path) -> None:
        aside = path.with_name("damaged")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            os.replace(path, aside)
        except OSError as error:
            raise StorageError.from_os(error, path) from error


def verified(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, when every file is as it says. Raises `DamagedCheckpointError`."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(manifest["facts"], dict):
            raise DamagedCheckpointError("its facts are none")
        float(manifest["saved"])
        for name, (size, digest) in manifest["files"].items():
            if Path(name).name != name or _sum(path / name) != [size, digest]:
                raise DamagedCheckpointError(f"{name} is not what was written")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedCheckpointError(f"it cannot be read: {error}") from error
    return dict(manifest)


def _sum(path: Path) -> list[Any]:
    summing = _summing(path)
    while True:
        try:
            next(summing)
        except StopIteration as end:
            return list(end.value)


def _summing(path: Path, *, sync: bool = False) -> Generator[None, None, list[Any]]:
    """Size and SHA-256, a block at each step; with `sync` the file is on the disk afterwards."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            yield
        if sync:
            os.fsync(file.fileno())
    return [size, digest.hexdigest()]
