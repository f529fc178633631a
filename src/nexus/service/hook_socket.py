"""The Unix socket where hook clients (native/hook) bring their events.

One frame in, one frame out, then the connection is closed; native/hook/src/service.h describes both.
Knows the frame, not what is in an event. Invariants: only this user is listened to; at most `_OPEN`
connections are open, one more is closed at once; none can hold a worker for longer than
`_PATIENCE_SECONDS`.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nexus.core.errors import StorageError

_log = logging.getLogger(__name__)
_MAGIC = b"NXH1"
_OPEN = 64
_WORKERS = 8
_PATIENCE_SECONDS = 2.0
_LARGEST_EVENT = 4 * 2**20
_LARGEST_FOLDER = 4096
# The kernel's limit for the path of a socket.
_LONGEST_PATH = 107
_LENGTH = struct.Struct("!I")


class Call(NamedTuple):
    """An event, and where the agent that brings it keeps its sessions."""

    claude_folder: str
    codex_folder: str
    event: bytes


class HookSocket:
    """Listens from `start` to `stop`."""

    def __init__(self, path: Path, answer: Callable[[Call], bytes]) -> None:
        """`answer` is called from several threads and gives what the client prints."""
        self.path, self._answer = path, answer
        self._pool = ThreadPoolExecutor(_WORKERS, "nexus-hook")
        self._room = threading.BoundedSemaphore(_OPEN)
        self._stopping = False
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._listen, name="nexus-hooks", daemon=True)

    def start(self) -> None:
        """Make the socket, readable by its owner only. Raises `StorageError`."""
        try:
            # The lock of this home is ours, so a socket that is there is a killed service's.
            with suppress(FileNotFoundError):
                self.path.unlink()
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with _Reachable(self.path) as address:
                listener.bind(address)
            self.path.chmod(0o600)
            listener.listen(_OPEN)
        except OSError as error:
            raise StorageError.from_os(error, self.path) from error
        self._listener = listener
        self._thread.start()

    def stop(self) -> None:
        """Let open events be answered, then close. Calling it twice is harmless."""
        if self._listener is None or self._stopping:
            return
        self._stopping = True
        waker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with suppress(OSError), waker, _Reachable(self.path) as address:
            waker.connect(address)
        self._thread.join(_PATIENCE_SECONDS)
        self._listener.close()
        self._pool.shutdown(wait=True)
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _listen(self) -> None:
        assert self._listener is not None
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._stopping:
                    _log.error("hooks are not heard any more: %s", error)
                return
            if self._stopping:
                connection.close()
                return
            if not self._room.acquire(blocking=False):
                connection.close()
                _log.warning("more than %d hooks at once; one is not answered", _OPEN)
                continue
            self._pool.submit(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_PATIENCE_SECONDS)
                if not _is_us(connection):
                    _log.warning("another user tried to use %s", self.path)
                    return
                reply = self._answer(_receive(connection))
                connection.sendall(_LENGTH.pack(len(reply)) + reply)
        except (OSError, ValueError) as error:
            # The client has its own deadline and may be gone.
            _log.debug("a hook was not answered: %s", error)
        except Exception:
            _log.exception("a hook was not answered")
        finally:
            self._room.release()


class _Reachable:
    """The address of a socket, by way of its folder's descriptor where its path is too long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= _LONGEST_PATH:
            return str(self._path)
        self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        if self._folder >= 0:
            os.close(self._folder)


def _is_us(connection: socket.socket) -> bool:
    facts = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", facts)
    return bool(user == os.getuid())


def _receive(connection: socket.socket) -> Call:
    if _exactly(connection, len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not speak the hooks' protocol")
    claude = os.fsdecode(_part(connection, _LARGEST_FOLDER))
    codex = os.fsdecode(_part(connection, _LARGEST_FOLDER))
    return Call(claude, codex, _part(connection, _LARGEST_EVENT))


def _part(connection: socket.socket, most: int) -> bytes:
    (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if size > most:
        raise ValueError(f"a part of {size} bytes, at most {most} are allowed")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 65536))
        if not piece:
            raise ValueError("it ended too early")
        data += piece
    return bytes(data)
