"""Opens files under files/ for reading, wherever their bytes are: in the tree, in a source, or sealed.

Goes from folder to folder by descriptors and follows no link, so that nothing outside is ever read and no
path is too long. Knows nothing of what is read. Invariant: what `opened` gives is a regular file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Protocol

from nexus.memexfs.node import failure

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOATIME
_MOST_BESIDE = 1000


class Sealed(Protocol):
    """What knows of sealed files (`nexus.memexfs.content`)."""

    def reading(self, fd: int) -> int | None:
        """A descriptor of what the sealed file held; None where the file is not sealed."""


class Opener:
    """Opens by path under files/."""

    def __init__(
        self,
        tree: Path,
        sources: Callable[[], Mapping[str, Path]] = dict,
        sealed: Sealed | None = None,
    ) -> None:
        """`sources` gives the folders that are shown in place, by their names under files/."""
        self._tree, self._sources, self._sealed = tree, sources, sealed

    @contextmanager
    def opened(self, path: bytes) -> Iterator[int]:
        """A descriptor of the file's bytes, closed at the end. Raises `OSError`: ENOENT where there is none,
        EINVAL where it is no regular file."""
        with self._folder(path) as (folder, name):
            descriptor = _open(name, folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise failure(errno.EINVAL, "not a regular file")
            held = self._sealed.reading(descriptor) if self._sealed else None
            if held is not None:
                os.close(descriptor)
                descriptor = held
            yield descriptor
        finally:
            os.close(descriptor)

    def status(self, path: bytes) -> os.stat_result:
        """What stat(2) says of it, a link not followed. Raises `OSError`."""
        with self._folder(path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def beside(self, path: bytes, most: int) -> list[bytes]:
        """The names that come just before and after it in its folder, at most so many; hidden ones are left
        out. Of a very large folder only a part is looked at."""
        try:
            with self._folder(path) as (folder, own), os.scandir(folder) as found:
                held = sorted(os.fsencode(entry.name) for entry in islice(found, _MOST_BESIDE))
        except OSError:
            return []
        names = [name for name in held if not name.startswith(b".") and name != own]
        at = sum(name < own for name in names)
        start = max(0, min(at - most // 2, len(names) - most))
        return names[start : start + most]

    @contextmanager
    def _folder(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        """The folder that `path` lies in, open, and the name there."""
        *folders, name = path.split(b"/")
        source = self._sources().get(os.fsdecode(folders[0])) if folders else None
        descriptor = os.open(source or self._tree, _FOLDER if source is None else _FOLDER & ~os.O_NOFOLLOW)
        try:
            for folder in folders[1:] if source else folders:
                inner = os.open(folder, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)


def _open(name: bytes, folder: int) -> int:
    try:
        return os.open(name, _FILE, dir_fd=folder)
    except PermissionError:
        # Only the owner may leave the time of the last access as it is.
        return os.open(name, _FILE & ~os.O_NOATIME, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise failure(errno.EINVAL, "a link") from error
        raise
