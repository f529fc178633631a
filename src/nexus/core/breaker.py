"""A circuit breaker: what fails again and again is left alone for a while, then tried once (seed 002).

Knows nothing of what is called. Invariants: after `failures` failures in a row nothing is let through for
`reset_seconds`; then one call at a time is let through, and only its success opens the way for all. Any
thread may use it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from nexus.core.errors import BusyError, NexusError

State = Literal["CLOSED", "OPEN", "HALF_OPEN"]
T = TypeVar("T")


class BrokenError(BusyError):
    """What was asked for has failed again and again, and is left alone until `retry_after` has passed."""

    code = "broken"


class Breaker:
    """Stands before one thing that may break: a model, a server, the learner.

    `name` is what messages call it. Either `call` a function through it, or ask `allow()` and report with
    `succeeded()`, `failed()` or `undecided()`: one report for each call that was allowed.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = 3,
        reset_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._limit = failures
        self._reset = reset_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0  # in a row
        self._reason = ""
        self._opened: float | None = None
        self._probing: float | None = None  # since when a probe is under way

    @property
    def state(self) -> State:
        """CLOSED: all calls pass; OPEN: none; HALF_OPEN: one may pass, or is under way."""
        with self._lock:
            return self._state()

    @property
    def reason(self) -> str:
        """What the last failure said; empty after a success."""
        with self._lock:
            return self._reason

    def allow(self) -> bool:
        """Whether a call may be made now. True obliges the caller to report how it went.

        A probe that nobody reported on for `reset_seconds` is taken for lost, so that a caller that died
        does not keep the way closed for ever.
        """
        with self._lock:
            state = self._state()
            if state == "CLOSED":
                return True
            now = self._clock()
            if state == "OPEN" or (self._probing is not None and now - self._probing < self._reset):
                return False
            self._probing = now
            return True

    def succeeded(self) -> None:
        """The call went well. A late word of a call made before all was OPEN changes nothing."""
        with self._lock:
            if self._state() == "OPEN":
                return
            self._failures = 0
            self._reason = ""
            self._opened = self._probing = None

    def failed(self, reason: object = "") -> None:
        """The call failed; `reason` is shown to those who are refused."""
        with self._lock:
            state = self._state()
            self._failures += 1
            self._reason = str(reason)
            self._probing = None
            if state == "HALF_OPEN" or (state == "CLOSED" and self._failures >= self._limit):
                self._opened = self._clock()

    def undecided(self) -> None:
        """The call says nothing about the thing: it was cancelled, or asked for something impossible."""
        with self._lock:
            self._probing = None

    def refusal(self) -> BrokenError:
        """The error for a caller that is not let through: what is broken, and when it is tried again."""
        with self._lock:
            wait = 1.0 if self._opened is None else self._opened + self._reset - self._clock()
            because = f": {self._reason}" if self._reason else ""
            seconds = max(1, math.ceil(wait))
            return BrokenError(
                f"{self.name} failed {self._failures} times in a row{because}",
                hint=f"it is tried again in {seconds} s",
                retry_after=seconds,
            )

    def call(self, function: Callable[[], T]) -> T:
        """Call `function` and report how it went. Raises `BrokenError` instead while it is not allowed.

        A `NexusError` that blames the request (status below 500) and a `BusyError` say nothing about the
        thing; every other exception is a failure. What is no `Exception` (the process ends) is undecided.
        """
        if not self.allow():
            raise self.refusal()
        try:
            value = function()
        except NexusError as error:
            if error.http_status < 500 or isinstance(error, BusyError):
                self.undecided()
            else:
                self.failed(error)
            raise
        except Exception as error:
            self.failed(error or repr(error))
            raise
        except BaseException:
            self.undecided()
            raise
        self.succeeded()
        return value

    def _state(self) -> State:
        if self._opened is None:
            return "CLOSED"
        return "OPEN" if self._clock() - self._opened < self._reset else "HALF_OPEN"
