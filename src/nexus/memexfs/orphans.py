"""Files that lost their last name while they are open: a name in a folder nobody sees.

Without it the next worker could not find what a program still holds. Knows nothing of the tree. Invariant:
`orphans/<inode number>` is a further link of that inode, made before its last name is removed, on the same
disk; a leftover one is worth nothing once no kernel asks for it, and `sweep` removes it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container
from pathlib import Path

from nexus.memexfs.descriptors import Descriptor, searched


class Orphans:
    """The folder of nameless files; made where it is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = Descriptor(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def keep(self, folder: int, name: bytes, inode: int) -> None:
        """Give the file `name` of the open folder a name here. Raises OSError where the disk refuses."""
        with contextlib.suppress(FileExistsError):
            os.link(
                name, b"%d" % inode, src_dir_fd=folder, dst_dir_fd=self._folder.number, follow_symlinks=False
            )

    def find(self, inode: int) -> Descriptor | None:
        """The file with this number (O_PATH), if it is one of ours."""
        try:
            return searched(b"%d" % inode, self._folder.number)
        except FileNotFoundError:
            return None

    def drop(self, inode: int) -> None:
        """Nobody holds it any more."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(b"%d" % inode, dir_fd=self._folder.number)

    def sweep(self, wanted: Container[int] = ()) -> int:
        """Remove all but those with these inode numbers, and say how many."""
        names = os.listdir(self._folder.number)  # noqa: PTH208 - an open folder has no path
        unwanted = [name for name in names if not (name.isdigit() and int(name) in wanted)]
        for name in unwanted:
            os.unlink(name, dir_fd=self._folder.number)
        return len(unwanted)
