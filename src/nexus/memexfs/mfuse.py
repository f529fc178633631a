"""The tree under a mount by libfuse (mfusepy), for macOS and wherever our own server cannot run.

A translation of libfuse's high-level calls into `nexus.memexfs.operations`. What it cannot do:
survive a death, be told of changes (so the kernel believes names and attributes for a second at most), pass
reads through and copy ranges; and what is removed while it is open is `.fuse_hidden...` in its folder until
it is closed. Invariant: flags of a rename are never lost, and what escapes a call is EIO.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nexus.core.errors import MissingPartError, StorageError
from nexus.memexfs.node import failure
from nexus.memexfs.operations import NOW, Attributes, Caller, Change, FileSystem
from nexus.memexfs.pathwise import NoKernel, Open, Pathwise
from nexus.memexfs.pathwise import Path as Names

_log = logging.getLogger(__name__)

SECONDS = 1.0
"""So long the kernel believes a name or attributes: nobody tells it of changes."""

_NOW, _OMIT = (1 << 30) - 1, (1 << 30) - 2  # nanoseconds that are none (utimensat(2))


def serve(
    point: Path, filesystem: FileSystem, *, name: str = "memex", ready: Callable[[], None] | None = None
) -> None:
    """Show the file system at the folder `point` until it is unmounted. `ready` is called once it answers.

    Raises `MissingPartError` without mfusepy or libfuse, and `StorageError` where the mount is refused.
    """
    mfusepy = _library()
    operations = _Operations(mfusepy, filesystem, ready)
    options: dict[str, Any] = {"fsname": name, "foreground": True, "default_permissions": True}
    if sys.platform == "darwin":
        options |= {"volname": name}
    else:
        options |= {"subtype": "memex", "allow_other": os.geteuid() == 0}
    try:
        _fuse_class(mfusepy)(operations, os.fspath(point), **options)
    except RuntimeError as error:  # libfuse has said why on the standard error
        hint = "libfuse says why above; `nexus mount` without this backend needs no libfuse"
        raise StorageError(f"cannot mount {point} by libfuse (status {error})", hint=hint) from None


def _library() -> Any:
    try:
        import mfusepy
    except ImportError:
        raise MissingPartError(
            "mfusepy is not installed", hint="install it: pip install 'nexusos[fuse]'"
        ) from None
    except OSError:
        where = "macFUSE or FUSE-T" if sys.platform == "darwin" else "libfuse3: sudo apt install libfuse3-3"
        raise MissingPartError("libfuse is not installed", hint=f"install {where}") from None
    return mfusepy


class _Operations:
    """What libfuse calls, by the names that mfusepy has for it. Paths are text with surrogate escapes."""

    use_ns = True
    flag_nopath = flag_nullpath_ok = True  # what is open is asked by its handle, name or no name

    def __init__(self, mfusepy: Any, filesystem: FileSystem, ready: Callable[[], None] | None) -> None:
        self._fs = filesystem
        self._ready = ready
        self._no_attribute: int = mfusepy.ENOATTR
        self._tree = Pathwise(filesystem, lambda: Caller(*mfusepy.fuse_get_context()))
        self._lock = threading.Lock()
        self._files: dict[int, Open] = {}
        self._folders: dict[int, Open] = {}

    def init_with_config(self, connection: Any, config: Any) -> None:
        if config is not None:
            config.entry_timeout = config.attr_timeout = SECONDS
            config.negative_timeout = 0.0
            config.use_ino = config.auto_cache = 1
        self._fs.begin(NoKernel())
        if self._ready is not None:
            self._ready()

    def destroy(self, path: str) -> None:
        self._fs.end()

    # attributes

    @contextmanager
    def _node(self, path: str | None, fh: int | None) -> Iterator[tuple[int, int | None]]:
        """Node and handle of what is open, or the node at the path."""
        if fh is not None:
            opened = self._files.get(fh) or self._folders[fh]
            yield opened.node, opened.handle
        elif path is None:
            raise failure(errno.ENOENT)
        else:
            with self._tree.at(_names(path)) as found:
                yield found.node, None

    def getattr(self, path: str | None, fh: int | None = None) -> Mapping[str, int]:
        with self._node(path, fh) as (node, handle):
            return _stat(self._fs.getattr(node, handle)[0])

    def _change(self, path: str | None, fh: int | None, change: Change) -> int:
        with self._node(path, fh) as (node, handle):
            self._fs.setattr(node, change, handle, self._tree.caller())
        return 0

    def chmod(self, path: str | None, mode: int, fh: int | None = None) -> int:
        return self._change(path, fh, Change(mode=mode))

    def chown(self, path: str | None, uid: int, gid: int, fh: int | None = None) -> int:
        return self._change(path, fh, Change(uid=_id(uid), gid=_id(gid)))

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> int:
        return self._change(path, fh, Change(size=length))

    def utimens(
        self, path: str | None, times: tuple[int | None, int | None] | None = None, fh: int | None = None
    ) -> int:
        atime, mtime = times or (NOW, NOW)
        return self._change(path, fh, Change(atime_ns=atime, mtime_ns=mtime))

    def readlink(self, path: str) -> str:
        with self._tree.at(_names(path)) as found:
            return _text(self._fs.readlink(found.node))

    def statfs(self, path: str) -> Mapping[str, int]:
        with self._tree.at(_names(path)) as found:
            space = self._fs.statfs(found.node)
        return {
            "f_bsize": space.block_size,
            "f_frsize": space.block_size,
            "f_blocks": space.blocks,
            "f_bfree": space.free,
            "f_bavail": space.available,
            "f_files": space.files,
            "f_ffree": space.files_free,
            "f_favail": space.files_free,
            "f_namemax": space.name_length,
        }

    # extended attributes; macOS hands a position over, too

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        with self._tree.at(_names(path)) as found:
            try:
                return self._fs.getxattr(found.node, _bytes(name))
            except OSError as error:
                raise failure(self._no_attribute) if error.errno == errno.ENODATA else error from None

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> int:
        with self._tree.at(_names(path)) as found:
            self._fs.setxattr(found.node, _bytes(name), value, options, self._tree.caller())
        return 0

    def listxattr(self, path: str) -> list[str]:
        with self._tree.at(_names(path)) as found:
            return [_text(name) for name in self._fs.listxattr(found.node)]

    def removexattr(self, path: str, name: str) -> int:
        with self._tree.at(_names(path)) as found:
            self._fs.removexattr(found.node, _bytes(name), self._tree.caller())
        return 0

    # names

    def mknod(self, path: str, mode: int, dev: int) -> int:
        self._tree.mknod(_names(path), mode, dev)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._tree.mkdir(_names(path), mode)
        return 0

    def symlink(self, path: str, target: str) -> int:
        self._tree.symlink(_names(path), _bytes(target))
        return 0

    def link(self, path: str, existing: str) -> int:
        self._tree.link(_names(existing), _names(path))
        return 0

    def unlink(self, path: str) -> int:
        self._tree.remove(_names(path), folder=False)
        return 0

    def rmdir(self, path: str) -> int:
        self._tree.remove(_names(path), folder=True)
        return 0

    def rename(self, old: str, new: str, flags: int = 0) -> int:
        self._tree.rename(_names(old), _names(new), flags)
        return 0

    # files

    def create(self, path: str, mode: int, flags: int) -> int:
        return self._kept(self._files, self._tree.create(_names(path), _flags(flags), mode))

    def open(self, path: str, flags: int) -> int:
        return self._kept(self._files, self._tree.open(_names(path), _flags(flags)))

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._fs.read(self._files[fh].node, fh, offset, size, os.O_RDONLY))

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        return self._fs.write(self._files[fh].node, fh, offset, memoryview(data), os.O_WRONLY)

    def flush(self, path: str | None, fh: int) -> int:
        self._fs.flush(self._files[fh].node, fh)
        return 0

    def release(self, path: str | None, fh: int) -> int:
        self._tree.release(self._taken(self._files, fh))
        return 0

    def fsync(self, path: str | None, data_only: int, fh: int) -> int:
        self._fs.fsync(self._files[fh].node, fh, bool(data_only))
        return 0

    def fallocate(self, path: str | None, mode: int, offset: int, size: int, fh: int) -> int:
        self._fs.allocate(self._files[fh].node, fh, offset, size, mode, os.O_WRONLY)
        return 0

    # folders

    def opendir(self, path: str) -> int:
        return self._kept(self._folders, self._tree.open_folder(_names(path)))

    def readdir_with_offset(
        self, path: str | None, offset: int, fh: int
    ) -> Iterator[tuple[str, Mapping[str, int], int]]:
        for found in self._fs.readdir(self._folders[fh].node, fh, offset):
            yield _text(found.name), {"st_mode": found.kind, "st_ino": found.ino}, found.offset

    def releasedir(self, path: str | None, fh: int) -> int:
        self._tree.release_folder(self._taken(self._folders, fh))
        return 0

    def fsyncdir(self, path: str | None, data_only: int, fh: int) -> int:
        self._fs.fsyncdir(self._folders[fh].node, fh, bool(data_only))
        return 0

    def _kept(self, table: dict[int, Open], opened: Open) -> int:
        with self._lock:
            table[opened.handle] = opened
        return opened.handle

    def _taken(self, table: dict[int, Open], fh: int) -> Open:
        with self._lock:
            return table.pop(fh)


# ---- libfuse -----------------------------------------------------------------------------------


def _fuse_class(mfusepy: Any) -> Any:
    """mfusepy's `FUSE`; by itself it drops flags of renames, handles of changes, times that are none."""

    class Fuse(mfusepy.FUSE):  # type: ignore[misc]
        def _wrapper(self, call: Callable[..., int | None], *args: Any, **kwargs: Any) -> int:
            try:
                return call(*args, **kwargs) or 0
            except OSError as error:
                return -(error.errno or errno.EIO)
            except Exception:
                _log.exception("libfuse's call %s", getattr(call, "__name__", call))
                return -errno.EIO

        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            return int(self.operations.rename(_text(old), _text(new), flags))

        def chmod_fuse_3(self, path: bytes | None, mode: int, opened: Any) -> int:
            return int(self.operations.chmod(_path(path), mode, _handle(opened)))

        def chown_fuse_3(self, path: bytes | None, uid: int, gid: int, opened: Any) -> int:
            return int(self.operations.chown(_path(path), uid, gid, _handle(opened)))

        def truncate_fuse_3(self, path: bytes | None, length: int, opened: Any) -> int:
            return int(self.operations.truncate(_path(path), length, _handle(opened)))

        def utimens_fuse_3(self, path: bytes | None, times: Any, opened: Any) -> int:
            both = (_time(times.contents.actime), _time(times.contents.modtime)) if times else None
            return int(self.operations.utimens(_path(path), both, _handle(opened)))

    return Fuse


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    """As mfusepy has it, whatever the locale."""
    return name.decode("utf-8", "surrogateescape")


def _path(path: bytes | None) -> str | None:
    return None if path is None else _text(path)


def _handle(opened: Any) -> int | None:
    return int(opened.contents.fh) if opened else None


def _time(spec: Any) -> int | None:
    if spec.tv_nsec == _OMIT:
        return None
    return NOW if spec.tv_nsec == _NOW else int(spec.tv_sec) * 10**9 + int(spec.tv_nsec)


def _id(number: int) -> int | None:
    """A user's or group's number; all bits set leave it as it is."""
    return None if number in (-1, 2**32 - 1) else number


def _names(path: str) -> Names:
    return tuple(name for name in _bytes(path).split(b"/") if name)


def _flags(flags: int) -> int:
    """The kernel has decided where an append goes, and reads around its cache by itself."""
    return flags & ~(os.O_APPEND | getattr(os, "O_DIRECT", 0))


def _stat(found: Attributes) -> Mapping[str, int]:
    return {
        "st_ino": found.ino,
        "st_mode": found.mode,
        "st_size": found.size,
        "st_blocks": found.blocks,
        "st_atime": found.atime_ns,
        "st_mtime": found.mtime_ns,
        "st_ctime": found.ctime_ns,
        "st_nlink": found.nlink,
        "st_uid": found.uid,
        "st_gid": found.gid,
        "st_rdev": found.rdev,
        "st_blksize": found.blksize,
    }
