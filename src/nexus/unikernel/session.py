"""A guest that runs one piece of code after the other and keeps what they define.

Knows nothing of backends. Invariant: at most one run at a time; after `close`, or when the object goes,
nothing is left of the guest.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from nexus.core.errors import NexusError
from nexus.unikernel.guest import Guest, Kind, source
from nexus.unikernel.result import Result
from nexus.unikernel.serving import OnOutput


class SessionEndedError(NexusError):
    """The interpreter of a session is gone: a run ended it, or `close` did."""

    code = "session_ended"
    exit_status = 15
    http_status = 410


class Session:
    """To be used by `with`, from any thread. Wall, CPU, output and calls are limited for each run.

    A run that is ended by a limit or a fault, or ends the interpreter itself, ends the session.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._owner = os.getpid()
        self._one = threading.Lock()
        self._guest: Guest | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._why = "it was not entered yet"

    def __enter__(self) -> Self:
        started: Future[Guest] = Future()
        # Guests die with the thread that started them, and the caller's may be a short one.
        self._thread = threading.Thread(
            target=_kept, args=(self._kind, started, self._closing), name="sandbox session", daemon=True
        )
        self._thread.start()
        try:
            self._guest = started.result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(self, code: str | bytes, *, stdin: bytes = b"", on_output: OnOutput | None = None) -> Result:
        """Runs Python source after what ran before. Its standard input is `stdin`; where that is not empty,
        what was not read of the input before is gone.

        Raises as `Sandbox.run`, and `SessionEndedError`. Waits while another thread runs something here.
        """
        data = source(code)
        if os.getpid() != self._owner:
            raise SessionEndedError(
                f"the session is of the process {self._owner}, which started this one",
                hint="begin another one",
            )
        with self._one:
            began = time.monotonic()
            guest = self._guest
            if guest is None:
                raise SessionEndedError(f"the session has ended: {self._why}", hint="begin another one")
            try:
                result = guest.run(began, data, stdin=stdin, on_output=on_output)
            except BaseException as error:
                self._end(f"a run raised {type(error).__name__}")
                raise
            if not guest.waits:
                self._end(result.detail or f"a run ended the interpreter with status {result.status}")
            return result

    def close(self) -> None:
        """Ends the guest; a run in another thread ends as "stopped". May be called again."""
        if os.getpid() != self._owner:
            return  # after a fork the guest is the parent's, and the lock may be held for ever
        guest = self._guest
        if guest is not None:
            guest.process.stop()
        with self._one:
            self._end("it was closed")

    def _end(self, why: str) -> None:
        if self._guest is not None or not self._closing.is_set():
            self._why = why
        self._guest = None
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # of an __init__ that was cut off
            self.close()


def _kept(kind: Kind, started: Future[Guest], closing: threading.Event) -> None:
    try:
        guest = Guest(kind, resident=True)
    except BaseException as error:
        started.set_exception(error)
        return
    try:
        started.set_result(guest)
        closing.wait()
    finally:
        guest.close()
