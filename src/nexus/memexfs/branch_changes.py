"""What a branch changed, and its two ends: merged into files/, or dropped.

Knows nodes and nothing of the kernel. Invariants: a merge replaces each file at once and whole, so that the
old one becomes a version; one that stops half-way (a full disk, a death) has lost nothing and can be run
again; nothing is merged over what somebody else changed meanwhile, unless that is asked for.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from nexus.core.errors import NexusError
from nexus.memexfs.branch import BASE, ORIGIN, Branch, base_of
from nexus.memexfs.branch_gone import Base
from nexus.memexfs.known import ourselves
from nexus.memexfs.operations import Caller, Change

if TYPE_CHECKING:
    from nexus.memexfs.node import Handle, Node
    from nexus.memexfs.real_node import RealNode

_PIECE = 1 << 20
_ATTEMPTS = itertools.count()
_NAMED = 5
_HEARD_SECONDS = 2.0


class MergeConflictError(NexusError):
    """Files were changed in the branch and in files/."""

    code = "merge_conflict"
    http_status = 409


class Changed(NamedTuple):
    """One path under files/. `conflict`: the original is not what the branch departed from."""

    path: bytes
    how: Literal["added", "changed", "removed"]
    folder: bool
    conflict: bool


def differences(branch: Branch) -> list[Changed]:
    """What differs between the branch and files/ now, by path."""
    gone = dict(branch.gone)
    found = [*_own(branch, branch.over.root, b"", gone), *_gone(branch, gone)]
    return sorted(set(found))


def _own(branch: Branch, folder: RealNode, path: bytes, gone: dict[bytes, Base]) -> Iterator[Changed]:
    caller = ourselves()
    for child in folder.children():
        below = path + b"/" + child.name if path else child.name
        upper = folder.child(child.name, caller)
        lower = _original(branch, below)
        if child.kind == stat.S_IFDIR:
            if lower is None or lower.kind != stat.S_IFDIR:
                conflict = lower is not None and below not in gone
                yield Changed(below, "added", folder=True, conflict=conflict)
            yield from _own(branch, upper, below, gone)  # type: ignore[arg-type]
        elif lower is None:
            base = _base(upper, below)  # type: ignore[arg-type]
            yield Changed(below, "added", folder=False, conflict=base is not None)
        elif not _same(upper, lower):
            base = _base(upper, below) or gone.get(below)  # type: ignore[arg-type]
            now = base_of(lower.attributes())
            yield Changed(below, "changed", folder=False, conflict=base != now)


def _gone(branch: Branch, gone: dict[bytes, Base]) -> Iterator[Changed]:
    for path, base in gone.items():
        lower = _original(branch, path)
        if lower is None:
            continue
        upper = branch.upper(path)
        if upper is None:
            yield Changed(path, "removed", lower.kind == stat.S_IFDIR, base_of(lower.attributes()) != base)


def _original(branch: Branch, path: bytes) -> RealNode | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return branch.files.resolve(path)
    return None


def _base(upper: RealNode, path: bytes) -> Base | None:
    """What it was copied from, if it was copied from this path."""
    held = upper.held()
    try:
        if os.getxattr(held.path, ORIGIN) != path:
            return None
        return Base(*map(int, os.getxattr(held.path, BASE).split()))
    except (OSError, ValueError, TypeError):
        return None


def _same(upper: Node, lower: Node) -> bool:
    """Whether both have the same bytes, or the same target, and the same mode."""
    one, other = upper.attributes(), lower.attributes()
    if one.mode != other.mode:
        return False
    if one.kind == stat.S_IFLNK:
        return upper.readlink() == lower.readlink()
    if one.kind != stat.S_IFREG:
        return one.rdev == other.rdev
    if one.size != other.size:
        return False
    caller = ourselves()
    left, right = upper.open(os.O_RDONLY, caller), lower.open(os.O_RDONLY, caller)
    try:
        at = 0
        while at < one.size:
            piece = left.read(at, _PIECE)
            if not piece or piece != right.read(at, _PIECE):
                return False
            at += len(piece)
        return True
    finally:
        left.release()
        right.release()


def merge(branch: Branch, *, force: bool = False) -> list[Changed]:
    """Put what the branch changed into files/, and empty the branch. Returns what was done.

    Raises `MergeConflictError` where files were changed on both sides, unless `force` lets the branch's
    win; then nothing was done. Raises OSError; then some files are merged, and the branch has the rest.
    """
    with branch.changing:
        found = differences(branch)
        conflicts = [changed for changed in found if changed.conflict]
        if conflicts and not force:
            named = ", ".join(os.fsdecode(changed.path) for changed in conflicts[:_NAMED])
            more = f" and {len(conflicts) - _NAMED} more" if len(conflicts) > _NAMED else ""
            raise MergeConflictError(
                f"changed in {branch.name} and in files/ since: {named}{more}",
                hint="look at both, then merge with --force to take the branch's, or drop the branch",
            )
        for changed in sorted((c for c in found if c.how == "removed"), key=lambda c: c.path, reverse=True):
            _remove(branch, changed)
        for changed in found:
            if changed.how != "removed":
                _put(branch, changed)
        # Before the names of the branch are told of: this request holds their folder, so those have to wait.
        branch.doubt(_HEARD_SECONDS)
        drop(branch)
        return found


def drop(branch: Branch) -> None:
    """Empty the branch: it shows what files/ has."""
    with branch.changing:
        _empty(branch.over.root)
        branch.gone.clear()
        for child in branch.files.root.children():
            branch.changed(branch.root, child.name)
        branch.doubt(0)


def _empty(folder: RealNode) -> None:
    caller = ourselves()
    for child in list(folder.children()):
        if child.kind == stat.S_IFDIR:
            _empty(folder.child(child.name, caller))  # type: ignore[arg-type]
            folder.rmdir(child.name, caller)
        else:
            folder.unlink(child.name, caller)


def _remove(branch: Branch, changed: Changed) -> None:
    above, _, name = changed.path.rpartition(b"/")
    folder = branch.files.resolve(above)
    try:
        if changed.folder:
            folder.rmdir(name, ourselves())
        else:
            folder.unlink(name, ourselves())
    except FileNotFoundError:
        return
    except OSError as error:
        # Somebody has put something into the folder that the branch took away: it stays, with that.
        if not changed.folder or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    branch.changed(folder, name)


def _put(branch: Branch, changed: Changed) -> None:
    above, _, name = changed.path.rpartition(b"/")
    folder, upper = branch.files.resolve(above), branch.over.resolve(changed.path)
    told = upper.attributes()
    caller = Caller(told.uid, told.gid)
    lower = _original(branch, changed.path)
    if lower is not None and (lower.kind == stat.S_IFDIR) != changed.folder:
        _remove(branch, Changed(changed.path, "removed", lower.kind == stat.S_IFDIR, conflict=False))
        lower = None
    if changed.folder:
        if lower is None:
            folder.mkdir(name, stat.S_IMODE(told.mode), caller)
    else:
        # Beside it first, under a name that nothing indexes; then over it, at once.
        passing = b".#memex-merge-%d-%d" % (os.getpid(), next(_ATTEMPTS))
        if told.kind == stat.S_IFLNK:
            folder.symlink(passing, upper.readlink(), caller)
        elif told.kind == stat.S_IFREG:
            node, handle = folder.create(passing, os.O_RDWR | os.O_EXCL, stat.S_IMODE(told.mode), caller)
            try:
                _copy(upper, handle)
                handle.fsync(data_only=False)
                node.change(Change(mtime_ns=told.mtime_ns), handle, caller)
            except BaseException:
                with suppress(OSError):
                    folder.unlink(passing, ourselves())
                raise
            finally:
                handle.release()
        else:
            folder.mknod(passing, told.mode, told.rdev, caller)
        folder.rename(passing, folder, name, 0, ourselves())
    branch.changed(folder, name)


def _copy(upper: Node, to: Handle) -> None:
    handle = upper.open(os.O_RDONLY, ourselves())
    try:
        at = 0
        while piece := handle.read(at, _PIECE):
            view = memoryview(piece)
            done = 0
            while done < len(view):
                done += to.write(at + done, view[done:])
            at += len(piece)
    finally:
        handle.release()
