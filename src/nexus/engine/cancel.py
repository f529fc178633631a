"""Ends a blocking HTTP exchange from outside: the one way to stop a model that is still reading.

A thread that waits for the first token sits in `recv`. Short read time-outs would not do: they
end the exchange for good when the prompt is merely long. So the socket is shut down by another
thread, which wakes `recv` at once and tells the server that nobody listens any more.
Knows nothing of HTTP. Invariant: after `cancel` is set, the connection dies within `POLL_SECONDS`.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any

POLL_SECONDS = 0.05


class CancelWatch:
    """Watches `cancel` while a request runs; `trace` is httpx's documented trace extension."""

    def __init__(self, cancel: Event) -> None:
        self._cancel = cancel
        self._done = Event()
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._thread = Thread(target=self._watch, name="engine-cancel", daemon=True)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Remember the newest socket: after TLS it is not the one that was connected."""
        if event.endswith(("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")):
            found = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._socket = found
            if self._cancel.is_set():
                self._cut()

    def __enter__(self) -> CancelWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            if self._cancel.is_set():
                self._cut()
                return

    def _cut(self) -> None:
        with self._lock:
            # SSLSocket.shutdown would drop the TLS state under the reader's feet.
            # OSError: the exchange ended by itself in the meantime, which is what was wanted.
            if self._socket is not None:
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
