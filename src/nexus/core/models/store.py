"""The installed models: one folder each, under `models/`.

Knows what lies on the disk, not where it comes from. Every use checks the sizes (a truncated file
is refused) and that the catalog still means these bytes (a file of an older release is refused, and
fetched again by the next pull); `verify` reads every byte. Invariant: a folder `models/NAME` with a
manifest is complete; whatever is under way lies in `models/.partial`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nexus.core import atomic
from nexus.core.errors import (
    BusyError,
    InvalidInputError,
    ModelCorruptError,
    ModelMissingError,
    NotFoundError,
    StorageError,
)
from nexus.core.models.catalog import CATALOG
from nexus.core.models.digest import digest_of
from nexus.core.models.download import Progress
from nexus.core.models.lock import locked
from nexus.core.models.manifest import InstalledFile, Manifest
from nexus.core.models.model import Model

PARTIAL = ".partial"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one installed file."""

    model: str
    file: str
    kind: Literal["missing", "truncated", "oversized", "tampered", "outdated", "unreadable"]
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.model}/{self.file} is {self.kind}: {self.actual}, expected {self.expected}"


class ModelStore:
    """The folder of installed models."""

    def __init__(self, folder: Path, catalog: Mapping[str, Model] = CATALOG) -> None:
        # Absolute, for it is handed to programs that run in another folder.
        self.folder = folder.expanduser().absolute()
        self.catalog = catalog

    def path(self, name: str) -> Path:
        """The folder of an installed model, its files' sizes checked.

        Raises `InvalidInputError` for a name that cannot be one, `ModelMissingError`,
        `ModelCorruptError`.
        """
        self.manifest(name)
        return self.folder / name

    def file(self, name: str, filename: str) -> Path:
        """One file of an installed model. Raises as `path`; `NotFoundError` for another file."""
        manifest = self.manifest(name)
        if filename not in {file.name for file in manifest.files}:
            names = ", ".join(file.name for file in manifest.files)
            raise NotFoundError(f"{name} has no file {filename!r}", hint=f"its files are {names}")
        return self.folder / name / filename

    def manifest(self, name: str) -> Manifest:
        """The record of an installed model, its files' sizes and age checked. Raises as `path`."""
        folder = self.path_of(name)
        manifest = Manifest.read(folder, name)
        if manifest is None:
            raise ModelMissingError(f"the model {name} is not installed", hint=self._remedy(name))
        for entry in manifest.files:
            problem = self._size_problem(name, entry) or self._age_problem(name, entry)
            if problem:
                raise ModelCorruptError(str(problem), hint=f"nexus models pull {name} --force")
        return manifest

    def is_installed(self, name: str) -> bool:
        """Whether `path(name)` would succeed. Raises `InvalidInputError` for an impossible name."""
        try:
            self.manifest(name)
        except (ModelMissingError, ModelCorruptError):
            return False
        return True

    def names(self) -> tuple[str, ...]:
        """Every model that has a folder here, whole or damaged, sorted."""
        try:
            entries = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageError(f"cannot read {self.folder}: {error.strerror}") from error
        return tuple(e.name for e in entries if _NAME.fullmatch(e.name) and e.is_dir())

    def installed(self) -> tuple[Manifest, ...]:
        """The records of all whole models, sorted by name."""
        return tuple(self.manifest(name) for name in self.names() if self.is_installed(name))

    def verify(self, name: str, progress: Progress | None = None) -> list[Problem]:
        """Read every byte of an installed model and name what is wrong; empty when all is well.

        Converted and unpinned files are compared with the manifest, pinned ones with the catalog,
        too. Raises `ModelMissingError`, or `ModelCorruptError` for a manifest that cannot be read.
        """
        manifest = Manifest.read(self.path_of(name), name)
        if manifest is None:
            raise ModelMissingError(f"the model {name} is not installed", hint=self._remedy(name))
        total, done = sum(entry.size for entry in manifest.files), 0
        problems = []
        for entry in manifest.files:

            def read(count: int) -> None:
                nonlocal done
                done += count
                if progress:
                    progress(done, total)

            problem = self._size_problem(name, entry)
            if problem is None:
                path = self.folder / name / entry.name
                try:
                    actual = digest_of(path, on_block=read)
                except OSError as error:
                    problem = Problem(
                        name, entry.name, "unreadable", "a readable file", error.strerror or "?"
                    )
                else:
                    problem = self._content_problem(name, entry, actual)
            if problem:
                problems.append(problem)
        return problems

    def remove(self, name: str) -> int:
        """Delete a model and what an interrupted download left of it; returns the bytes freed.

        Raises `NotFoundError` where there is nothing, `BusyError` while it is being downloaded.
        """
        folder, partial = self.path_of(name), self.partial(name)

        def busy() -> None:
            raise BusyError(f"{name} is being downloaded by another process")

        if not folder.exists() and not partial.exists():
            raise NotFoundError(f"the model {name} is not installed")
        with locked(self.lock_file(name), busy):
            freed = _size(folder) + _size(partial)
            doomed = partial.with_name(f"{name}.{secrets.token_hex(4)}.removed")
            try:
                if folder.exists():
                    # Renamed first: a half-deleted folder never looks like a model.
                    os.replace(folder, doomed)
                    atomic.sync_folder(self.folder)
                for leftover in (doomed, partial):
                    if leftover.exists():
                        shutil.rmtree(leftover)
            except OSError as error:
                raise StorageError.from_os(error, folder) from error
        return freed

    def partial(self, name: str) -> Path:
        """Where an installation of `name` that is under way keeps its files."""
        return self.path_of(name).parent / PARTIAL / name

    def lock_file(self, name: str) -> Path:
        """Held while `name` is installed or removed."""
        return self.path_of(name).parent / PARTIAL / f"{name}.lock"

    def path_of(self, name: str) -> Path:
        """Where `name` lies or would lie. Raises `InvalidInputError` for an impossible name."""
        if not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"{name!r} cannot be the name of a model",
                hint="names are lower-case letters, digits, dots and dashes",
            )
        return self.folder / name

    def _remedy(self, name: str) -> str:
        if name in self.catalog:
            return f"nexus models pull {name}"
        return f"models are {', '.join(self.catalog)}"

    def _size_problem(self, name: str, entry: InstalledFile) -> Problem | None:
        expected = f"{entry.size} bytes"
        try:
            size = (self.folder / name / entry.name).stat().st_size
        except FileNotFoundError:
            return Problem(name, entry.name, "missing", expected, "no such file")
        except OSError as error:
            return Problem(name, entry.name, "unreadable", expected, error.strerror or "?")
        if size == entry.size:
            return None
        kind: Literal["truncated", "oversized"] = "truncated" if size < entry.size else "oversized"
        return Problem(name, entry.name, kind, expected, f"{size} bytes")

    def _content_problem(self, name: str, entry: InstalledFile, actual: str) -> Problem | None:
        if actual != entry.sha256:
            expected = f"sha256 {entry.sha256}"
            return Problem(name, entry.name, "tampered", expected, f"sha256 {actual}")
        return self._age_problem(name, entry)

    def _age_problem(self, name: str, entry: InstalledFile) -> Problem | None:
        """Where the catalog knew the bytes when they were installed and now names others."""
        model = self.catalog.get(name)
        listed = {file.name: file for file in model.files} if model else {}
        file = listed.get(entry.name)
        if entry.pinned and file and not file.accepts(entry.size, entry.sha256):
            # An older release installed it, or the manifest was changed together with the file.
            expected = f"sha256 {file.sha256}"
            return Problem(name, entry.name, "outdated", expected, f"sha256 {entry.sha256}")
        return None


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
