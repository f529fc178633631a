"""Real trees by directory descriptors: reaching a path of any length, and going through all that is below.

Knows nothing of what the files mean. Invariants: no path is ever handed to the kernel, so none is too long;
at most a few dozen descriptors are open and one folder's subfolders a level held, however large the tree;
symbolic links are never followed; what vanishes meanwhile is passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_OPEN = 48  # levels whose folders stay open
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """Something in the tree. `folder` is open until the next one is asked for; `path` is from the top."""

    path: bytes
    folder: int
    name: bytes
    status: os.stat_result

    @property
    def is_file(self) -> bool:
        """A regular file, no link to one."""
        return stat.S_ISREG(self.status.st_mode)


@contextmanager
def reach(top: int, path: bytes) -> Iterator[int]:
    """A descriptor of the folder `path` below the folder `top`. Raises `OSError`."""
    at = os.open(b".", _FOLDER, dir_fd=top)
    try:
        for name in path.split(b"/") if path else ():
            inner = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


@contextmanager
def folder_of(top: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """The folder that `path` is in, open, and its name there. Raises `OSError`."""
    above, _, name = path.rpartition(b"/")
    with reach(top, above) as folder:
        yield folder, name


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder that is named by its path. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walk(
    top: int, under: bytes = b"", *, skip: Callable[[bytes], bool] = lambda path: False
) -> Iterator[Found]:
    """All files below `top`/`under`, folder by folder, but for folders that `skip` names; when `under` is a
    file, that. Nothing where it is not there."""
    try:
        with folder_of(top, under) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False) if under else os.fstat(folder)
            if not stat.S_ISDIR(status.st_mode):
                yield Found(under, folder, name, status)
                return
    except OSError:
        return
    work: list[tuple[bytes, int | None, list[bytes]]] = []  # path, descriptor, folders still to go into
    try:
        yield from _enter(top, under, None, work, skip)
        while work:
            path, folder_or_none, left = work[-1]
            if not left:
                work.pop()
                if folder_or_none is not None:
                    os.close(folder_or_none)
                continue
            name = left.pop()
            below = path + b"/" + name if path else name
            yield from _enter(top, below, folder_or_none, work, skip)
    finally:
        for _, descriptor, _ in work:
            if descriptor is not None:
                os.close(descriptor)


def _enter(
    top: int,
    path: bytes,
    above: int | None,
    work: list[tuple[bytes, int | None, list[bytes]]],
    skip: Callable[[bytes], bool],
) -> Iterator[Found]:
    """List one folder: gives its files, and puts it on `work` with the folders in it."""
    try:
        if above is not None:
            here = os.open(path[path.rfind(b"/") + 1 :], _FOLDER, dir_fd=above)
        else:
            with reach(top, path) as reached:
                here = os.dup(reached)
    except OSError:  # it went, or is not ours to read
        return
    inner: list[bytes] = []
    work.append((path, here, inner))
    before = path + b"/" if path else b""
    with os.scandir(here) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not skip(before + name):
                        inner.append(name)
                else:
                    yield Found(before + name, here, name, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue
    if len(work) > _OPEN:  # the upper ones are opened again when it is their turn
        for number in range(len(work) - _OPEN):
            upper, descriptor, left = work[number]
            if descriptor is not None:
                os.close(descriptor)
                work[number] = (upper, None, left)
