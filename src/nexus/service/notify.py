"""What the service tells the system's supervisor: that it is ready, that it stops, that it is alive.

systemd's protocol is one datagram of lines to the socket named in NOTIFY_SOCKET (sd_notify(3)); a library
for it would be longer. Knows nothing of units. Invariant: "alive" is only said when the conductor's thread
and the event loop have both just moved, so that a service which hangs is restarted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

from nexus.core.errors import NexusError

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
# A start may take long (weights are read whole): while it moves, it is given this much more.
_MORE_SECONDS = 120


class Notifier:
    """The supervisor's socket. Without one, nothing is sent."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._address = env.get("NOTIFY_SOCKET", "")
        self.alive_seconds = self._interval(env)

    @property
    def wanted(self) -> bool:
        """Whether somebody listens."""
        return self._address.startswith(("/", "@"))

    def send(self, *lines: str) -> bool:
        """Tell; returns whether it was taken. Never fails: the service matters more than its report."""
        if not self.wanted:
            return False
        # "@" stands for the zero byte that begins an abstract name.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
                datagram.settimeout(1)
                datagram.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            _log.warning("the supervisor at %s was not told %s: %s", self._address, lines[0], error)
            return False
        return True

    @staticmethod
    def _interval(env: Mapping[str, str]) -> float:
        """How often it wants to hear "alive", in seconds; 0 when it does not."""
        owner = env.get("WATCHDOG_PID", "")
        if owner and owner != str(os.getpid()):
            return 0.0
        microseconds = env.get("WATCHDOG_USEC", "")
        return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0


class Supervised:
    """Follows the service from its start to its end and tells the supervisor. One thread, mostly asleep."""

    def __init__(
        self,
        notifier: Notifier,
        state: Callable[[], tuple[str, NexusError | None]],
        moved: Callable[[], float],
    ) -> None:
        """`state` is the service's and its failure; `moved` says how many seconds ago it last moved."""
        self._notifier, self._state, self._moved = notifier, state, moved
        self._end = threading.Event()
        self._answered = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._follow, name="nexus-supervised", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, if there is somebody to tell. `loop` is the one that serves requests."""
        self._loop = loop
        if self._notifier.wanted:
            self._thread.start()

    def stop(self) -> None:
        """Say that the service ends. Calling it twice is harmless."""
        if self._notifier.wanted and not self._end.is_set():
            self._notifier.send("STOPPING=1", "STATUS=stopping")
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _follow(self) -> None:
        said, up = "", False
        interval, waited = self._notifier.alive_seconds / 3, 0.0
        self._ask()
        while not self._end.wait(_LOOK_SECONDS):
            state, failure = self._state()
            text = " ".join(f"{state}: {failure}".split()) if failure else state
            lines = [f"STATUS={text}"] if text != said else []
            said = text
            if state == "starting":
                lines.append(f"EXTEND_TIMEOUT_USEC={_MORE_SECONDS * 1_000_000}")
            elif state == "draining":
                lines.append("STOPPING=1")
            elif not up:
                # A service that could not open its stores answers, too, and says why: it is up.
                up = True
                lines.append("READY=1")
            if lines:
                self._notifier.send(*lines)
            waited += _LOOK_SECONDS
            if interval and waited >= interval and state != "starting":
                waited = 0.0
                self._say_alive()

    def _say_alive(self) -> None:
        silent = self._moved()
        if not self._answered.is_set():
            _log.warning("the event loop has not moved since the last look")
        elif silent > self._notifier.alive_seconds:
            _log.warning("the conductor has not moved for %.0f seconds", silent)
        else:
            self._notifier.send("WATCHDOG=1")
            self._answered.clear()
            self._ask()

    def _ask(self) -> None:
        """Ask the loop for a sign; it gives one as soon as it runs."""
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._answered.set)
        except RuntimeError:
            self._end.set()  # the loop is closed: the service is gone
