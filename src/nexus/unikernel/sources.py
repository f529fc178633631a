"""Foreign source code that images are built from: pinned archives, fetched once and unpacked once.

`unpacked("micropython")` gives a folder. An archive comes from the folder NEXUS_UNIKERNEL_SOURCES where that
is set, otherwise through apt's downloader from whatever mirror this machine's apt is set up with. Knows
nothing of compiling. Invariant: bytes are unpacked only after their SHA-256 was the pinned one, and a folder
that has the final name is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nexus.core.atomic import temporary_for
from nexus.core.errors import DownloadError, InvalidInputError, MissingPartError, NotFoundError, StorageError
from nexus.core.paths import Home

FOLDER_VARIABLE = "NEXUS_UNIKERNEL_SOURCES"
_DOWNLOAD_SECONDS = 300  # for all mirrors together
_LIST_SECONDS = 30
_SILENT_SECONDS = 15  # a mirror that neither answers nor sends anything is given up
_FAILED = re.compile(r"Failed to fetch \S+ \S")
_COMPONENTS = ("main", "universe")  # where distributions keep the archives


@dataclass(frozen=True, slots=True)
class Source:
    """One archive of a distribution: `pool` is its path below pool/<component>/ of every mirror.

    `keep` names what is unpacked of its one top folder (files and whole folders); empty is everything.
    """

    name: str
    pool: str
    sha256: str
    keep: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The archive's file name."""
        return self.pool.rpartition("/")[2]


SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            "micropython",
            "m/micropython/micropython_1.25.0+ds.orig.tar.xz",
            "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea",
            (
                "LICENSE",
                "extmod",
                "lib/crypto-algorithms",
                "lib/libm_dbl",
                "lib/re1.5",
                "lib/uzlib",
                "mpy-cross",
                "py",
                "shared",
                "tools/mpy-tool.py",
            ),
        ),
        Source(
            "lwip",
            "l/lwip/lwip_2.1.3+dfsg1.orig.tar.xz",
            "0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Apt:
    """The machine's apt: which mirrors it knows, and its downloader. Both programs are part of apt itself."""

    get: str = "apt-get"
    helper: str = "/usr/lib/apt/apt-helper"

    def mirrors(self) -> list[tuple[str, str]]:
        """(address, component) of the package lists that apt is set up with, in apt's order."""
        command = [self.get, "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_LIST_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return []
        rows = [line.split() for line in done.stdout.splitlines()] if done.returncode == 0 else []
        return list(
            dict.fromkeys((row[0], row[1]) for row in rows if len(row) == 2 and row[1] in _COMPONENTS)
        )

    def download(self, address: str, target: Path, sha256: str, seconds: float = _DOWNLOAD_SECONDS) -> str:
        """Fetch to `target` within that time; why it failed, or ""."""
        options = ["Acquire::Retries=1"]
        options += [f"Acquire::{way}::Timeout={_SILENT_SECONDS}" for way in ("http", "https")]
        try:
            done = subprocess.run(
                [
                    self.helper,
                    *(word for option in options for word in ("-o", option)),
                    *("download-file", address, str(target), f"SHA256:{sha256}"),
                ],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{address}: not there after {seconds:.0f} s"
        except OSError as error:
            return str(error)
        lines = [" ".join(line[2:].split()) for line in done.stderr.splitlines() if line.startswith("E:")]
        if done.returncode == 0:
            return ""
        # "Failed to fetch ADDRESS why", the address written in another way.
        why = next((line.split(" ", 4)[4] for line in lines if _FAILED.match(line)), "; ".join(lines))
        return f"{address}: {why or f'apt-helper ended with {done.returncode}'}"


def unpacked(
    name: str,
    home: Home | None = None,
    *,
    sources: Mapping[str, Source] = SOURCES,
    apt: Apt | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Path:
    """The folder with a source's files (its one top folder is left out of the path).

    Raises `NotFoundError` for a name not in the table, `MissingPartError` or `DownloadError` where the
    archive cannot be had, `InvalidInputError` where it is not the pinned one or would write outside its
    folder, `StorageError` where there is no room.
    """
    source = sources.get(name)
    if source is None:
        raise NotFoundError(f"no source named {name!r}", hint=f"known: {', '.join(sources)}")
    home = home or Home.from_env()
    shelf = home.cache / "unikernel" / "sources"
    folder = shelf / f"{name}-{_key(source)}"
    if folder.is_dir():
        return folder
    try:
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=shelf))
        try:
            _unpack(archive(source, shelf, apt or Apt(), environment), source, work / "new")
            _publish(work / "new", folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageError.from_os(error, shelf) from error
    return folder


def origin(
    name: str, home: Home | None = None, apt: Apt | None = None, environment: Mapping[str, str] = os.environ
) -> str:
    """Where a source is, or would come from, in words; nothing is fetched. Raises `MissingPartError`."""
    source, apt = SOURCES[name], apt or Apt()
    shelf = (home or Home.from_env()).cache / "unikernel" / "sources"
    if (shelf / f"{name}-{_key(source)}").is_dir():
        return f"{name} is in {shelf}"
    if given := environment.get(FOLDER_VARIABLE, ""):
        return f"{name} is {_given(source, given)}"
    if (shelf / source.file).is_file():
        return f"{name} is in {shelf}"
    mirrors = _mirrors(source, apt)
    return f"{name} would come through apt, from {mirrors[0][0]}"


def archive(source: Source, shelf: Path, apt: Apt, environment: Mapping[str, str] = os.environ) -> Path:
    """The checked archive: from NEXUS_UNIKERNEL_SOURCES, from the shelf, or downloaded to the shelf."""
    given = environment.get(FOLDER_VARIABLE, "")
    if given:
        path = _given(source, given)
        _check(path, source)
        return path
    path = shelf / source.file
    if path.is_file() and _sha256(path) == source.sha256:
        return path
    _download(source, path, apt)
    return path


def _given(source: Source, folder: str) -> Path:
    path = Path(folder) / source.file
    if not path.is_file():
        raise MissingPartError(f"{FOLDER_VARIABLE}={folder} has no {source.file}", hint=_remedy(source))
    return path


def _mirrors(source: Source, apt: Apt) -> list[tuple[str, str]]:
    mirrors = apt.mirrors() if Path(apt.helper).is_file() else []
    if not mirrors:
        raise MissingPartError(
            f"the source of {source.name} comes through apt, which this machine has not or has no mirror for",
            hint=_remedy(source),
        )
    return mirrors


def _download(source: Source, path: Path, apt: Apt) -> None:
    mirrors = _mirrors(source, apt)
    failures: list[str] = []
    until = time.monotonic() + _DOWNLOAD_SECONDS
    for address, component in mirrors:
        left = until - time.monotonic()
        if left <= 0:
            break
        temporary = temporary_for(path)
        try:
            place = f"{address.rstrip('/')}/pool/{component}/{source.pool}"
            failure = apt.download(place, temporary, source.sha256, left)
            if not failure:
                _check(temporary, source)
                os.replace(temporary, path)
                return
            failures.append(failure)
        finally:
            temporary.unlink(missing_ok=True)
    hint = f"try again when there is a network, or {_remedy(source)}"
    raise DownloadError(f"cannot fetch {source.file}: {'; '.join(failures)}", hint=hint)


def _remedy(source: Source) -> str:
    return (
        f"put {source.file} (SHA-256 {source.sha256}; Debian's source package {source.name}) into a folder "
        f"and set {FOLDER_VARIABLE} to it"
    )


def _check(path: Path, source: Source) -> None:
    found = _sha256(path)
    if found != source.sha256:
        raise InvalidInputError(f"{path} has the SHA-256 {found}, not {source.sha256}", hint=_remedy(source))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key(source: Source) -> str:
    """Names a folder by what it is unpacked from and what of it."""
    return hashlib.sha256("\0".join((source.sha256, *source.keep)).encode()).hexdigest()[:16]


def _unpack(path: Path, source: Source, folder: Path) -> None:
    folder.mkdir()
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                inner = member.name.removeprefix("./").partition("/")[2]
                if inner and _kept(inner, source.keep):
                    _place(tar, member, folder, inner)
    except (tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise InvalidInputError(f"{path} is not a sound archive: {error}", hint=_remedy(source)) from error


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, inner: str) -> None:
    """One file or folder, never outside `folder`. By hand: tarfile's own filters came with Python 3.11.4."""
    parts = [part for part in inner.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"{member.name} leads out of it")
    to = folder.joinpath(*parts)
    if member.isdir():
        to.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:  # no archive that is pinned here has one
        raise ValueError(f"{member.name} is neither a file nor a folder")
    to.parent.mkdir(parents=True, exist_ok=True)
    with content, to.open("wb") as out:
        shutil.copyfileobj(content, out)
    to.chmod(0o755 if member.mode & 0o100 else 0o644)


def _kept(inner: str, keep: tuple[str, ...]) -> bool:
    return not keep or any(inner == part or inner.startswith(part + "/") for part in keep)


def _publish(new: Path, folder: Path) -> None:
    try:
        new.rename(folder)
    except OSError:
        # Another process may have been faster; its folder is as good.
        if not folder.is_dir():
            raise
