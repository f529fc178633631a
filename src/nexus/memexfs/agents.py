"""`agents/`: a branch of the files for each agent, and beside it `NAME.diff` with what it changed.

What commands mean here:
    mkdir agents/a1         makes a branch: agents/a1/ shows files/, and keeps what is changed there to itself
    cat agents/a1.diff      lists its changes: A added, M changed, D removed, `!` where files/ changed too
    rmdir agents/a1         drops a branch that changed nothing
    setfattr -n user.memex.branch -v merge agents/a1    merges it (`merge force`: also over others' changes)
    setfattr -n user.memex.branch -v drop agents/a1     forgets its changes

Knows neither how a branch keeps its files nor how it is merged. Invariant: nothing here changes files/ but a
merge.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from nexus.memexfs.branch import Branch
from nexus.memexfs.branch_changes import differences
from nexus.memexfs.names import probed
from nexus.memexfs.node import Child, Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.real import Files
from nexus.memexfs.virtual import OWNER_WRITES, MadeFile, MadeFolder, Scene, number

_DIFF = b".diff"
_LETTER = {"added": "A", "changed": "M", "removed": "D"}
_LONGEST = 100


class Branches:
    """All branches in a folder, each opened when it is first asked for. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        files: Files,
        changed: Callable[[Node, bytes], None] = lambda folder, name: None,
        doubt: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        self._folder, self._files, self._changed, self._doubt = folder, files, changed, doubt
        self._lock = threading.Lock()
        self._open: dict[str, Branch] = {}

    def names(self) -> list[str]:
        """Those that were made."""
        try:
            return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_dir())
        except FileNotFoundError:
            return []

    def get(self, name: str) -> Branch | None:
        """One of them."""
        with self._lock:
            found = self._open.get(name)
            if found is None and _allowed(name) and (self._folder / name).is_dir():
                found = self._open[name] = Branch(
                    name, self._folder / name, self._files, self._changed, self._doubt
                )
            return found

    def make(self, name: str) -> Branch:
        """A new one. Raises OSError: EINVAL for a name that is none, EEXIST."""
        if not _allowed(name):
            raise failure(errno.EINVAL, name)
        if self.get(name) is not None:
            raise failure(errno.EEXIST, name)
        (self._folder / name).mkdir(mode=0o700, parents=True)
        made = self.get(name)
        assert made is not None
        return made

    def remove(self, name: str) -> None:
        """Take away a branch that changed nothing. Raises OSError: ENOENT, ENOTEMPTY."""
        branch = self.get(name)
        if branch is None:
            raise failure(errno.ENOENT, name)
        with branch.changing:
            if differences(branch):
                raise failure(errno.ENOTEMPTY, name)
            branch.close()
            with self._lock:
                self._open.pop(name, None)
            shutil.rmtree(self._folder / name)


def _allowed(name: str) -> bool:
    return (
        0 < len(name) <= _LONGEST
        and name not in (".", "..")
        and "/" not in name
        and not name.endswith(_DIFF.decode())
        and not probed(os.fsencode(name))
    )


def listing(branch: Branch) -> str:
    """What it changed, a line for each path."""
    lines = [
        f"{_LETTER[changed.how]}{'!' if changed.conflict else ' '} "
        f"{os.fsdecode(changed.path)}{'/' if changed.folder else ''}\n"
        for changed in differences(branch)
    ]
    return "".join(lines)


class Agents(MadeFolder):
    """The folder of all branches."""

    mode = OWNER_WRITES

    def __init__(self, scene: Scene, path: bytes, branches: Branches) -> None:
        super().__init__(scene, path)
        self.branches = branches

    def child(self, name: bytes, caller: Caller) -> Node:
        branch = self.branches.get(os.fsdecode(name))
        if branch is not None:
            return branch.root
        if name.endswith(_DIFF):
            branch = self.branches.get(os.fsdecode(name[: -len(_DIFF)]))
            if branch is not None:
                return self._diff(name, branch)
        raise failure(errno.ENOENT)

    def _diff(self, name: bytes, branch: Branch) -> MadeFile:
        return MadeFile(self.scene, self.below(name), lambda: listing(branch))

    def children(self) -> Iterable[Child]:
        for name in self.branches.names():
            branch = self.branches.get(name)
            if branch is not None:
                shown = os.fsencode(name)
                yield Child(shown, branch.root.ino, stat.S_IFDIR)
                yield Child(shown + _DIFF, number(self.below(shown + _DIFF)), stat.S_IFREG)

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        return self.branches.make(os.fsdecode(name)).root

    def rmdir(self, name: bytes, caller: Caller) -> None:
        self.branches.remove(os.fsdecode(name))
