"""A cable between two guests: two Unix datagram sockets beside a path.

Whoever comes first is PATH.a and 10.78.0.1, the other PATH.b and 10.78.0.2. Knows nothing of what frames say.
Invariant: an end is held by a lock that the kernel gives back when its process ends, however it ends; so a
socket file without a lock is a remain.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections import deque
from ipaddress import IPv4Interface
from pathlib import Path

from nexus.core.errors import BusyError, InvalidInputError, NotFoundError, StorageError
from nexus.unikernel.ethernet import FRAME_MOST, MTU, Ethernet

QUEUED_MOST = 256  # frames that an end keeps for its guest
STALLED = 20_000  # microseconds that `send` waits for a full peer
_PATH_MOST = 107 - len(".a.lock")


class Pair(Ethernet):
    """An end of the cable, whichever is free. Frames of anyone but the other end are thrown away."""

    def __init__(self, path: Path) -> None:
        named = path.name and "\0" not in str(path)
        if named:
            path = Path(os.path.realpath(path.parent)) / path.name  # as the other end will see it
        if not named or len(os.fsencode(path)) > _PATH_MOST:
            raise InvalidInputError(
                f"pair path {str(path)!r}",
                hint=f"a file name of at most {_PATH_MOST} bytes, as in pair:/tmp/cable",
            )
        for end in "ab":
            self._lock_path = Path(f"{path}.{end}.lock")
            self._lock_fd = _locked(self._lock_path)
            if self._lock_fd >= 0:
                break
        else:
            raise BusyError(f"both ends of the pair {path} are taken", hint="choose another path")
        self._own, self._other = f"{path}.{end}", f"{path}.{'b' if end == 'a' else 'a'}"
        self._waiting: deque[bytes] = deque()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            Path(self._own).unlink(missing_ok=True)  # of a process that was killed
            os.fchmod(self._socket.fileno(), 0o600)
            self._socket.bind(self._own)
        except OSError as error:
            self._socket.close()
            self._unlock()
            raise StorageError.from_os(error, path) from error
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, STALLED))
        number = 1 if end == "a" else 2
        address = IPv4Interface(f"10.78.0.{number}/24")
        super().__init__(self._socket.fileno(), address, bytes((2, 0x4E, 0x58, 0, 0, number)), None, MTU)

    def _put(self, frame: bytes) -> None:
        # At once where there is room. Else what waits for us is taken first, so that two ends that are both
        # full do not wait for each other; then a moment is given to the peer.
        for flags in (socket.MSG_DONTWAIT, 0):
            try:
                self._socket.sendto(frame, flags, self._other)
                return
            except BlockingIOError:
                self._drain()
            except OSError:
                return  # nobody is at the other end: lost

    def _take(self) -> bytes:
        if not self._waiting:
            self._drain()
        return self._waiting.popleft() if self._waiting else b""

    def _drain(self) -> None:
        while len(self._waiting) < QUEUED_MOST:
            try:
                frame, sender = self._socket.recvfrom(FRAME_MOST + 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if sender == self._other:
                self._waiting.append(frame)

    def _give_back(self) -> None:
        self._socket.close()
        Path(self._own).unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock_fd)


def _locked(path: Path) -> int:
    """A descriptor that holds the lock, -1 where another has it. The file goes when the lock is given back,
    so the one that was locked may be gone already: only a lock on the file that has the name counts."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError as error:
            raise NotFoundError(f"the folder of {path} does not exist") from error
        except OSError as error:
            raise StorageError.from_os(error, path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_named(fd, path):
                return fd
        except BlockingIOError:
            os.close(fd)
            return -1
        os.close(fd)


def _is_named(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
