"""Files whose set-user-id or set-group-id bit a write has to clear.

The kernel marks every write of an ordinary user as one that clears them and leaves the rest to us; asking the
file system each time would double the cost of a write. So the files that were last seen with such a bit are
remembered. Invariant: a file whose attributes we told the kernel with such a bit is known here until the
kernel forgets the node.
"""

from __future__ import annotations

import stat
from typing import Final

from nexus.memexfs.operations import Attributes, Caller, Change, FileSystem

SET_ID: Final = stat.S_ISUID | stat.S_ISGID
_KILL: Final = Change(kill_privileges=True)
_MOST = 65536


class SetId:
    """`again`: a worker before us may have seen files that we have not."""

    def __init__(self, filesystem: FileSystem, *, again: bool) -> None:
        self._fs = filesystem
        self._nodes: set[int] = set()
        self._again = again
        self._looked_at: set[int] = set()

    def seen(self, node: int, attributes: Attributes) -> None:
        """These attributes are told to the kernel."""
        if attributes.mode & SET_ID and stat.S_ISREG(attributes.mode):
            self._nodes.add(node)
        else:
            self._nodes.discard(node)

    def forget(self, node: int) -> None:
        self._nodes.discard(node)
        self._looked_at.discard(node)

    def written(self, node: int, handle: int, caller: Caller) -> None:
        """Before a write that is to clear them."""
        if node in self._nodes or (self._again and self._doubtful(node)):
            self.clear(node, handle, caller)

    def clear(self, node: int, handle: int, caller: Caller) -> None:
        """Take the bits away, as a write does."""
        self._fs.setattr(node, _KILL, handle, caller)
        self._nodes.discard(node)

    def _doubtful(self, node: int) -> bool:
        if node in self._looked_at:
            return False
        if len(self._looked_at) >= _MOST:
            self._looked_at.clear()
        self._looked_at.add(node)
        return True
