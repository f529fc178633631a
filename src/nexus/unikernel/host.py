"""The world as one guest sees it: answers to what its tender does not answer itself.

Knows nothing of processes, sockets or time-outs. Invariant: an answer is given to any op, argument and bytes
(the guest is not trusted), and nothing that was not granted is touched.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from nexus.unikernel.abi import Errno, Op
from nexus.unikernel.block_grant import Blocks
from nexus.unikernel.file_grant import Files
from nexus.unikernel.functions import Functions
from nexus.unikernel.grants import Grants
from nexus.unikernel.limits import Limits

if TYPE_CHECKING:
    from nexus.unikernel.links import Link

Answer = tuple[int, bytes]


class Host:
    """What `grants` and `limits` allow. Raises what the grants are refused with: `NotFoundError`,
    `InvalidInputError`, and what a link cannot be had for. `close` gives everything back.

    `codes` are handed out by NX_OP_FETCH, in order. One call at a time.
    """

    def __init__(self, grants: Grants, limits: Limits) -> None:
        self.codes: deque[bytes] = deque()
        self._limits = limits
        self._deadline = float("inf")
        self._calls = 0
        self._unfetched: Answer | None = None  # what a call gave that did not fit
        self._unfetched_request = b""
        self._functions = Functions(grants, limits)
        self._files = Files(grants.files)
        self._links: list[Link] = []
        self._blocks = Blocks(grants.blocks)
        try:
            if grants.links:
                self._links = _links(grants.links)
        except BaseException:
            self._blocks.close()
            raise

    def begin(self, deadline: float) -> None:
        """A new run: it counts its calls anew, and nothing here takes longer than `deadline` (monotonic)."""
        self._deadline = deadline
        self._calls = 0
        self._unfetched = None

    def refuses(self, op: int, data: bytes) -> str:
        """Why this call is one too many, or ""."""
        if op != Op.CALL or self._again(data) or self._calls < self._limits.calls:
            return ""
        return f"it called host functions more than {self._limits.calls} times"

    def at_once(self, op: int, arg: int, data: bytes, out_cap: int) -> Answer | None:
        """`answer`, where it does not take long; None for a host function and for a frame still to come."""
        if op == Op.CALL and not self._again(data):
            return None
        if op == Op.NET_RECV and arg >> 32:
            at_once = self.answer(op, arg & 0xFFFFFFFF, data, out_cap)
            return at_once if at_once[0] else None
        return self.answer(op, arg, data, out_cap)

    def answer(self, op: int, arg: int, data: bytes, out_cap: int) -> Answer:
        """(result or -NX_E*, bytes). Never raises for what a guest sends.

        With -EMSGSIZE the bytes are what would have been the answer: their length is what the guest needs. A
        host function is not called again then: the same request right after gets the same answer.
        """
        known = _ANSWERS.get(op)
        if known is None:
            return -Errno.ENOSYS, b""
        try:
            result, out = known(self, arg, data, out_cap)
        except MemoryError:
            return -Errno.EIO, b""
        if len(out) > out_cap:
            return -Errno.EMSGSIZE, out
        return result, out

    def close(self) -> None:
        """Gives back files and links. May be called again."""
        self._blocks.close()
        for link in self._links:
            with contextlib.suppress(OSError):
                link.close()

    def _fetch(self, arg: int, data: bytes, room: int) -> Answer:
        if not self.codes:
            return -Errno.ENOENT, b""
        code = self.codes[0] if len(self.codes[0]) > room else self.codes.popleft()
        return len(code), code

    def _again(self, data: bytes) -> bool:
        return self._unfetched is not None and data == self._unfetched_request

    def _call(self, arg: int, data: bytes, room: int) -> Answer:
        if self._again(data):
            assert self._unfetched is not None
            result, out = self._unfetched
        else:
            self._calls += 1
            out = self._functions.call(data, self._deadline)
            result = len(out)
        fits = len(out) <= room
        self._unfetched, self._unfetched_request = (None, b"") if fits else ((result, out), data)
        return result, out

    def _net(self, arg: int) -> Link | None:
        number = arg & 0xFFFFFFFF
        return self._links[number] if number < len(self._links) else None

    def _net_info(self, arg: int, data: bytes, room: int) -> Answer:
        link = self._net(arg)
        return (0, link.info()) if link else (-Errno.ENODEV, b"")

    def _net_send(self, arg: int, data: bytes, room: int) -> Answer:
        link = self._net(arg)
        return (link.send(data) if link else -Errno.ENODEV), b""

    def _net_receive(self, arg: int, data: bytes, room: int) -> Answer:
        link = self._net(arg)
        if link is None:
            return -Errno.ENODEV, b""
        left = max(0.0, self._deadline - time.monotonic())
        frame = link.receive(int(min(arg >> 32, left * 1000)))
        # A frame that does not fit is lost, as one that is too long for a wire.
        return (len(frame), frame) if len(frame) <= room else (0, b"")


def _links(grants: tuple[str, ...]) -> list[Link]:
    from nexus.unikernel.links import opened

    links: list[Link] = []
    try:
        for grant in grants:
            links.append(opened(grant))
    except BaseException:
        for link in links:
            link.close()
        raise
    return links


_ANSWERS: dict[int, Callable[[Host, int, bytes, int], Answer]] = {
    Op.FETCH: Host._fetch,
    Op.CALL: Host._call,
    Op.FILE_STAT: lambda host, arg, data, room: host._files.stat(data),
    Op.FILE_READ: lambda host, arg, data, room: host._files.read(data, arg, room),
    Op.FILE_LIST: lambda host, arg, data, room: host._files.list(data, room),
    Op.BLOCK_INFO: lambda host, arg, data, room: host._blocks.info(arg),
    Op.BLOCK_READ: lambda host, arg, data, room: host._blocks.read(data, room),
    Op.BLOCK_WRITE: lambda host, arg, data, room: host._blocks.write(data),
    Op.NET_INFO: Host._net_info,
    Op.NET_SEND: Host._net_send,
    Op.NET_RECV: Host._net_receive,
}
