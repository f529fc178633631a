"""What happens to files, told by the tree to whoever keeps their history.

Invariant of every recorder: a call returns at once, at most after linking or copying the bytes that are about
to be lost; nothing is hashed, compressed or written to a database in it. Paths are those under files/, bytes.
"""

from __future__ import annotations

from typing import Literal, Protocol

Cause = Literal["replaced", "truncated", "removed"]


class Recorder(Protocol):
    """Called by the tree from any thread, after the operation has succeeded unless said otherwise."""

    def written(self, path: bytes) -> None:
        """A file that was open for writing is closed, and what it holds may have changed."""

    def renamed(self, old: bytes, new: bytes, *, folder: bool, replaced: bool) -> None:
        """`replaced`: there was something at `new`, whose identity (id, tags, versions) goes on."""

    def exchanged(self, one: bytes, other: bytes) -> None:
        """Two names changed places (RENAME_EXCHANGE)."""

    def linked(self, path: bytes, new: bytes) -> None:
        """`new` is another name of the file at `path`."""

    def removed(self, path: bytes, *, folder: bool) -> None:
        """The name is gone."""

    def losing(self, path: bytes, folder: int, name: bytes, cause: Cause) -> None:
        """Before the operation: the bytes of the file `name` in the open directory `folder` will not be
        reachable under `path` any more. Keeps them as a version where they are worth it. Never raises."""

    def opened(self, inode: tuple[int, int]) -> None:
        """A file (device, inode) is open now; until `closed` it is not sealed."""

    def closed(self, inode: tuple[int, int]) -> None:
        """The last handle for writing is closed."""


class NoRecord:
    """Remembers nothing: for tests, and for trees without a history."""

    def written(self, path: bytes) -> None: ...
    def renamed(self, old: bytes, new: bytes, *, folder: bool, replaced: bool) -> None: ...
    def exchanged(self, one: bytes, other: bytes) -> None: ...
    def linked(self, path: bytes, new: bytes) -> None: ...
    def removed(self, path: bytes, *, folder: bool) -> None: ...
    def losing(self, path: bytes, folder: int, name: bytes, cause: Cause) -> None: ...
    def opened(self, inode: tuple[int, int]) -> None: ...
    def closed(self, inode: tuple[int, int]) -> None: ...
