"""A FUSE server straight over /dev/fuse: no library between the kernel and a `FileSystem`.

Knows descriptors and threads; `nexus.memexfs.requests` knows what a request means, `nexus.memexfs.mount`
where the descriptor comes from. Several processes may serve one mount one after the other.

Invariant: every request that is read is answered, whatever the file system does, unless the process dies;
then the next one is asked again.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import sys
import threading
from typing import Final

from nexus.memexfs import protocol as p
from nexus.memexfs.legacy import Legacy
from nexus.memexfs.notify import Notifier, ask_again
from nexus.memexfs.operations import FileSystem
from nexus.memexfs.passthrough import Backings
from nexus.memexfs.requests import Requests
from nexus.memexfs.session import Negotiated

_log = logging.getLogger(__name__)

_UNMOUNTED: Final = (errno.ENODEV, errno.ECONNABORTED)
# Seconds that a thread of ours that computes may keep a request waiting; Python's own 5 ms are two orders of
# magnitude more than a request takes.
_TURN: Final = 0.0005
_AGAIN: Final = (errno.ENOENT, errno.EINTR, errno.EAGAIN)  # ENOENT: it was taken back while we read it


def serve(
    fd: int,
    filesystem: FileSystem,
    *,
    threads: int = 4,
    resend: bool = False,
    passthrough: bool = False,
    negotiated: Negotiated | None = None,
    open_table: int | None = None,
) -> None:
    """Answer the kernel on `fd` until the mount is gone. Calls `begin` and `end` of the file system.

    `threads` that answer; a call that takes long keeps one of them. `negotiated` where INIT was answered
    before. `resend`: a worker before us is dead, and what was asked of it is ours; needs `negotiated`.
    `passthrough`: let the kernel read and write files by itself where it can (CAP_SYS_ADMIN). `open_table`:
    the memfd that all workers of a mount share, empty for the first.

    Raises what the kernel or a thread of ours failed with; the descriptor stays open.
    """
    if resend and negotiated is None:
        raise ValueError("a mount that is served again was negotiated before")
    if negotiated is not None:
        passthrough = negotiated.passthrough
    requests = Requests(
        filesystem,
        negotiated=negotiated,
        again=resend,
        backings=Backings(fd, open_table) if passthrough else None,
        legacy=None if open_table is None else Legacy(open_table),
    )
    _Server(fd, filesystem, requests, resend).run(threads)


class _Server:
    def __init__(self, fd: int, filesystem: FileSystem, requests: Requests, again: bool) -> None:
        self._fd = fd
        self._fs = filesystem
        self._again = again
        self._requests = requests
        self._notifier = Notifier(fd)
        self._over: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def run(self, threads: int) -> None:
        if self._requests.negotiated is None and not self._initialise():
            return
        assert self._requests.negotiated is not None
        self._fs.begin(self._notifier)
        self._notifier.begin(self._requests.negotiated)
        before = sys.getswitchinterval()
        sys.setswitchinterval(min(before, _TURN))
        try:
            if self._again:
                ask_again(self._fd)
            for number in range(threads):
                threading.Thread(target=self._thread, name=f"memexfs-{number}", daemon=True).start()
            for _ in range(threads):
                failure = self._over.get()
                if failure is not None:
                    raise failure
        finally:
            sys.setswitchinterval(before)
            self._notifier.end()
            self._fs.end()

    def _initialise(self) -> bool:
        """Answer up to INIT; false where the mount is gone before."""
        buffer = bytearray(p.BUFFER)
        while self._requests.negotiated is None:
            if not self._one(buffer, memoryview(buffer)):
                return False
        return True

    def _thread(self) -> None:
        try:
            buffer = bytearray(p.BUFFER)
            view = memoryview(buffer)
            if self._one(buffer, view):
                self._requests.answered()
            while self._one(buffer, view):
                pass
        except Exception as error:
            self._over.put(error)
        else:
            self._over.put(None)

    def _one(self, buffer: bytearray, view: memoryview) -> bool:
        """Answer one request. False where there will be none any more."""
        try:
            length = os.readv(self._fd, (buffer,))
        except OSError as error:
            if error.errno in _UNMOUNTED:
                return False
            if error.errno in _AGAIN:
                return True
            raise
        reply = self._requests.answer(view, length)
        try:
            if type(reply) is bytes:
                os.write(self._fd, reply)
            elif reply is not None:
                os.writev(self._fd, [*reply])
        except OSError as error:
            if error.errno in _UNMOUNTED:
                return False
            if error.errno == errno.ENOENT:  # nobody waits any more: the mount is being torn down
                return True
            _log.error("the kernel refused a reply to request %d: %s", view[4], error)
            os.write(self._fd, p.failed(p.HEADER.unpack_from(view)[2], errno.EIO))
        return True
