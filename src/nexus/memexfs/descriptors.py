"""Open descriptors that several threads use and nobody closes under another's hands.

Knows nothing of what they are open on. Invariant: a `Descriptor` is closed when the last reference to it goes
and not before, so whoever is to use one keeps it in a local name while it does.
"""

from __future__ import annotations

import os
from collections.abc import Callable

_close = os.close


class Descriptor:
    """A descriptor that is closed with its last reference."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self, close: Callable[[int], None] = _close) -> None:
        close(self.number)

    @property
    def path(self) -> bytes:
        """A path to what it is open on, followed by the kernel itself: never a link, never renamed."""
        return b"/proc/self/fd/%d" % self.number

    def set_mode(self, mode: int) -> None:
        """chmod(2); fchmod(2) refuses descriptors that are for finding only."""
        os.chmod(self.path, mode)  # noqa: PTH101 - bytes, and no path of anything

    @property
    def real_path(self) -> bytes:
        """Where it is now."""
        return os.readlink(self.path)  # noqa: PTH115


def searched(name: bytes | str, folder: int | None = None, *, flags: int = 0) -> Descriptor:
    """`name` in the open folder without following a link, for finding it again only (O_PATH)."""
    return Descriptor(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=folder))
