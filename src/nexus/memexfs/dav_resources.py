"""Files and folders of the tree as WsgiDAV wants them: resources that are asked by path.

Knows no HTTP beyond WsgiDAV's resources. Invariants: a resource holds nothing open between calls; each error
of the tree reaches the client as the status that fits; every name can be shown and found again, also one that
is not UTF-8 (its bytes are shown as `\\xff`).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from wsgidav import util
from wsgidav.dav_error import DAVError, PRECONDITION_CODE_PropfindFiniteDepth
from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider

from nexus.memexfs.dav_stream import CHUNK, Stream, answered
from nexus.memexfs.node import failure
from nexus.memexfs.operations import Attributes, Change
from nexus.memexfs.pathwise import Path, Pathwise

MOST = 50_000
"""Names of a folder that are listed, at most: WsgiDAV holds the whole answer in memory."""

# ---- names -------------------------------------------------------------------------------------

_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")


def shown(name: bytes) -> str:
    """The name as text; what is not UTF-8 in it as `\\xff`."""
    return name.decode("utf-8", "backslashreplace")


def names_of(tree: Pathwise, path: str) -> Path:
    """The names that a path of a client means: as they stand, or with the bytes that they escape."""
    names = tuple(part.encode("utf-8", "surrogateescape") for part in path.split("/") if part)
    if not any(_ESCAPED.search(name) for name in names):
        return names
    found: Path = ()
    for name in names:
        raw = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), name)
        found = (*found, raw if raw != name and not _is(tree, (*found, name)) else name)
    return found


def _is(tree: Pathwise, path: Path) -> bool:
    try:
        tree.attributes(path)
    except OSError:
        return False
    return True


# ---- resources ---------------------------------------------------------------------------------


class Provider(DAVProvider):  # type: ignore[misc]
    """The tree, for WsgiDAV. `tree` follows links: WebDAV has none."""

    def __init__(self, tree: Pathwise) -> None:
        super().__init__()
        self.tree = tree

    @answered
    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> File | Folder | None:
        names = names_of(self.tree, path)
        try:
            found = self.tree.attributes(names)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                return None
            raise
        return made(self.tree, path, names, found, environ)


def made(
    tree: Pathwise, path: str, names: Path, found: Attributes, environ: dict[str, Any]
) -> File | Folder | None:
    """What is found at a path; None for pipes, sockets and devices, which WebDAV cannot show."""
    if stat.S_ISDIR(found.mode):
        return Folder(tree, path, names, found, environ)
    return File(tree, path, names, found, environ) if stat.S_ISREG(found.mode) else None


class _Resource:
    """What files and folders have in common."""

    tree: Pathwise
    names: Path
    found: Attributes
    path: str
    provider: Any

    def get_creation_date(self) -> float:
        return self.found.ctime_ns / 1e9

    def get_last_modified(self) -> float:
        return self.found.mtime_ns / 1e9

    def get_display_name(self) -> str:
        # XML has no way to say a control character.
        return _UNPRINTABLE.sub("\ufffd", self.path.rstrip("/").rpartition("/")[2])

    @answered
    def set_last_modified(self, dest_path: str, time_stamp: int | str, *, dry_run: bool) -> bool:
        try:
            number = isinstance(time_stamp, int) or time_stamp.isdigit()
            seconds = float(time_stamp) if number else parsedate_to_datetime(str(time_stamp)).timestamp()
        except ValueError:
            raise failure(errno.EINVAL) from None
        if not dry_run:
            with self.tree.at(self.names) as found:
                change = Change(mtime_ns=int(seconds * 1e9))
                self.tree.filesystem.setattr(found.node, change, None, self.tree.caller())
        return True

    @answered
    def handle_move(self, dest_path: str) -> bool:
        """One rename where that is enough, so that what is replaced keeps its identity; False otherwise."""
        try:
            self.tree.rename(self.names, names_of(self.tree, dest_path))
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
                return False
            raise
        return True

    def _copy_properties(self, dest_path: str) -> None:
        own = quote(self.provider.share_path + self.path)
        self.provider.prop_manager.copy_properties(own, quote(self.provider.share_path + dest_path))


class File(_Resource, DAVNonCollection):  # type: ignore[misc]
    """A file of the tree, as WsgiDAV asks for it."""

    def __init__(
        self, tree: Pathwise, path: str, names: Path, found: Attributes, environ: dict[str, Any]
    ) -> None:
        DAVNonCollection.__init__(self, path, environ)
        self.tree, self.names, self.found = tree, names, found

    def get_content_length(self) -> int:
        return self.found.size

    def get_content_type(self) -> str:
        return str(util.guess_mime_type(self.path, self.environ["wsgidav.config"]))

    def get_etag(self) -> str:
        return f"{self.found.ino:x}-{self.found.mtime_ns:x}-{self.found.size:x}"

    def support_etag(self) -> bool:
        return True

    def support_ranges(self) -> bool:
        return True

    @answered
    def get_content(self) -> Stream:
        return Stream(self.tree, self.tree.open(self.names, os.O_RDONLY))

    @answered
    def begin_write(self, *, content_type: str | None = None) -> Stream:
        return Stream(self.tree, self.tree.open(self.names, os.O_WRONLY | os.O_TRUNC))

    def end_write(self, *, with_errors: bool) -> None:
        # What the answer says of the file is what it is now.
        self.found = self.tree.attributes(self.names)

    @answered
    def delete(self) -> None:
        self.tree.remove(self.names, folder=False)
        self.remove_all_locks(recursive=True)

    @answered
    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        new = names_of(self.tree, dest_path)
        with Stream(self.tree, self.tree.open(self.names, os.O_RDONLY)) as source:
            flags = os.O_WRONLY | os.O_TRUNC
            try:
                opened = self.tree.open(new, flags)
            except FileNotFoundError:
                opened = self.tree.create(new, flags, self.found.mode & 0o777)
            with Stream(self.tree, opened) as target:
                while data := source.read(CHUNK):
                    target.write(data)
        self._copy_properties(dest_path)

    def support_recursive_move(self, dest_path: str) -> bool:
        return False


class Folder(_Resource, DAVCollection):  # type: ignore[misc]
    """A folder of the tree, as WsgiDAV asks for it."""

    def __init__(
        self, tree: Pathwise, path: str, names: Path, found: Attributes, environ: dict[str, Any]
    ) -> None:
        DAVCollection.__init__(self, path, environ)
        self.tree, self.names, self.found = tree, names, found

    def get_etag(self) -> None:
        return None

    def support_etag(self) -> bool:
        return False

    @answered
    def get_available_bytes(self) -> int:
        with self.tree.at(self.names) as found:
            space = self.tree.filesystem.statfs(found.node)
        return space.available * space.block_size

    @answered
    def get_used_bytes(self) -> int:
        with self.tree.at(self.names) as found:
            space = self.tree.filesystem.statfs(found.node)
        return (space.blocks - space.free) * space.block_size

    @answered
    def get_member_names(self) -> list[str]:
        return [resource.path.rstrip("/").rpartition("/")[2] for resource in self.get_member_list()]

    @answered
    def get_member_list(self) -> list[File | Folder]:
        members = []
        for listed in self.tree.listed(self.names):
            names = (*self.names, listed.name)
            path = util.join_uri(self.path, shown(listed.name))
            try:
                found = self.tree.attributes(names)
            except OSError:
                continue  # gone meanwhile, or a link that leads nowhere
            member = made(self.tree, path, names, found, self.environ)
            if member is not None:
                members.append(member)
            if len(members) > MOST:
                raise DAVError(507, f"more than {MOST:,} names are too many for one answer of WebDAV")
        return members

    def get_descendants(self, *, depth: str = "infinity", **wanted: Any) -> list[File | Folder]:
        """What is below. A listing of everything is refused: WsgiDAV keeps it in memory (RFC 4918, 9.1)."""
        if depth == "infinity" and self.environ["REQUEST_METHOD"] == "PROPFIND":
            raise DAVError(403, err_condition=PRECONDITION_CODE_PropfindFiniteDepth)
        found: list[File | Folder] = super().get_descendants(depth=depth, **wanted)
        return found

    def get_member(self, name: str) -> File | Folder | None:
        found: File | Folder | None = self.provider.get_resource_inst(
            util.join_uri(self.path, name), self.environ
        )
        return found

    @answered
    def create_empty_resource(self, name: str) -> File | Folder | None:
        new = (*self.names, *names_of(self.tree, name))
        self.tree.release(self.tree.create(new, os.O_WRONLY | os.O_EXCL, 0o600))
        return self.get_member(name)

    @answered
    def create_collection(self, name: str) -> None:
        self.tree.mkdir((*self.names, *names_of(self.tree, name)), 0o700)

    def support_recursive_delete(self) -> bool:
        return False

    @answered
    def delete(self) -> None:
        for member in self.get_member_list():  # there are none left but where a folder is replaced
            member.delete()
        self.tree.remove(self.names, folder=True)
        self.remove_all_locks(recursive=True)

    @answered
    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        new = names_of(self.tree, dest_path)
        if not _is(self.tree, new):
            self.tree.mkdir(new, self.found.mode & 0o777)
        self._copy_properties(dest_path)

    def support_recursive_move(self, dest_path: str) -> bool:
        return False
