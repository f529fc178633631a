"""The tree against what the store knows of it: what a kill, or another program, changed without telling.

Runs at the start of each worker, below one folder or over all, while the tree is used. Knows neither requests
nor what reads files. Invariant: afterwards each file that is not ignored is known with the size and time it
has and was or will be read, and no file is known that is not there; the memory it takes does not grow with
the tree.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from nexus.memexfs.content import Content, mark_at
from nexus.memexfs.ignored import ignored
from nexus.memexfs.store import Store
from nexus.memexfs.store_rows import FileRow
from nexus.memexfs.walking import Found, opened, reach, walk

_PAGE = 500


class Reconciled(NamedTuple):
    """How many files were looked at, queued because they are new or changed, dropped because they are gone,
    and mended because a kill had cut off their sealing."""

    files: int
    queued: int
    dropped: int
    mended: int


def reconcile(
    store: Store,
    tree: Path,
    sources: Mapping[bytes, Path],
    content: Content | None,
    under: bytes = b"",
    *,
    stop: threading.Event | None = None,
) -> Reconciled:
    """Compare what is below `under`. Files of a source that is not among `sources`, because its disk is not
    there, are left as they are known. Ends early, with what it did, when `stop` is set. Raises
    `StorageError`, and `OSError` where the tree itself cannot be read."""
    stop = threading.Event() if stop is None else stop
    files = queued = dropped = 0
    mended: list[bytes] = []

    def looked_at() -> Iterator[Found]:
        for found in _all(tree, sources, under):
            if content is not None and _mended(content, found):
                mended.append(found.path)
                with suppress(FileNotFoundError):  # mending gave it its time back
                    now = os.stat(found.name, dir_fd=found.folder, follow_symlinks=False)
                    found = found._replace(status=now)
            yield found

    for page in _pages(looked_at()):
        files += len(page)
        changed = store.differing([(one.path, one.status.st_size, one.status.st_mtime_ns) for one in page])
        with store.batch():
            for path, size, mtime_ns in changed:
                store.written(path, size, mtime_ns, time.time_ns())
        queued += len(changed)
        if stop.is_set():
            return Reconciled(files, queued, dropped, len(mended))
    away = {os.fsencode(name) for name in store.sources()} - set(sources)
    after = b""
    while not stop.is_set() and (rows := store.files(under, after, _PAGE)):
        after = rows[-1].path
        here = [row for row in rows if row.path.partition(b"/")[0] not in away]
        gone = list(_missing(tree, sources, here))
        with store.batch():
            for path in gone:
                store.removed(path, folder=False)
        dropped += len(gone)
    queued += store.requeue()
    return Reconciled(files, queued, dropped, len(mended))


def _all(tree: Path, sources: Mapping[bytes, Path], under: bytes) -> Iterator[Found]:
    """The plain files below files/`under` that are not ignored, wherever they really are; while one is given,
    its folder is open."""
    first, _, rest = under.partition(b"/")
    for name, top in list(sources.items()):
        if first in (b"", name):
            with suppress(FileNotFoundError), opened(top) as descriptor:
                prefix = name + b"/"
                for found in walk(descriptor, rest, skip=_below(prefix)):
                    whole = found._replace(path=prefix + found.path)
                    if found.is_file and not ignored(whole.path):
                        yield whole
    if first not in sources:
        with opened(tree) as descriptor:
            for found in walk(descriptor, under, skip=ignored):
                if found.is_file and not ignored(found.path):
                    yield found


def _below(prefix: bytes) -> Callable[[bytes], bool]:
    return lambda path: ignored(prefix + path)


def _mended(content: Content, found: Found) -> bool:
    """Whether something was half done in a sealed file."""
    one = mark_at(found.folder, found.name)
    if one is None or (one.finished and one.sealed.size == found.status.st_size):
        return False
    try:
        fd = os.open(found.name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found.folder)
    except OSError:  # read-only for us: it was not sealed either
        return False
    try:
        return bool(content.mend(fd))
    finally:
        os.close(fd)


def _pages(files: Iterable[Found]) -> Iterator[list[Found]]:
    page: list[Found] = []
    for found in files:
        if len(page) >= _PAGE:
            yield page
            page = []
        page.append(found)
    if page:
        yield page


def _missing(tree: Path, sources: Mapping[bytes, Path], rows: list[FileRow]) -> Iterator[bytes]:
    """Paths of rows where no plain file is, or an ignored one."""
    for above, group in groupby(rows, key=lambda row: row.path.rpartition(b"/")[0]):
        first, _, rest = above.partition(b"/")
        source = sources.get(first)
        folder: int | None = None
        try:
            with opened(source or tree) as top, reach(top, rest if source else above) as here:
                folder = os.dup(here)
        except OSError:
            folder = None
        try:
            for row in group:
                if ignored(row.path) or not _there(folder, row.path.rpartition(b"/")[2]):
                    yield row.path
        finally:
            if folder is not None:
                os.close(folder)


def _there(folder: int | None, name: bytes) -> bool:
    if folder is None:
        return False
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
