"""Built things by the hash of what they were built from, under NEXUS_HOME/cache/unikernel/<key>/.

Knows nothing of compilers. Invariant: a folder that bears its key is whole: it was built under another name
and renamed; whoever wants the same at the same time waits for the one that builds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus.core import atomic
from nexus.core.errors import StorageError
from nexus.core.paths import Home


def root() -> Path:
    """The folder of this user's built images."""
    return Home.from_env().cache / "unikernel"


def key(parts: Iterable[bytes | str]) -> str:
    """A name for what is made of these parts, in this order: 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def tree(folder: Path) -> Iterator[bytes]:
    """Names and contents of all files below a folder, in a fixed order: parts of a key."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix().encode()
            yield path.read_bytes()


def kept(name: str, make: Callable[[Path], None], base: Path | None = None) -> Path:
    """The folder `name`, made by `make` in an empty folder where it is not there yet.

    Raises what `make` raises, leaving nothing behind, and `StorageError` where the cache cannot be written.
    """
    base = root() if base is None else base
    folder = base / name
    if folder.is_dir():
        return folder
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(base, name):
            if folder.is_dir():  # made while this one waited
                return folder
            for remains in base.glob(f".{name}.*"):
                shutil.rmtree(remains, ignore_errors=True)
            making = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=base))
            try:
                make(making)
                _sync(making)
                making.replace(folder)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
            atomic.sync_folder(base)
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    return folder


@contextmanager
def _alone(base: Path, name: str) -> Iterator[None]:
    """While one process or thread builds `name`, others wait here."""
    locks = base / "locks"
    locks.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """What is in the folder is on the disk before the folder gets its name."""
    for path in folder.iterdir():
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    atomic.sync_folder(folder)
