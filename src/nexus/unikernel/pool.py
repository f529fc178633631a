"""Guests that were started ahead and wait for code: a run costs what the code costs.

Each is used once. A thread of the pool starts them, looks after them while they wait, and takes away those
that are used; a run itself is served in the caller's thread and changes hands nowhere. Knows nothing of
backends. Invariant: at most `size` guests wait; one that was used is never used again; after `close` nothing
is left.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from nexus.core.errors import NexusError
from nexus.unikernel.descriptors import Descriptors
from nexus.unikernel.ending import SandboxError
from nexus.unikernel.grants import Grants
from nexus.unikernel.guest import Guest, source
from nexus.unikernel.limits import Limits
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.serving import OnOutput

# Prints nothing, by way of all that printing needs: what it touches costs the first run no page faults.
_NOTHING = b"print(end='')"
_ENOUGH = Limits()
_PAUSE = 1.0  # seconds between attempts where guests cannot be started or die while they wait


class PoolClosedError(NexusError):
    """The pool was closed, or belongs to the process that this one was forked from."""

    code = "pool_closed"
    exit_status = 15
    http_status = 410


class Pool:
    """`size` guests of `sandbox` that wait. To be used by `with`, from any number of threads.

    Limits count from the run's start. A guest's CPU time is looked at by us, not by its tender, so a run may
    use some milliseconds more than its limit. Raises what `Sandbox.kind` and the grants are refused with.
    """

    def __init__(self, sandbox: Sandbox, size: int = 2) -> None:
        self._kind = sandbox.kind
        self._size = size
        self._owner = os.getpid()
        self._ready: deque[Guest] = deque()
        self._used: deque[Guest] = deque()
        self._running: set[Guest] = set()
        self._closed = False
        self._own = Descriptors()
        self._wake = self._own.one(os.eventfd, 0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._filled = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="sandbox pool", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self,
        code: str | bytes,
        *,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
        limits: Limits | None = None,
        grants: Grants | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """As `Sandbox.run`, with a guest that waits; where none does, with one that is started now.

        `limits` and `grants` of this run, where they are not the sandbox's; the memory of a guest is always
        its sandbox's. Raises `PoolClosedError` too.
        """
        began = time.monotonic()
        data = source(code)
        guest = self._taken()
        self._running.add(guest)
        try:
            return guest.run(
                began,
                data,
                stdin=stdin,
                on_output=on_output,
                limits=limits,
                grants=grants,
                cancel=cancel,
            )
        finally:
            self._running.discard(guest)
            self._give_away(guest)

    def warm(self, timeout: float = 10.0) -> bool:
        """Waits until `size` guests have begun to wait; whether they were, in time."""
        return self._filled.wait(timeout)

    def close(self) -> None:
        """Ends all guests; runs in other threads end as "stopped". May be called again."""
        if os.getpid() != self._owner:
            return
        self._closed = True
        for guest in list(self._running):
            guest.process.stop()
        if self._thread.is_alive():
            os.eventfd_write(self._wake, 1)
            self._thread.join()
        for guests in (self._ready, self._used):
            while guests:
                guests.popleft().close()
        self._own.close_all()

    def _taken(self) -> Guest:
        if self._closed or os.getpid() != self._owner:
            why = "closed" if self._closed else f"of the process {self._owner}, which started this one"
            raise PoolClosedError(f"the pool is {why}", hint="make a new one here")
        while True:
            try:
                guest = self._ready.popleft()
            except IndexError:
                return Guest(self._kind, resident=True)
            if not guest.process.dead():
                return guest
            self._give_away(guest)

    def _give_away(self, guest: Guest) -> None:
        # To end a process takes as long as a short run: the thread does it, unless it lags behind.
        if self._closed or len(self._used) > 2 * self._size + 8:
            guest.close()
            return
        self._used.append(guest)
        with contextlib.suppress(OSError):
            os.eventfd_write(self._wake, 1)

    # ---- the thread

    def _keep(self) -> None:
        until = 0.0  # no guest is started before
        while not self._closed:
            while self._used:
                self._used.popleft().close()
            until = self._fill(until)
            self._wait(until)
            if self._bury():
                until = time.monotonic() + _PAUSE

    def _fill(self, until: float) -> float:
        """Starts what lacks, unless it is before `until`; gives the moment before which not to try again."""
        if time.monotonic() < until:
            return until
        fresh: deque[Guest] = deque()
        try:
            # All start at once; while the first is looked at, the others begin.
            while not self._closed and len(self._ready) + len(fresh) < self._size:
                fresh.append(Guest(self._kind, resident=True))
            while fresh and not self._closed:
                self._warm(fresh.popleft())
        except Exception:
            # Whoever runs something meets the same trouble and hears of it.
            return time.monotonic() + _PAUSE
        finally:
            while fresh:
                fresh.popleft().close()
        self._filled.set()
        return until

    def _warm(self, guest: Guest) -> None:
        """Has a guest run something, so that it waits with its memory in place. Raises where it cannot."""
        self._running.add(guest)
        try:
            guest.run(time.monotonic(), _NOTHING, limits=_ENOUGH)
            if guest.waits:
                self._ready.append(guest)
                return
        except BaseException:
            guest.close()
            raise
        finally:
            self._running.discard(guest)
        guest.close()
        raise SandboxError("a guest ended before it was given anything to do")

    def _wait(self, until: float) -> None:
        watched = select.poll()
        watched.register(self._wake, select.POLLIN)
        for guest in list(self._ready):
            watched.register(guest.process.descriptor, select.POLLIN)
        lacking = len(self._ready) < self._size
        left = max(0.0, until - time.monotonic()) * 1000 + 1
        watched.poll(left if lacking else None)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    def _bury(self) -> bool:
        """Takes away guests that died while they waited; whether there were any."""
        dead = [guest for guest in list(self._ready) if guest.process.dead()]
        for guest in dead:
            with contextlib.suppress(ValueError):  # taken by a run, which saw it too
                self._ready.remove(guest)
                guest.close()
        return bool(dead)
