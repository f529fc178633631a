"""What we tell the kernel unasked: that a name or a content it remembers is no longer true.

The kernel may wait for the lock of a folder while a request on that folder waits for our answer, so nothing
is told from a thread that answers requests: it is queued here, each thing once, and told by a thread of its
own. Knows no file system.
"""

from __future__ import annotations

import errno
import logging
import os
import threading

from nexus.memexfs.protocol import EXPIRE_ONLY, INVAL_ENTRY_OUT, INVAL_INODE_OUT, OUT, Notify
from nexus.memexfs.session import Negotiated

_log = logging.getLogger(__name__)

_MANY = 20_000  # names; beyond it all are doubted at once where the kernel can


def ask_again(fd: int) -> None:
    """Have the kernel send again what a worker before us was asked. Raises `OSError` before Linux 6.9."""
    os.write(fd, OUT.pack(16, Notify.RESEND, 0))


class Notifier:
    """The `Kernel` of a mount. `begin` once it is known what the kernel can; what is told before is kept."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._changed = threading.Condition()
        self._names: dict[tuple[int, bytes], bool] = {}  # whether wholly
        self._contents: dict[int, None] = {}
        self._told = True  # all that was taken from the queue
        self._ended = False
        self._negotiated: Negotiated | None = None
        self._thread = threading.Thread(target=self._tell, name="memexfs-notify", daemon=True)

    def begin(self, negotiated: Negotiated) -> None:
        self._negotiated = negotiated
        self._thread.start()

    def end(self) -> None:
        """Nothing is told any more. A call that the kernel holds up is not waited for."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def forget_name(self, parent: int, name: bytes, *, wholly: bool = False) -> None:
        with self._changed:
            self._names[parent, name] = wholly or self._names.get((parent, name), False)
            self._changed.notify_all()

    def forget_content(self, node: int) -> None:
        with self._changed:
            self._contents[node] = None
            self._changed.notify_all()

    def doubt_names(self, seconds: float) -> None:
        if self._negotiated is not None and self._negotiated.epoch:
            self._send([OUT.pack(16, Notify.INC_EPOCH, 0)])  # takes no lock of any folder
            return
        with self._changed:
            self._changed.wait_for(
                lambda: self._ended or (self._told and not (self._names or self._contents)), seconds
            )

    def _tell(self) -> None:
        assert self._negotiated is not None
        doubted = EXPIRE_ONLY if self._negotiated.expire_only else 0
        while True:
            with self._changed:
                self._told = True
                self._changed.notify_all()
                while not (self._names or self._contents or self._ended):
                    self._changed.wait()
                if self._ended:
                    return
                names, self._names = self._names, {}
                contents, self._contents = self._contents, {}
                self._told = False
            if len(names) > _MANY and self._negotiated.epoch:
                names = {}
                self._send([OUT.pack(16, Notify.INC_EPOCH, 0)])
            for (parent, name), wholly in names.items():
                size, flags = INVAL_ENTRY_OUT.size + len(name) + 1, 0 if wholly else doubted
                head = INVAL_ENTRY_OUT.pack(size, Notify.INVAL_ENTRY, 0, parent, len(name), flags)
                self._send([head, name, b"\0"])
            for node in contents:
                self._send([INVAL_INODE_OUT.pack(40, Notify.INVAL_INODE, 0, node, 0, 0)])

    def _send(self, message: list[bytes]) -> None:
        try:
            os.writev(self._fd, message)
        except OSError as error:
            # The kernel does not know what it is to forget, or there is no mount any more.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.EBADF):
                _log.warning("the kernel was not told: %s", error)
