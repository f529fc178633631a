"""Mounting and unmounting a FUSE folder, as root by mount(2) and as an ordinary user by fusermount3.

Knows nothing of what is shown there. Invariant: a failure leaves neither a mount nor a descriptor behind, and
says what to do.
"""

from __future__ import annotations

import array
import ctypes
import errno
import logging
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from nexus.core.errors import (
    AlreadyRunningError,
    BusyError,
    InvalidInputError,
    MissingPartError,
    NotFoundError,
    StorageError,
)
from nexus.memexfs.mount_table import KIND, Holder, holders, mounted_at, place
from nexus.memexfs.protocol import LARGEST

_log = logging.getLogger(__name__)

DEVICE: Final = Path("/dev/fuse")
_HELPER: Final = "fusermount3"
_NOSUID, _NODEV = 2, 4
_FORCE, _DETACH, _NOFOLLOW = 1, 2, 8
_CONNECTIONS: Final = Path("/sys/fs/fuse/connections")
_ANSWER = 3.0  # seconds after which a mount that says nothing counts as alive


def mount(point: Path, *, name: str = "memex", clean: bool = False) -> int:
    """Mount at the folder `point` and give the descriptor to serve on. `name` is what `df` shows.

    `clean`: a mount of ours that nobody serves any more is taken away first. A folder with content may be
    mounted over; that is said in the log. Raises `MissingPartError` without /dev/fuse or fusermount3,
    `InvalidInputError` where `point` is no folder, `AlreadyRunningError` where something of ours is mounted
    there, and `StorageError` where the system refuses.
    """
    point = place(point)
    _check(point, clean=clean)
    if not DEVICE.exists():
        raise MissingPartError(
            f"there is no {DEVICE}: this system has no FUSE",
            hint="load it with `modprobe fuse`; a container needs `--device /dev/fuse --cap-add SYS_ADMIN`",
        )
    if os.geteuid() == 0:
        try:
            return _mount_as_root(point, name)
        except PermissionError:  # root of a container; the helper may be allowed what we are not
            if shutil.which(_HELPER) is None:
                raise StorageError(
                    f"the system does not let root mount {point}",
                    hint="in a container, start it with `--device /dev/fuse --cap-add SYS_ADMIN`",
                ) from None
        except OSError as error:
            raise StorageError(f"cannot mount {point}: {error.strerror}") from error
    return _mount_by_helper(point, name)


def unmount(point: Path, *, lazy: bool = False) -> None:
    """Take the mount at `point` away. `lazy`: those who use it keep it until they let go.

    Raises `NotFoundError` where nothing is mounted, and `BusyError`, which names who uses it.
    """
    point = place(point)
    found = mounted_at(point)
    if found is None:
        raise NotFoundError(f"nothing is mounted at {point}", hint="`findmnt -t fuse.memex` lists what is")
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(point), _NOFOLLOW | (_DETACH if lazy else 0)) == 0:
            return
        number = ctypes.get_errno()
        if number == errno.EBUSY:
            raise _busy(point)
        raise StorageError(f"cannot unmount {point}: {os.strerror(number)}")
    result = subprocess.run(
        [_helper(), "-u", *(["-z"] if lazy else []), "--", point], capture_output=True, text=True
    )
    if result.returncode:
        said = _said_by_helper(result.stderr)
        raise _busy(point) if "busy" in said.lower() else StorageError(f"cannot unmount {point}: {said}")


def abort(point: Path) -> None:
    """Take the mount at `point` away whatever it is doing: who waits for it gets an error, and who has
    something open there has nothing any more. Raises `StorageError` as `unmount`."""
    point = place(point)
    found = mounted_at(point)
    if found is not None:
        if os.geteuid() == 0:
            ctypes.CDLL(None).umount2(os.fsencode(point), _NOFOLLOW | _FORCE)
        with suppress(OSError):  # ours to write as an ordinary user too, where the system shows it
            (_CONNECTIONS / str(found.connection) / "abort").write_text("1")
    with suppress(NotFoundError):
        unmount(point, lazy=True)


def is_stale(point: Path) -> bool:
    """Whether what is mounted at `point` has nobody behind it any more."""
    return _opened(point, _ANSWER) in (errno.ENOTCONN, errno.ECONNABORTED)


def answers(point: Path, seconds: float) -> bool:
    """Whether the folder can be opened within that time."""
    return _opened(point, seconds) == 0


def _opened(point: Path, seconds: float) -> int | None:
    """0, the errno, or None where nothing came back: a folder that is stuck must not hold us up as well."""
    result: list[int] = []

    def look() -> None:
        try:
            os.close(os.open(point, os.O_RDONLY | os.O_DIRECTORY))
            result.append(0)
        except OSError as error:
            result.append(error.errno or errno.EIO)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(seconds)
    return result[0] if result else None


def _check(point: Path, *, clean: bool) -> None:
    found = mounted_at(point)
    if found is not None and found.ours:
        if not is_stale(point):
            raise AlreadyRunningError(
                f"{point} is mounted already", hint=f"unmount it first: nexus umount {point}"
            )
        if not clean:
            raise AlreadyRunningError(
                f"{point} is a mount whose server is gone", hint=f"take it away: nexus umount {point}"
            )
        unmount(point, lazy=True)
        _log.warning("took away the mount at %s that nobody served", point)
        return _check(point, clean=False)
    try:
        status = point.stat()
    except FileNotFoundError:
        raise InvalidInputError(f"there is no folder {point}", hint=f"make it: mkdir {point}") from None
    except OSError as error:
        raise InvalidInputError(f"cannot mount at {point}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidInputError(f"{point} is not a folder", hint="name an empty folder")
    try:
        hidden = sum(1 for _ in point.iterdir())
    except OSError:  # a folder that we may not read can be mounted on all the same
        return None
    if hidden:
        _log.warning("%s is not empty: what is in it is hidden while it is mounted", point)
    return None


def _options() -> str:
    return f"default_permissions,max_read={LARGEST}"


def _mount_as_root(point: Path, name: str) -> int:
    fd = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other,{_options()}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(name.encode(), os.fsencode(point), KIND.encode(), _NOSUID | _NODEV, options.encode()):
        number = ctypes.get_errno()
        os.close(fd)
        raise OSError(number, os.strerror(number))
    return fd


def _mount_by_helper(point: Path, name: str) -> int:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours, theirs:
        options = f"rw,nosuid,nodev,fsname={name},subtype={KIND.partition('.')[2]},{_options()}"
        result = subprocess.run(
            [_helper(), "-o", options, "--", point],
            capture_output=True,
            text=True,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())},
        )
        theirs.close()
        if result.returncode:
            said = _said_by_helper(result.stderr) or f"status {result.returncode}"
            closed = f"open {DEVICE}" in said
            raise StorageError(
                f"cannot mount {point}: {said}",
                hint=f"let ordinary users open it: sudo chmod 666 {DEVICE}"
                if closed
                else "the folder must be yours and writable to you",
            )
        return _received(ours, point)


def _received(connection: socket.socket, point: Path) -> int:
    """The descriptor that the helper sends with one byte."""
    descriptors = array.array("i")
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(descriptors.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: descriptors.itemsize])
    if not descriptors:
        raise StorageError(f"cannot mount {point}: {_HELPER} sent no descriptor")
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]


def _said_by_helper(stderr: str) -> str:
    return re.sub(rf"^(\S*/)?{_HELPER}: ", "", stderr.strip())


def _helper() -> str:
    found = shutil.which(_HELPER)
    if found is None:
        raise MissingPartError(
            f"mounting as an ordinary user needs {_HELPER}", hint="install it: sudo apt install fuse3"
        )
    return found


def _busy(point: Path) -> BusyError:
    users = holders(point)
    return BusyError(
        f"{point} is in use" + (f" by {', '.join(map(_said, users))}" if users else ""),
        hint=f"end them, or let them keep it: nexus umount --lazy {point}",
    )


def _said(holder: Holder) -> str:
    return f"{holder.name} ({holder.pid}: {holder.what})"
