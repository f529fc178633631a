"""What the kinds of links have in common: sizes, waiting, and being closed while somebody waits.

Knows nothing of where frames come from. Invariant: a frame that passes is `HEADER` to `HEADER` + mtu bytes,
and file descriptors are closed only when nobody uses them.
"""

from __future__ import annotations

import os
import select
import threading
import time
from ipaddress import IPv4Address, IPv4Interface

from nexus.unikernel import abi

MTU = 1500
HEADER = 14
FRAME_MOST = HEADER + MTU
WAIT_MOST = 1000  # milliseconds that one `receive` waits, however many are asked for


class Ethernet:
    """A file descriptor that gives frames, and a way to wake who waits for one."""

    def __init__(self, fd: int, address: IPv4Interface, mac: bytes, gateway: IPv4Address | None, mtu: int):
        self.address = address
        self._fd = fd
        self._info = abi.NET_INFO.pack(
            mac, mtu, address.ip.packed, address.netmask.packed, gateway.packed if gateway else bytes(4)
        )
        self._frame_most = HEADER + mtu
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False

    def info(self) -> bytes:
        """struct nx_net_info."""
        return self._info

    def send(self, frame: bytes) -> int:
        """Hand a frame on, or lose it."""
        if len(frame) > self._frame_most:
            return -abi.Errno.EMSGSIZE
        if len(frame) < HEADER:
            return -abi.Errno.EINVAL
        with self._lock:
            if not self._closed:
                self._put(frame)
        return len(frame)

    def receive(self, timeout_ms: int) -> bytes:
        """Wait for a frame."""
        end = time.monotonic() + min(max(timeout_ms, 0), WAIT_MOST) / 1000
        with self._lock:
            while not self._closed:
                try:
                    frame = self._take()
                    watched = [self._fd, self._wake]
                except OSError:
                    frame, watched = b"", [self._wake]  # the link is gone: nothing comes any more
                left = end - time.monotonic()
                if HEADER <= len(frame) <= self._frame_most:
                    return frame
                if left <= 0:
                    break
                if not frame:
                    self._sleep(watched, left)
        return b""

    def close(self) -> None:
        """Wake who waits, then close."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        os.eventfd_write(self._wake, 1)
        with self._lock:
            self._give_back()
            os.close(self._wake)

    def _sleep(self, watched: list[int], seconds: float) -> None:
        poll = select.poll()
        for fd in watched:
            poll.register(fd, select.POLLIN)
        poll.poll(seconds * 1000 + 1)

    def _put(self, frame: bytes) -> None:
        raise NotImplementedError

    def _take(self) -> bytes:
        """A frame, b"" where there is none now. Raises `OSError` where none will come."""
        raise NotImplementedError

    def _give_back(self) -> None:
        raise NotImplementedError
