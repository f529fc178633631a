"""A folder that lists files which lie elsewhere: the real ones, so that writing to one writes to the file.

Knows not why these files; subclasses say which (`ask`). What holds below every such folder: a listed file
is the same node, with the same inode number, as under files/; nothing here removes, cuts off or replaces
the bytes of a file except a rename over another name, as everywhere; what cannot be listed is said.

What commands mean here, unless a subclass says more:
    cp, cat, vim, >>   the real file is read or written
    mv RESULT files/x  the real file moves there, under the name that was given
    mv RESULT tags/x/  the file gets the tag
    rm RESULT          not permitted: a question is not where files are removed
    cp, ln INTO it     not permitted: what is listed here follows from the question
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence

from nexus.core.errors import InvalidInputError, NexusError, NotFoundError
from nexus.memexfs import names
from nexus.memexfs.listings import Listing
from nexus.memexfs.node import Child, Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.virtual import Made, MadeFile, MadeFolder

RANKED = 50  # files that a question lists
LISTED = 50_000  # files that any other folder lists
FRESH = 1.0  # seconds for which what the database said may be repeated


def refused(error: NexusError) -> OSError:
    """The errno for something that the store or the finder would not do."""
    if isinstance(error, NotFoundError):
        return failure(errno.ENOENT, error.message)
    if isinstance(error, InvalidInputError):
        return failure(errno.EINVAL, error.message)
    return failure(errno.EIO, error.message)


class Results(MadeFolder):
    """Real files by names of this folder."""

    attribute_seconds = 1.0

    def ask(self) -> Sequence[bytes]:
        """Paths of the files, in the order of the names they get; one more than `LISTED` where there are
        more. Raises `NexusError`."""
        raise NotImplementedError

    def folder(self, name: bytes) -> Node | None:
        """The folder of this name. None is listed: each file is to be met once by whoever walks through."""
        return None

    def listing(self, seconds: float | None) -> Listing:
        """Names of files to their paths, at most `seconds` old."""
        return self.scene.listings.get(self.key, self.make, seconds)

    def make(self) -> Listing:
        """A listing as it is now: plain names, equal ones told apart by a number."""
        try:
            paths = self.ask()
        except NexusError as error:
            raise refused(error) from error
        listed = paths[:LISTED]
        # A file keeps the name it was listed by: `rm *` removes the second of two after the first is gone.
        held = {path: name for name, path in self.scene.listings.last(self.key).items()}
        new = [path for path in listed if path not in held]
        taken = [held[path] for path in listed if path in held]
        held.update(zip(new, names.distinct(map(names.base, new), taken), strict=True))
        return Listing({held[path]: path for path in listed}, notes=len(paths) > LISTED)

    def known(self, name: bytes) -> bytes | None:
        """The path of the file that this folder shows under `name`."""
        return self.listing(FRESH).names.get(name)

    # looking

    def child(self, name: bytes, caller: Caller) -> Node:
        path = self.known(name)
        if path is not None:
            folder, own = self.real_place(path, caller)
            return folder.child(own, caller)
        made = self.folder(name)
        if made is not None:
            return made
        if name == _MORE and self.listing(FRESH).notes is True:
            return self._more()
        raise failure(errno.ENOENT)

    def children(self) -> Iterable[Child]:
        listing = self.listing(self.relisted)
        ourselves = Caller(os.geteuid(), os.getegid(), os.getpid())
        places: dict[bytes, Node | None] = {}  # of one listing: thousands of files lie in a few folders
        for name, path in listing.names.items():
            parent, own = os.path.split(path)
            if parent not in places:
                try:
                    places[parent] = self.scene.files.resolve(parent)
                except OSError:
                    places[parent] = None
            folder = places[parent]
            # The file may have gone a moment ago, and the database has not heard of it yet.
            ino = 0 if folder is None else folder.peek(own, ourselves)
            if ino:
                yield Child(name, ino, stat.S_IFREG)
        if listing.notes is True:
            yield Child(_MORE, self._more().ino, stat.S_IFREG)

    relisted = FRESH  # seconds for which listing again may say the same

    def _more(self) -> Node:
        return MadeFile(self.scene, self.below(_MORE), lambda: _MORE_TEXT)

    # changing

    def adopt(self, node: Node, name: bytes, caller: Caller) -> None:
        raise failure(errno.EPERM)

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        path = self.known(name)
        if path is None:
            # A folder in here is a view, not something that lies here; EXDEV would copy and remove it.
            raise failure(errno.ENOENT if self.folder(name) is None else errno.EPERM)
        if flags & RENAME_EXCHANGE:
            raise failure(errno.EINVAL)
        if isinstance(to, Made):
            self.regroup(name, path, to, to_name, flags, caller)
        else:
            folder, own = self.real_place(path, caller)
            folder.rename(own, to, to_name, flags, caller)
            self.scene.telling.changed(folder, own)
            self.scene.listings.drop()

    def regroup(self, name: bytes, path: bytes, to: Made, to_name: bytes, flags: int, caller: Caller) -> None:
        """Renamed to another made folder, or within this one: what the other one makes of it."""
        if to.key == self.key:
            raise failure(errno.EPERM)
        to.adopt(self.scene.files.resolve(path), to_name, caller)
        self.scene.telling.changed(self, name)

    def real_place(self, path: bytes, caller: Caller) -> tuple[Node, bytes]:
        """The real folder that the file lies in, and its name there."""
        parent, own = os.path.split(path)
        return self.scene.files.resolve(parent) if parent else self.scene.files.root, own


RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
_MORE = f"(only the first {LISTED} are listed)".encode()
_MORE_TEXT = f"""This folder has more than {LISTED} files; the others are not listed.
Narrow it down: a tag within a tag (tags/one/other), or a question (search/...).
"""


class Choice(MadeFolder):
    """A folder of result folders, one for each value of something: listed and looked up by the same names."""

    attribute_seconds = 1.0

    def values(self) -> Sequence[str]:
        """All values, in order. Raises `NexusError`."""
        raise NotImplementedError

    def results(self, name: bytes, value: str) -> Node:
        """The folder of files that have this value."""
        raise NotImplementedError

    def named(self) -> dict[bytes, bytes]:
        """Names of folders to their values."""

        def make() -> Listing:
            try:
                values = self.values()
            except NexusError as error:
                raise refused(error) from error
            return Listing(
                dict(
                    zip(
                        names.shown(values), (v.encode("utf-8", "surrogatepass") for v in values), strict=True
                    )
                )
            )

        return dict(self.scene.listings.get(self.key, make, FRESH).names)

    def child(self, name: bytes, caller: Caller) -> Node:
        value = self.named().get(name)
        if value is None:
            raise failure(errno.ENOENT)
        return self.results(name, value.decode("utf-8", "surrogatepass"))

    def children(self) -> Iterable[Child]:
        return [
            Child(name, self.results(name, value.decode("utf-8", "surrogatepass")).ino, stat.S_IFDIR)
            for name, value in self.named().items()
        ]
