"""Lines of JSON on a socket, each one object: what the service and the learner say to each other.

Knows nothing of what they mean. Invariants: a line longer than `MOST_LINE` or that is no object is left
out and counted, and the next is read as ever; no more than one such line is held in memory.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any, Final

MOST_LINE: Final = 1 << 20
_TAKEN = 1 << 16


class Messages:
    """One end. `send` may be called by any thread, `receive` by one."""

    def __init__(self, end: socket.socket) -> None:
        self.refused = 0
        self._socket = end
        self._sending = Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one object; waits while the other side does not read. Raises `OSError` when it is gone."""
        line = json.dumps(message).encode("ascii") + b"\n"
        if len(line) > MOST_LINE:
            raise ValueError(f"a message of {len(line)} bytes")
        with self._sending:
            self._socket.sendall(line)

    def receive(self) -> Iterator[dict[str, Any]]:
        """The objects that come, until the other side is gone."""
        waiting = bytearray()
        skipping = False
        while True:
            try:
                data = self._socket.recv(_TAKEN)
            except OSError:
                return
            if not data:
                return
            first, *rest = data.split(b"\n")
            waiting += first
            for part in rest:
                message = None if skipping else _object(bytes(waiting))
                skipping = False
                waiting = bytearray(part)
                if message is None:
                    self.refused += 1
                else:
                    yield message
            if len(waiting) > MOST_LINE:
                waiting.clear()
                skipping = True

    def close(self) -> None:
        """End both directions."""
        with suppress(OSError):  # the other side was quicker
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
