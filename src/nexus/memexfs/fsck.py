"""Whether what lies in NEXUS_HOME/memex fits together, and what can be done where it does not.

Reads everything; unless told to repair, it changes no more than any use does (a damaged database is made
anew, an object in the trash that is needed is taken out). Knows neither mounts nor models. Invariant: an
inconsistency is named with its place and never passed over; what a kill leaves and the next start takes up by
itself is a note, not a problem.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nexus.memexfs.collecting import PLACES
from nexus.memexfs.content import Content, mark
from nexus.memexfs.ignored import ignored
from nexus.memexfs.objects import Objects
from nexus.memexfs.reconcile import reconcile
from nexus.memexfs.recorder import alone
from nexus.memexfs.store import Store
from nexus.memexfs.walking import Found, opened, walk

_NAMED = 1000  # problems; more are counted


@dataclass
class Report:
    """What was found. `problems` are inconsistencies, `notes` what the next start sees to, `repaired` what
    was done about problems; `more` problems were found beyond those that are named."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    more: int = 0
    files: int = 0
    sealed: int = 0
    objects: int = 0
    versions: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def wrong(self, problem: str) -> None:
        """Note a problem; the first are named, all are counted."""
        if len(self.problems) < _NAMED:
            self.problems.append(problem)
        else:
            self.more += 1


def check(home: Path, repair: bool = False, *, contents: bool = True) -> Report:
    """Check `home`, a NEXUS_HOME. `contents`: read every object as a whole. Repairing needs the tree for
    itself: raises `AlreadyRunningError` while it is mounted. Raises `StorageError` for a store that is of a
    newer NexusOS, or where the disk is full."""
    folder = home / "memex"
    report = Report()
    if not folder.is_dir():
        report.notes.append(f"there is no {folder}: nothing was mounted yet")
        return report
    if not repair:
        _check(folder, report, None, contents)
        return report
    with alone(folder):
        _check(folder, report, Content(Objects(folder / "objects")), contents)
    return report


def _check(folder: Path, report: Report, content: Content | None, contents: bool) -> None:
    objects = Objects(folder / "objects")
    store = Store(folder)
    try:
        if store.rebuilt:
            report.notes.append(f"the database was made anew: {store.rebuilt}")
        for problem in store.check():
            report.wrong(f"database: {problem}")
        if report.problems and content is not None:
            store.rebuild(report.problems[0])
            report.repaired.append("the database is made anew")
        lost = store.recall("lines that could not be read")
        if lost not in ("", "0"):
            report.notes.append(f"journal: {lost} lines could not be read")
        _check_objects(objects, report, contents)
        _check_versions(store, objects, report, repair=content is not None)
        for place in PLACES:
            if (folder / place).is_dir():
                _check_place(folder / place, place, objects, report, content)
        if content is not None:
            done = reconcile(store, folder / "tree", _sources(store), content)
            if done.queued or done.dropped:
                report.repaired.append(f"{done.queued} files are read again, {done.dropped} forgotten")
        else:
            _compare(folder, store, report)
    finally:
        store.close()
        objects.close()


def _check_objects(objects: Objects, report: Report, contents: bool) -> None:
    for sealed in objects:
        report.objects += 1
        problem = objects.verify(sealed.digest, sealed.form) if contents else ""
        if problem:
            report.wrong(f"object {sealed.digest}: {problem}")


def _check_versions(store: Store, objects: Objects, report: Report, *, repair: bool) -> None:
    for digest in store.digests():
        report.versions += 1
        if not objects.form(digest):
            report.wrong(f"versions with the content {digest}: it is not stored")
            if repair:
                report.repaired.append(
                    f"{store.drop_versions(digest)} versions without a content are forgotten"
                )


def _check_place(place: Path, name: str, objects: Objects, report: Report, content: Content | None) -> None:
    with opened(place) as top:
        for found in walk(top):
            report.files += name == "tree" and found.is_file
            if found.is_file:
                for problem in _check_hole(found, objects, report, content):
                    report.wrong(f"{name}/{os.fsdecode(found.path)}: {problem}")


def _check_hole(found: Found, objects: Objects, report: Report, content: Content | None) -> Iterator[str]:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_RDWR if content else os.O_PATH)
    try:
        fd = os.open(found.name, flags, dir_fd=found.folder)
    except OSError as error:
        if content is None:
            yield f"cannot be looked at: {error.strerror}"
        return
    try:
        one = mark(fd)
        if one is None:
            return
        report.sealed += 1
        if not objects.form(one.sealed.digest):
            yield f"its content {one.sealed.digest} is not stored"
        elif not one.finished or one.sealed.size != os.fstat(fd).st_size:
            report.notes.append(f"{os.fsdecode(found.path)}: its sealing was cut off")
            if content is not None and content.mend(fd):
                report.repaired.append(f"{os.fsdecode(found.path)}: its sealing is finished")
    finally:
        os.close(fd)


def _compare(folder: Path, store: Store, report: Report) -> None:
    """How far the store is behind the tree; that is what reconciling is for."""
    behind = 0
    with opened(folder / "tree") as top:
        page: list[tuple[bytes, int, int]] = []
        for found in walk(top, skip=ignored):
            if found.is_file and not ignored(found.path):
                page.append((found.path, found.status.st_size, found.status.st_mtime_ns))
            if len(page) >= 500:
                behind += len(store.differing(page))
                page.clear()
        behind += len(store.differing(page))
    if behind:
        report.notes.append(f"{behind} files are new or changed and not known yet")


def _sources(store: Store) -> dict[bytes, Path]:
    return {os.fsencode(name): path for name, path in store.sources().items()}
