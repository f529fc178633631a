"""One request of the kernel in, one reply out.

Knows the protocol and a `FileSystem`, nothing of descriptors or threads: one object answers for all threads.
Invariant: whatever comes in, `answer` returns; a fault of ours is EIO and a line in the log. A request costs
as little Python as it can: no object is made that the file system does not want.
"""

from __future__ import annotations

import errno
import logging
from typing import Final

from nexus.memexfs import protocol as p
from nexus.memexfs.legacy import MOST_TRIES, Legacy
from nexus.memexfs.on_files import OnFiles
from nexus.memexfs.on_names import OnNames
from nexus.memexfs.operations import Entry, FileSystem
from nexus.memexfs.parsing import Handler, Header, Reply, malformed
from nexus.memexfs.passthrough import Backings
from nexus.memexfs.protocol import BODY, HEADER, RESENT, SHORTEST, Op
from nexus.memexfs.repeated import CURED, settled
from nexus.memexfs.session import Negotiated, agree
from nexus.memexfs.set_id import SetId

_log = logging.getLogger(__name__)

_SILENT: Final = frozenset({Op.FORGET, Op.BATCH_FORGET, Op.NOTIFY_REPLY})


class Requests:
    """`negotiated` is None until INIT came, where nobody has answered it before. `again`: another process
    answered on this mount before us. `backings` where files may be passed through. `legacy` is shared with
    the workers before and after us."""

    def __init__(
        self,
        filesystem: FileSystem,
        *,
        negotiated: Negotiated | None = None,
        again: bool = False,
        backings: Backings | None = None,
        legacy: Legacy | None = None,
    ) -> None:
        self.negotiated = negotiated
        self._fs = filesystem
        self._legacy = legacy
        set_id = SetId(filesystem, again=again)
        self._files = OnFiles(filesystem, set_id, backings)
        handlers: dict[Op, Handler] = {
            **OnNames(filesystem, set_id).handlers(),
            **self._files.handlers(),
            Op.INIT: self._init,
            Op.DESTROY: self._nothing,
            Op.STATFS: self._statfs,
            Op.IOCTL: self._no_ioctl,
        }
        self._table = {int(op): (BODY + SHORTEST.get(op, 0), handler) for op, handler in handlers.items()}

    def answer(self, view: memoryview, length: int) -> Reply:
        """The reply to the request in the first `length` bytes; None where there is to be none.

        It may refer to what the file system returned, never to `view`.
        """
        if length < BODY:
            return None
        header: Header = HEADER.unpack_from(view)
        if header[2] & RESENT and self._legacy is not None:
            return self._once_more(view, length, header, self._legacy)
        return self._handled(view, length, header)

    def _once_more(self, view: memoryview, length: int, header: Header, legacy: Legacy) -> Reply:
        tries = legacy.begin(header[2])
        if tries > MOST_TRIES:
            _log.error("request %d on node %d has ended %d workers: refused", header[1], header[3], tries - 1)
            reply: Reply = None if header[1] in _SILENT else p.failed(header[2], errno.EIO)
        else:
            reply = self._handled(view, length, header)
        legacy.end(header[2])
        return reply

    def _handled(self, view: memoryview, length: int, header: Header) -> Reply:
        unique = header[2]
        try:
            shortest, handler = self._table[header[1]]
        except KeyError:
            # The kernel asks for most of what it does not get once and never again: INTERRUPT (every request
            # is answered soon, interrupted or not), ACCESS (it checks modes by itself), POLL, STATX (we know
            # no more than GETATTR), TMPFILE, locks (it keeps them by itself).
            return None if header[1] in _SILENT else p.failed(unique, errno.ENOSYS)
        try:
            if length < shortest or header[0] != length:
                raise malformed()
            return handler(unique, header[3], length, view, header)
        except OSError as error:
            if unique & RESENT and error.errno in CURED:
                return self._repeated(view[:length], unique, error)
            return None if header[1] in _SILENT else p.failed(unique, error.errno)
        except Exception:
            _log.exception("request %d on node %d failed", header[1], header[3])
            return None if header[1] in _SILENT else p.failed(unique, errno.EIO)

    def answered(self) -> None:
        """The kernel has a reply of ours."""
        if self._legacy is not None:
            self._legacy.answered()

    def _repeated(self, request: memoryview, unique: int, error: OSError) -> Reply:
        """A request that failed now, perhaps because a worker before us carried it out."""
        try:
            result = settled(self._fs, request, error)
        except OSError as still:
            return p.failed(unique, still.errno)
        except Exception:
            _log.exception("a request that was sent again failed")
            return p.failed(unique, errno.EIO)
        if result is None:
            return p.done(unique)
        if isinstance(result, Entry):
            return p.entry(unique, result)
        found, opened = result
        return p.created(unique, found, *self._files.opened(found.node, opened))

    def _init(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        reply, agreed = agree(v[:n], unique, passthrough=self._files.backings is not None)
        if agreed is not None:
            self.negotiated = agreed
            if not agreed.passthrough:
                self._files.backings = None
        return reply

    def _nothing(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return p.done(unique)

    def _statfs(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return p.space(unique, self._fs.statfs(node))

    def _no_ioctl(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return p.failed(unique, errno.ENOTTY)
