"""What people ask of files by their paths: tags, versions, folders in place, and where a file can be opened.

`Desk` is one home's, in the service and in commands that run without it. Knows neither models nor HTTP.
Invariants: a path that it gives to people can be printed and given back; nothing here changes the bytes of a
file but `restore`, which keeps what it replaces as a version.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError, NotFoundError, StorageError
from nexus.memexfs import naming
from nexus.memexfs.content import MARK
from nexus.memexfs.ignored import ignored
from nexus.memexfs.launch import Serving, serving
from nexus.memexfs.node import Node
from nexus.memexfs.objects import Objects
from nexus.memexfs.operations import Caller
from nexus.memexfs.store import FileRow, Store, Version
from nexus.memexfs.versions import stamp

_LOOKED_SECONDS = 1.0
_FILES = "files"
_PREFIX = f"{naming.SCHEME}/"


def told(path: bytes) -> str:
    """A path under files/ as people and JSON can hold it, whatever bytes are in it."""
    return naming.document(path).removeprefix(_PREFIX)


def meant(text: str) -> bytes:
    """The path under files/ that `told` gave. Raises `InvalidInputError`."""
    path = naming.file(_PREFIX + text.strip("/"))
    if path is None or b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise InvalidInputError(f"{text!r} is no path under files/", hint="names with / between them")
    return path


class Desk:
    """Over the store of NEXUS_HOME `home`. Any thread may call."""

    def __init__(self, home: Path, store: Store) -> None:
        self._home, self.store = home, store
        self._tree = home / "memex" / "tree"
        self._tree.mkdir(mode=0o700, exist_ok=True)
        self._seen: tuple[float, Serving | None] | None = None

    # where files are

    def mounted(self) -> Serving | None:
        """Who serves this home's mount, as of a second ago; None where it is not mounted."""
        now = time.monotonic()
        if self._seen is None or now - self._seen[0] > _LOOKED_SECONDS:
            self._seen = now, serving(self._home)
        return self._seen[1]

    def place(self, path: bytes) -> str:
        """Where the file can be opened: in its own folder for one in place, else below the mount. Without a
        mount in the tree, and "" where it is packed and nothing but a mount can show it."""
        first, _, rest = os.fsdecode(path).partition("/")
        source = self.store.sources().get(first)
        if source is not None:
            return str(source / rest)
        mount = self.mounted()
        if mount is not None:
            return str(mount.point / _FILES / os.fsdecode(path))
        real = self._tree / os.fsdecode(path)
        try:
            os.getxattr(real, MARK, follow_symlinks=False)
        except OSError as error:
            return str(real) if error.errno in (errno.ENODATA, errno.EOPNOTSUPP) else ""
        return ""

    def named(self, place: str) -> bytes | None:
        """The path under files/ of a place on the disk: in the mount, the tree or a folder in place. None
        where it is in none of them. Links are not followed, and nothing is looked at."""
        given = Path(os.path.abspath(place))  # noqa: PTH100 (not Path.absolute: it keeps `..`)
        mount = self.mounted()
        tops = {self._tree: b""} | ({mount.point / _FILES: b""} if mount else {})
        tops |= {path: os.fsencode(name) for name, path in self.store.sources().items()}
        for top, name in tops.items():
            if given.is_relative_to(top):
                inner = os.fsencode(given.relative_to(top))
                parts = [part for part in (name, b"" if inner == b"." else inner) if part]
                return b"/".join(parts)
        return None

    # files and tags

    def row(self, path: bytes) -> FileRow:
        """What is known of the file. Raises `NotFoundError`."""
        row = self.store.file(path)
        if row is None and self._is_there(path):  # written a moment ago, and nobody has told the store yet
            row = self.store.by_id(self.store.ensure(path))
        if row is None:
            raise NotFoundError(
                f"no file files/{told(path)} is known", hint="`nexus memex files` lists what is"
            )
        return row

    def _is_there(self, path: bytes) -> bool:
        first, _, rest = os.fsdecode(path).partition("/")
        source = self.store.sources().get(first)
        try:
            found = os.lstat(source / rest if source else self._tree / os.fsdecode(path))
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(found.st_mode) and not ignored(path)

    def shown(self, row: FileRow) -> dict[str, Any]:
        """A file for JSON."""
        return {
            "path": told(row.path),
            "opens": printable(self.place(row.path)),
            "kind": row.kind,
            "title": row.title,
            "summary": row.summary,
            "author": row.author,
            "size": row.size,
            "modified": row.mtime_ns / 1e9,
            "state": row.state,
            "problem": row.problem,
            "tags": self.store.tags_of(row.id),
        }

    def tag(self, path: bytes, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
        """Change the tags of a file and return them. Raises `NotFoundError`, `InvalidInputError`."""
        row = self.row(path)
        with self.store.batch():
            if add:
                self.store.tag(row.id, *add)
            if remove:
                self.store.untag(row.id, *remove)
        return self.store.tags_of(row.id)

    # versions

    def versions(self, path: bytes) -> list[Version]:
        """What the file held before, the latest first; also of one that was removed. Raises `NotFoundError`
        where none was kept and there is no file."""
        found = self.store.versions(path)
        if not found:
            self.row(path)
        return found

    def restore(self, path: bytes, version: int = 0) -> Version:
        """Bring an older content back: that of number `version`, 0 for the latest. What the file holds now
        becomes a version. Returns what was brought back.

        Raises `NotFoundError` where there is no such version, `StorageError` where it cannot be written.
        """
        found = self.versions(path)
        wanted = next((one for one in found if one.n == version or not version), None)
        if wanted is None:
            raise NotFoundError(
                f"files/{told(path)} has no version {version or ''}".rstrip(),
                hint="`nexus memex versions` lists them",
            )
        objects = Objects(self._home / "memex" / "objects")
        mount = self.mounted()
        if mount is not None and not (mount.point / ".memex").is_dir():
            # Written all the same, it would lie in the folder below the mount, where nobody sees it.
            raise StorageError(
                f"the mount at {mount.point} cannot be seen from here",
                hint=f"cp {mount.point}/versions/{told(path)}/@... {mount.point}/files/{told(path)}",
            )
        try:
            source = objects.open(wanted.digest, wanted.form)
            with os.fdopen(source, "rb") as content:
                if mount is not None:
                    target = mount.point / _FILES / os.fsdecode(path)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with open(target, "wb") as file:
                        shutil.copyfileobj(content, file, 2**20)
                else:
                    self._write(path, content.fileno())
        except OSError as error:
            raise StorageError.from_os(error, f"files/{told(path)}") from error
        finally:
            objects.close()
        return wanted

    def _write(self, path: bytes, source: int) -> None:
        """Put bytes into a file while nothing is mounted, by the same tree that a mount would show."""
        from nexus.memexfs.worker import Worker

        worker = Worker(self._home)
        worker.history.start()
        try:
            *folders, name = path.split(b"/")
            me = Caller(os.geteuid(), os.getegid(), os.getpid())
            folder: Node = worker.files.root
            for step in folders:
                try:
                    folder = folder.child(step, me)
                except FileNotFoundError:
                    folder = folder.mkdir(step, 0o755, me)
            flags = os.O_WRONLY | os.O_TRUNC
            try:
                handle = folder.child(name, me).open(flags, me)
            except FileNotFoundError:
                _, handle = folder.create(name, flags | os.O_CREAT, 0o644, me)
            at = 0
            while piece := os.pread(source, 2**20, at):
                at += handle.write(at, memoryview(piece))
            handle.flush()
            handle.release()
        finally:
            worker.stop()

    # folders in place

    def add_source(self, folder: Path, name: str = "") -> str:
        """Show a folder as files/NAME, its own name where none is given, and return that name. Nothing is
        copied. Raises `InvalidInputError` where it cannot be."""
        folder = Path(os.path.realpath(folder))
        if not folder.is_dir():
            raise InvalidInputError(f"{folder} is no folder", hint="name a folder of this machine")
        name = name or folder.name
        for other, path in {"": self._home, **self.store.sources()}.items():
            if other and path == folder:
                return other
            if not other and folder.is_relative_to(path):
                raise InvalidInputError(
                    f"{folder} is in {path}, which NexusOS keeps for itself",
                    hint="files of your memories: nexus memories export FOLDER, in the mount or anywhere",
                )
            if folder.is_relative_to(path) or path.is_relative_to(folder):
                raise InvalidInputError(
                    f"{folder} overlaps {path}", hint="name a folder that shares nothing with it"
                )
        mount = self.mounted()
        if mount is not None and (folder.is_relative_to(mount.point) or mount.point.is_relative_to(folder)):
            raise InvalidInputError(
                f"{folder} overlaps the mount at {mount.point}", hint="what is in there is indexed already"
            )
        if name in self.store.sources() or (self._tree / name).exists():
            raise InvalidInputError(f"files/{name} is there already", hint="give another name: --name NAME")
        self.store.add_source(name, folder)
        return name

    def drop_source(self, given: str) -> str:
        """Show a folder no more, named by its name or its path; its files stay as they are. Raises
        `NotFoundError`."""
        for name, path in self.store.sources().items():
            if given == name or os.path.realpath(given) == str(path):
                self.store.drop_source(name)
                return name
        raise NotFoundError(f"{given} is no folder in place", hint="`nexus memex status` lists them")


def version_shown(version: Version) -> dict[str, Any]:
    """A version for JSON. `taken` is when it ceased to be the content, in seconds since 1970."""
    return {
        "n": version.n,
        "name": stamp(version.taken_ns).decode(),
        "size": version.size,
        "modified": version.mtime_ns / 1e9,
        "taken": version.taken_ns / 1e9,
        "cause": version.cause,
        "digest": version.digest,
    }


def printable(text: str) -> str:
    """A path of the system as UTF-8, bytes that are none spelled out."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
