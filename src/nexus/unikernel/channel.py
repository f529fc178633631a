"""Frames between a tender and this process, over a stream socket (nx_abi.h: struct nx_request, nx_reply).

The peer is not trusted. Knows nothing of what the operations mean. Invariant: a request is given out whole or
not at all, and at most one frame (24 bytes and NX_PAYLOAD_MAX) is held.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass

from nexus.unikernel import abi
from nexus.unikernel.abi import Errno

_AT_ONCE = 65536


class ChannelError(Exception):
    """The peer broke the protocol; the text says how."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the guest. `out_cap` is the room it has for the answer."""

    op: int
    arg: int
    data: bytes
    out_cap: int


class Frames:
    """Requests out of a stream of bytes that arrive in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._header: tuple[int, int, int, int] | None = None  # op, arg, in_len, out_cap

    def feed(self, piece: bytes) -> None:
        """More bytes of the stream."""
        self._held += piece

    @property
    def missing(self) -> int:
        """Bytes to come before the next request is whole; 0: it is."""
        if self._header is None:
            return max(0, abi.REQUEST.size - len(self._held))
        return max(0, self._header[2] - len(self._held))

    @property
    def torn(self) -> bool:
        """Whether the stream stands inside a frame."""
        return self._header is not None or bool(self._held)

    def take(self) -> Request | None:
        """The next whole request, or None. Raises `ChannelError` for bytes that are none."""
        if self._header is None:
            if len(self._held) < abi.REQUEST.size:
                return None
            magic, op, arg, in_len, out_cap = abi.REQUEST.unpack_from(self._held)
            if magic != abi.FRAME_MAGIC:
                raise ChannelError(f"a frame began with {magic:#010x}, not with {abi.FRAME_MAGIC:#010x}")
            if max(in_len, out_cap) > abi.PAYLOAD_MAX:
                raise ChannelError(
                    f"a frame announced {in_len} bytes in and {out_cap} out; {abi.PAYLOAD_MAX} is the most"
                )
            self._header = (op, arg, in_len, out_cap)
            del self._held[: abi.REQUEST.size]
        op, arg, in_len, out_cap = self._header
        if len(self._held) < in_len:
            return None
        data = bytes(self._held[:in_len])
        del self._held[:in_len]
        self._header = None
        return Request(op, arg, data, out_cap)


def replied(result: int, data: bytes) -> bytes:
    """The frame of an answer. With -EMSGSIZE only the length of `data` is told, as the bytes needed."""
    head = abi.REPLY.pack(result, len(data), 0)
    return head if result == -Errno.EMSGSIZE or not data else head + data


class Channel:
    """Our end of the socket. One thread reads; one thread at a time writes."""

    def __init__(self, ours: socket.SocketType) -> None:
        ours.setblocking(False)
        self._socket = ours
        self._frames = Frames()
        self.descriptor = ours.fileno()

    def receive(self) -> int | None:
        """Reads what is there: how many bytes, 0 where the peer has closed it, None where nothing is there.

        Raises `ChannelError` where it was closed inside a frame.
        """
        try:
            piece = self._socket.recv(max(4096, min(self._frames.missing, _AT_ONCE)))
        except BlockingIOError:
            return None
        except OSError:  # reset: the process is gone
            piece = b""
        if not piece and self._frames.torn:
            raise ChannelError("its channel was closed in the middle of a frame")
        self._frames.feed(piece)
        return len(piece)

    def request(self) -> Request | None:
        """The next whole request among what was received, or None. Raises `ChannelError`."""
        return self._frames.take()

    def reply(self, result: int, data: bytes, deadline: float) -> bool:
        """Sends an answer; waits while the peer does not take it, until `deadline` (time.monotonic()).

        False: the peer is gone or did not take it in time.
        """
        rest = memoryview(replied(result, data))
        while rest:
            try:
                rest = rest[self._socket.send(rest, socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                waiting = select.poll()
                waiting.register(self.descriptor, select.POLLOUT)
                waiting.poll(left * 1000 + 1)
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Closes our end."""
        self._socket.close()
