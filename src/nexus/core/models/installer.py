"""Puts a model of the catalog into the store: found, fetched, checked, then visible at once.

Tries the sources in the user's order and tells, through `notify`, each one that fails and each file
whose bytes were not known beforehand. Invariant: `models/NAME` is either the old model, nothing, or
the new one whole; all work is done in `models/.partial/NAME`, where a later run goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nexus.core import atomic, clock
from nexus.core.errors import (
    DownloadError,
    MissingPartError,
    ModelCorruptError,
    ModelMissingError,
    StorageError,
)
from nexus.core.models.catalog import find
from nexus.core.models.delivery import Courier
from nexus.core.models.digest import digest_of
from nexus.core.models.download import Downloader, Progress, require_space
from nexus.core.models.lock import locked
from nexus.core.models.manifest import InstalledFile, Manifest
from nexus.core.models.model import Conversion, Model, ModelFile
from nexus.core.models.packages import Notify
from nexus.core.models.shelf import take
from nexus.core.models.sources import SourceError, SourceKind, kind_of
from nexus.core.models.store import ModelStore
from nexus.core.models.workplace import Meter, Workplace

# Makes a model's files in the folder (second) from the pack file (first).
Converter = Callable[[Path, Path], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """The result of a pull. `fresh` is False where the model was already there."""

    name: str
    folder: Path
    manifest: Manifest
    fresh: bool
    notes: tuple[str, ...] = ()


class Installer:
    """Installs models of the store's catalog into the store."""

    def __init__(
        self,
        store: ModelStore,
        *,
        search_path: Sequence[Path] = (),
        order: Sequence[SourceKind] = ("path", "hub", "registry"),
        converters: Mapping[str, Converter] | None = None,
        downloader: Downloader | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """`search_path`: folders with weights already on this machine, for the source `path`."""
        self._store = store
        self._search_path = tuple(search_path)
        self._order = tuple(order)
        self._converters = dict(converters or {})
        self._downloader = downloader or Downloader()
        self._env = env

    def pull(
        self,
        name: str,
        *,
        progress: Progress | None = None,
        notify: Notify | None = None,
        force: bool = False,
    ) -> Installed:
        """Install `name`, or say that it is there; `force` fetches it again.

        `progress` is told (bytes done, bytes in all or None); `notify` whatever a user should know.
        Where another process is installing it, waits and finds it installed. Raises
        `NotFoundError`, `DownloadError` naming every source and why it failed, `ModelCorruptError`
        for a pack that cannot be converted, `MissingPartError`, `StorageError`. The old model then
        still stands.
        """
        model = find(name, self._store.catalog)
        folder = self._store.path_of(name)
        notes: list[str] = []

        def tell(text: str) -> None:
            notes.append(text)
            if notify:
                notify(text)

        before = self._current(name, tell)
        if before and not force:
            return Installed(name, folder, before, fresh=False)
        waiting = f"another process is installing {name}, waiting for it"
        with locked(self._store.lock_file(name), lambda: tell(waiting)):
            now = self._current(name, None)
            if now and (not force or now != before):
                return Installed(name, folder, now, False, tuple(notes))
            try:
                work = Workplace(self._store.partial(name), fresh=force)
                task = _Task(self, model, work, Meter(progress, model.download_size), tell)
                require_space(work.folder, max(0, (model.download_size or 0) - work.size()))
                manifest = task.gather()
                manifest.write(work.files)
                self._publish(folder, work)
            except OSError as error:
                raise StorageError.from_os(error, error.filename or folder) from error
        return Installed(name, folder, manifest, True, tuple(notes))

    def _current(self, name: str, tell: Notify | None) -> Manifest | None:
        try:
            return self._store.manifest(name)
        except ModelMissingError:
            return None
        except ModelCorruptError as error:
            if tell:
                tell(f"{error.message}; fetching it again")
            return None

    def _publish(self, folder: Path, work: Workplace) -> None:
        """Give the finished folder its name; the old one, if any, goes at the same moment."""
        atomic.sync_folder(work.files)
        if folder.exists():
            os.replace(folder, work.folder / "old")
        os.replace(work.files, folder)
        atomic.sync_folder(folder.parent)
        with suppress(OSError):  # the model stands; a leftover costs space only
            shutil.rmtree(work.folder)


@dataclass(frozen=True, slots=True)
class _Task:
    """One model on its way into its workplace."""

    installer: Installer
    model: Model
    work: Workplace
    meter: Meter
    tell: Notify

    def gather(self) -> Manifest:
        """All files of the model in `work.files`, checked and on the disk."""
        if self.model.conversion:
            entries = self._from_shelf() or self._converted(self.model.conversion)
        else:
            entries = [self._obtain(file, self.work.files) for file in self.model.files]
        for entry, file in zip(entries, self.model.files, strict=True):
            if not file.pins:
                self.tell(
                    f"{file.name}: the catalog does not know its bytes; "
                    f"sha256 {entry.sha256} is what `nexus models verify` compares with from now on"
                )
        return Manifest(
            model=self.model.name,
            licence=self.model.licence,
            installed_at=clock.iso(clock.now()),
            files=tuple(entries),
        )

    def _from_shelf(self) -> list[InstalledFile] | None:
        """All files of a converted model, where the user has them converted already."""
        entries = []
        for file in self.model.files:
            entry = self._taken(file, self.work.files, [])
            if entry is None:
                return None
            entries.append(entry)
        return entries

    def _taken(self, file: ModelFile, folder: Path, failures: list[str]) -> InstalledFile | None:
        """`file` from the user's own folders, put into `folder`."""
        if "path" not in self.installer._order:
            return None

        def reject(text: str) -> None:
            failures.append(text)
            self.tell(text)

        target = folder / file.name
        found = take(self.installer._search_path, self.model.name, file, target, reject)
        return found and self.work.record(file, target, found[1], f"path {found[0]}")

    def _obtain(self, file: ModelFile, folder: Path) -> InstalledFile:
        """`file` from the first source that gives it, put into `folder`."""
        failures: list[str] = []
        entry = self.work.kept(file, folder)
        for kind in self.installer._order:
            if entry is None:
                entry = (
                    self._taken(file, folder, failures)
                    if kind == "path"
                    else self._fetched(file, folder, kind, failures)
                )
        if entry is None:
            order = self.installer._order
            raise DownloadError(
                f"{file.name} of {self.model.name} could not be had: "
                + ("; ".join(failures) or f"no source of the kinds {', '.join(order)} carries it"),
                hint="models.sources says which sources are allowed; "
                "a folder that holds the file can be named in models.search_path",
            )
        self.meter.advance(entry.size)
        return entry

    def _fetched(
        self, file: ModelFile, folder: Path, kind: SourceKind, failures: list[str]
    ) -> InstalledFile | None:
        installer = self.installer
        courier = Courier(installer._downloader, installer._env, self.tell)
        for source in self.model.sources_of(file.name):
            if kind_of(source) != kind:
                continue
            try:
                path, sha256 = courier.deliver(source, file, self.work.scratch(source), self.meter.within)
            except SourceError as error:
                failures.append(f"{source}: {error.message}")
                self.tell(failures[-1])
                continue
            os.replace(path, folder / file.name)
            return self.work.record(file, folder / file.name, sha256, str(source))
        return None

    def _converted(self, conversion: Conversion) -> list[InstalledFile]:
        """The files made from the pack. Other bytes than the catalog's are told, not refused."""
        pack = conversion.pack
        converter = self.installer._converters.get(conversion.converter)
        if converter is None:
            raise MissingPartError(f"nothing here converts {pack.name} for {self.model.name}")
        origin = self._obtain(pack, self.work.pack)
        for file in self.model.files:
            # A link to the user's own file must not be written through.
            (self.work.files / file.name).unlink(missing_ok=True)
        converter(self.work.pack / pack.name, self.work.files)
        entries = []
        for file in self.model.files:
            path = self.work.files / file.name
            if not path.is_file():
                raise ModelCorruptError(f"{pack.name} was converted without giving {file.name}")
            entry = self.work.record(
                file, path, digest_of(path), f"{origin.source}, converted from {pack.name}"
            )
            if not entry.pinned:
                self.tell(
                    f"{file.name}: converted to sha256 {entry.sha256}, the catalog has "
                    f"{file.sha256}; other library versions do that, the new value is recorded"
                )
            entries.append(entry)
        return entries
