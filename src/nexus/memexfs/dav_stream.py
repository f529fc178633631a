"""An open file of the tree as WsgiDAV reads and writes it, and errors of the tree as statuses of HTTP.

Knows neither folders nor names. Invariant: what is opened is released, also when a client goes away in the
middle and nobody closes it.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from wsgidav.dav_error import DAVError

from nexus.memexfs.node import failure
from nexus.memexfs.pathwise import Open, Pathwise

_P = ParamSpec("_P")
_R = TypeVar("_R")

_STATUS = {
    errno.ENOENT: 404, errno.ENOTDIR: 409, errno.EEXIST: 405, errno.ENOTEMPTY: 409, errno.EISDIR: 405,
    errno.EACCES: 403, errno.EPERM: 403, errno.EROFS: 403, errno.EXDEV: 403, errno.EBUSY: 423,
    errno.ENOSPC: 507, errno.EDQUOT: 507, errno.EFBIG: 507, errno.ENAMETOOLONG: 414, errno.EINVAL: 400,
    errno.ELOOP: 508, errno.EOPNOTSUPP: 501,
}  # fmt: skip
CHUNK = 2**20
"""Bytes that are read or copied at once."""


def answered(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """The call, its `OSError` as the status that says the same."""

    @wraps(call)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return call(*args, **kwargs)
        except OSError as error:
            status = _STATUS.get(error.errno or 0, 500)
            raise DAVError(status, os.strerror(error.errno or errno.EIO)) from error

    return wrapped


class Stream(io.RawIOBase):
    """An open file of the tree, read or written from the beginning on. Closes itself when it is dropped."""

    def __init__(self, tree: Pathwise, opened: Open) -> None:
        super().__init__()
        self._tree = tree
        self._opened = opened
        self._place = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    @answered
    def read(self, size: int = -1) -> bytes:
        parts = []
        while size and (
            data := bytes(
                self._tree.filesystem.read(
                    *self._opened, self._place, min(size, CHUNK) if size > 0 else CHUNK, os.O_RDONLY
                )
            )
        ):
            parts.append(data)
            self._place += len(data)
            size -= len(data) if size > 0 else 0
        return b"".join(parts)

    @answered
    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        total = len(left)
        while left:
            written = self._tree.filesystem.write(*self._opened, self._place, left, os.O_WRONLY)
            self._place += written
            left = left[written:]
        return total

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            raise failure(errno.EINVAL)
        self._place = offset
        return offset

    @answered
    def close(self) -> None:
        if self.closed:
            return
        super().close()
        try:
            self._tree.filesystem.flush(*self._opened)
        finally:
            self._tree.release(self._opened)
