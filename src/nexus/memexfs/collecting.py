"""Letting go of objects that nothing needs: no version, and no sealed file of the tree.

What needs an object is asked of the tree itself, not of a database that may have lost it. Knows neither
requests nor when it is time. Invariants: an object goes to the trash only when a whole walk found nobody that
needs it, what was renamed during the walk was looked at again, and it was not stored anew since the walk
began; from the trash it goes a week later, and only if nobody asked for it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from nexus.memexfs.content import mark_at
from nexus.memexfs.objects import Objects
from nexus.memexfs.store import Store
from nexus.memexfs.walking import opened, walk

PLACES = ("tree", "kept", "orphans", "branches")  # of a NEXUS_HOME/memex, where sealed files may be


_SLACK = 3600.0  # seconds; what is stored now may be named by a file only a moment later


class Collected(NamedTuple):
    """Objects that are needed, that went to the trash, and the bytes that emptying it gave back."""

    needed: int
    discarded: int
    bytes: int


def collect(
    folder: Path,
    store: Store,
    objects: Objects,
    moved: Callable[[], Iterable[bytes]] = tuple,
    *,
    stop: threading.Event | None = None,
) -> Collected:
    """One collection in `folder`, a NEXUS_HOME/memex. `moved` gives, and forgets, the paths that something
    was renamed or linked to since it was asked last. Raises `StorageError`, and `OSError` where a place
    cannot be read: nothing goes then."""
    stop = threading.Event() if stop is None else stop
    begin = time.time() - _SLACK
    needed = sqlite3.connect("", isolation_level=None)  # a file of its own that SQLite deletes
    try:
        needed.execute("CREATE TABLE needed (digest TEXT PRIMARY KEY) WITHOUT ROWID")
        list(moved())
        for place in PLACES:
            if (folder / place).is_dir():
                _need(needed, folder / place, b"")
        while again := list(
            moved()
        ):  # what may have gone from where the walk was not yet to where it had been
            for path in again:
                _need(needed, folder / "tree", path)
            if stop.is_set():
                return Collected(0, 0, 0)
        for digest in store.digests():
            needed.execute("INSERT OR IGNORE INTO needed VALUES (?)", (digest,))
        count = discarded = 0
        for sealed in objects:
            if needed.execute("SELECT 1 FROM needed WHERE digest = ?", (sealed.digest,)).fetchone():
                count += 1
            elif not stop.is_set():
                discarded += objects.discard(sealed, begin)
        for digest in objects.trashed():  # needed again, by whoever did not ask for it yet
            if needed.execute("SELECT 1 FROM needed WHERE digest = ?", (digest,)).fetchone():
                objects.form(digest)
        return Collected(count, discarded, objects.empty_trash(time.time()))
    finally:
        needed.close()


def _need(needed: sqlite3.Connection, top: Path, under: bytes) -> None:
    with opened(top) as descriptor:
        for found in walk(descriptor, under):
            if not found.is_file:
                continue
            one = mark_at(found.folder, found.name)
            if one is not None:
                needed.execute("INSERT OR IGNORE INTO needed VALUES (?)", (one.sealed.digest,))
