"""A share of the processor, held by the process itself: work a step, then sleep as long as is owed.

Knows nothing of limits, modes or users; the caller says the share. Invariants, for steps of up to `L`
seconds of CPU and any stalls: a stretch of `W` seconds holds at most `share * W` seconds of CPU, and
`L * max(0, 1 - share) + share * (REPAID_SECONDS + STALL_SECONDS)` more; and where the machine is free
the share is reached, not only kept under.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Event

from nexus.core.errors import InvalidInputError

# What a step should take of the CPU. A step cannot be cut, so a second holds up to one more than the share
# allows. By the bound above no second goes 3 points of the machine over the limit with steps of 25 ms and
# up to 25 % of a single core, nor with 50 ms and up to half of two cores or more.
STEP_SECONDS = 0.025
# A sleep that ended late is made good up to here, more is lost: a machine that stood still for a minute
# must not be followed by a minute of work at full speed.
REPAID_SECONDS = 0.015
# The same for a step that was held up. It is bounded apart: whether the step worked before it was held up
# or after is not known, and what it did after belongs to the second that comes.
STALL_SECONDS = 0.03
# A sleep is cut into pieces, so that a share that was changed meanwhile counts at once.
_SLICE_SECONDS = 0.1


class DutyCycle:
    """Keeps this process's CPU use, of all its threads together, at a share of one core.

    The law is integral: what was used is compared with what was allowed since, on the process's own CPU
    clock, so errors of single sleeps do not add up. A fixed sleep has no set-point: asked for 25 % it
    gives 10 (research of seed 002's governor).

    `share` is in cores, above 0: 0.5 is half a core, 2.0 two. It may be set by any thread at any time;
    everything else belongs to one thread. Raises `InvalidInputError` for other shares.
    """

    def __init__(
        self,
        share: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._share = _checked(share)
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._sleep = sleep
        self._balance = 0.0  # CPU seconds that may be used at once; below 0 it is owed
        self._looked = clock()
        self._used = cpu_clock()

    @property
    def share(self) -> float:
        """The set-point, as a share of one core."""
        return self._share

    @share.setter
    def share(self, value: float) -> None:
        self._share = _checked(value)

    def pause_after_step(self, stop: Event | None = None) -> float:
        """Sleep as long as is owed for what was used since the last call. Returns the seconds slept.

        Call it after every step of at most 50 ms of CPU. When `stop` is set it returns at once; what is
        still owed stays owed, and is slept by a later call.
        """
        wall, used = self._elapsed()
        self._settle(min(wall, used + STALL_SECONDS), used)
        slept = 0.0
        # Shorter sleeps than a clock can measure are left for the next call.
        while self._balance < -1e-9 and not (stop is not None and stop.is_set()):
            piece = min(-self._balance / self._share, _SLICE_SECONDS)
            if stop is None:
                self._sleep(piece)
            else:
                stop.wait(piece)
            wall, used = self._elapsed()
            slept += wall
            self._settle(wall, used)
        return slept

    def _elapsed(self) -> tuple[float, float]:
        now, used = self._clock(), self._cpu_clock()
        passed = now - self._looked, used - self._used
        self._looked, self._used = now, used
        return passed

    def _settle(self, wall: float, used: float) -> None:
        share = self._share
        self._balance = min(self._balance + share * wall - used, share * REPAID_SECONDS)


def _checked(share: float) -> float:
    if not (math.isfinite(share) and share > 0):
        raise InvalidInputError(
            f"a share of {share} of a core cannot be kept",
            hint="a share is above 0; to do no work at all, do not start it",
        )
    return float(share)
