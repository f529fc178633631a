"""The nodes that somebody outside knows, by number: how often each was handed out, where it is found again.

Knows nothing of requests. Invariant: as long as a number may be used it stands for the node that it was given
for. A worker that follows a dead one finds a node by the folder and the name under which it is at home, and
takes it for the same only when its key is; else the number means nothing any more (ESTALE).
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress

from nexus.memexfs.node import Node, failure
from nexus.memexfs.numbers import Numbers, Record, digest
from nexus.memexfs.operations import ROOT, Caller, Kernel

_LARGE_LOG = 4 << 20  # bytes before the log is worth writing anew
_AT_ONCE = 256  # names that the kernel is asked to forget at a time
_ELSEWHERE = 16  # names beside the one at home that the kernel is to know of a node


def ourselves() -> Caller:
    """This process as a caller."""
    return Caller(os.geteuid(), os.getegid(), os.getpid())


class Known:
    """A node with its number. `lookups`: how often it was handed out by this process; `below`: how many
    others are found through it; `before`: a process before this one had handed it out too, and `node` is None
    until it is found again; `elsewhere`: the names that it was handed out under beside `name` in `parent`,
    with the numbers of their folders, the eldest first."""

    __slots__ = (
        *("before", "below", "digest", "elsewhere", "inode", "key", "lookups"),
        *("name", "node", "number", "parent"),
    )

    def __init__(self, number: int, node: Node | None, parent: Known | None, name: bytes) -> None:
        self.number = number
        self.node = node
        self.key: Hashable = None if node is None else node.key
        self.parent = parent
        self.name = name
        self.lookups = 0
        self.below = 0
        self.before = False
        self.inode = 0
        self.digest = 0
        self.elsewhere: dict[tuple[int, bytes], None] | None = None

    def record(self) -> Record:
        """What the next process has to know to find it again."""
        parent = self.parent.number if self.parent is not None else ROOT
        return Record(self.number, parent, self.name, self.inode, self.digest)


class KnownNodes:
    """See the module."""

    def __init__(
        self, root: Node, numbers: Numbers, orphans: Callable[[int], Node | None] | None, most: int
    ) -> None:
        self.kernel: Kernel | None = None
        self.generation = numbers.generation
        self.inodes = frozenset(record.inode for record in numbers.found.values())
        self._numbers = numbers
        self._orphans = orphans
        self._most = most
        self._lock = threading.RLock()
        top = Known(ROOT, root, None, b"")
        self._known: dict[int, Known] = {ROOT: top}
        self._by_key: dict[Hashable, Known] = {top.key: top}
        self._lost: dict[int, Known] = {}  # not found again yet, by digest
        self._recover()

    def _recover(self) -> None:
        found = self._numbers.found
        for record in found.values():
            known = Known(record.number, None, None, record.name)
            known.before, known.inode, known.digest = True, record.inode, record.digest
            self._known[record.number] = self._lost[record.digest] = known
        for record in found.values():
            self._place(self._known[record.number], self._known.get(record.parent), record.name)
        found.clear()

    def __len__(self) -> int:
        return len(self._known)

    # from number to node and back

    def node(self, number: int) -> Node:
        """Raises OSError (ESTALE) for a number that means nothing."""
        known = self._known.get(number)
        if known is None:
            raise failure(errno.ESTALE)
        return known.node or self._find(known)

    def _of(self, node: Node) -> Known | None:
        known = self._by_key.get(node.key)
        if known is None and self._lost:
            known = self._lost.get(digest(node.key))
            if known is not None:
                with self._lock:
                    self._found(known, node)
        return known

    def number(self, node: Node) -> int | None:
        """Of a node that was handed out, otherwise None."""
        known = self._of(node)
        return None if known is None else known.number

    def above(self, number: int) -> Node:
        """The folder that a folder is in; the root's is itself."""
        known = self._known.get(number)
        if known is None or known.parent is None:
            return self.node(number)
        return self.node(known.parent.number)

    def _find(self, known: Known) -> Node:
        """Find a node anew that a process before this one knew."""
        chain: list[Known] = []
        step: Known | None = known
        while step is not None and step.node is None:
            chain.append(step)
            step = step.parent
        for step in reversed(chain):
            self._find_one(step)
        assert known.node is not None
        return known.node

    def _find_one(self, known: Known) -> None:
        node: Node | None = None
        folder = None if known.parent is None else known.parent.node
        if folder is not None:
            with suppress(OSError):
                node = folder.child(known.name, ourselves())
        if node is None or digest(node.key) != known.digest:
            node = self._orphans(known.inode) if self._orphans is not None else None
        if node is None or digest(node.key) != known.digest:
            raise failure(errno.ESTALE)
        with self._lock:
            self._found(known, node)

    def _found(self, known: Known, node: Node) -> None:
        known.node, known.key = node, node.key
        self._by_key[node.key] = known
        self._lost.pop(known.digest, None)
        node.inherited()

    # handing out

    def handed_out(self, parent: int, name: bytes, node: Node) -> int:
        """The number of the node, once more; `name` in `parent` is where it was found."""
        with self._lock:
            known = self._of(node)
            if known is None:
                known = self._new(node, self._known.get(parent), name)
                if len(self._known) > self._most:
                    self._ask_to_forget()
            elif known.node is not node:
                known.node = node  # made anew; the newer one knows more
            known.lookups += 1
            if known.name != name or known.parent is None or known.parent.number != parent:
                self._shown(known, (parent, name))
            return known.number

    def _shown(self, known: Known, place: tuple[int, bytes]) -> None:
        """It was found elsewhere than at home. The kernel holds the node for each such name, also when there
        is no file any more, and does not notice that it could let go."""
        if known.elsewhere is None:
            known.elsewhere = {}
        known.elsewhere.pop(place, None)
        known.elsewhere[place] = None
        if len(known.elsewhere) > _ELSEWHERE:
            eldest = next(iter(known.elsewhere))
            del known.elsewhere[eldest]
            self._throw_out(known, eldest)

    def _throw_out(self, known: Known, place: tuple[int, bytes]) -> None:
        if self.kernel is not None:
            folder = known.node is None or known.node.is_folder
            self.kernel.forget_name(*place, wholly=not folder)

    def _new(self, node: Node, parent: Known | None, name: bytes) -> Known:
        known = Known(self._numbers.fresh(), node, None, name)
        if self._numbers.kept:
            known.inode, known.digest = node.ino, digest(known.key)
            home = node.home()
            folder = None if home is None else self._folder(home[0])
            if home is not None and folder is not None:
                parent, name = folder, home[1]
        self._known[known.number] = self._by_key[known.key] = known
        self._place(known, parent, name)
        self._note(known)
        return known

    def _folder(self, folder: Node) -> Known | None:
        """The folder where a node is at home, though nobody may have asked for it; None where it is unknown
        how to come to it."""
        above: list[tuple[Node, bytes]] = []
        known = self._of(folder)
        while known is None:
            home = folder.home()
            if home is None:
                return None
            above.append((folder, home[1]))
            folder = home[0]
            known = self._of(folder)
        for node, name in reversed(above):
            known = self._new(node, known, name)
        return known

    def _place(self, known: Known, parent: Known | None, name: bytes) -> None:
        if known.parent is not None:
            known.parent.below -= 1
        known.parent, known.name = parent, name
        if parent is not None:
            parent.below += 1

    def _note(self, known: Known) -> None:
        if not self._numbers.kept:
            return
        self._numbers.note(known.record())
        if self._numbers.size > _LARGE_LOG + 256 * len(self._known):
            self._numbers.rewrite(one.record() for one in self._known.values() if one.number != ROOT)

    # forgetting

    def forget(self, number: int, lookups: int) -> None:
        """It was known so many times more than it is now."""
        with self._lock:
            known = self._known.get(number)
            if known is None or number == ROOT:
                return
            if known.before:
                # What the process before handed out is not counted here; the kernel counts all, at the end.
                if lookups <= known.lookups:
                    known.lookups -= lookups
                    return
                known.before = False
            known.lookups = max(0, known.lookups - lookups)
            gone = self._drop_unused(known)
        for node in gone:
            node.forgotten()

    def _drop_unused(self, known: Known | None) -> list[Node]:
        gone: list[Node] = []
        while known is not None and known.number != ROOT:
            if known.lookups > 0 or known.below > 0 or known.before:
                break
            del self._known[known.number]
            if known.node is not None:
                gone.append(known.node)
            if self._by_key.get(known.key) is known:
                del self._by_key[known.key]
            if self._lost.get(known.digest) is known:
                del self._lost[known.digest]
            if self._numbers.kept:
                self._numbers.drop(known.number)
            above = known.parent
            self._place(known, None, b"")
            known = above
        return gone

    def _ask_to_forget(self) -> None:
        """Have the kernel forget some of the eldest that nothing is found through."""
        if self.kernel is None:
            return
        eldest = []
        for known in self._known.values():
            if known.below == 0 and known.parent is not None:
                eldest.append(known)
            if len(eldest) == _AT_ONCE:
                break
        for known in eldest:
            self._known[known.number] = self._known.pop(known.number)  # the last to be asked again
            assert known.parent is not None
            self._throw_out(known, (known.parent.number, known.name))

    # names that change

    @contextmanager
    def leaving(self, parent: int, folder: Node, name: bytes, caller: Caller) -> Iterator[None]:
        """In the body the name is removed or given to another: what it stood for may have others."""
        if not self._numbers.kept:
            yield
            return
        node: Node | None = None
        with suppress(OSError):
            node = folder.child(name, caller)
        known = None if node is None else self._of(node)  # before: it may be open since another process
        yield
        if known is None or node is None:
            return
        home = node.home()
        if home is not None:
            self._rehome(known, home)
            return
        with self._lock:
            places, known.elsewhere = known.elsewhere or {}, None
        for place in places:
            self._throw_out(known, place)

    def moved(self, parent: int, folder: Node, name: bytes, caller: Caller) -> None:
        """Something was renamed to `name` in `folder`."""
        if not self._numbers.kept:
            return
        with suppress(OSError):
            node = folder.child(name, caller)
            known = self._of(node)
            if known is not None:
                self._rehome(known, node.home() or (folder, name))

    def _rehome(self, known: Known, home: tuple[Node, bytes]) -> None:
        with self._lock:
            folder = self._folder(home[0])
            if folder is not None and (known.parent is not folder or known.name != home[1]):
                self._place(known, folder, home[1])
                self._note(known)
