"""Turns merging (KSM) off again when it does not pay.

Called at every look of the watcher; it has no thread of its own and keeps four numbers. Knows nothing of
agents, nor of how merging was turned on. Invariants: what `nexus tune` has not turned on is never touched;
it is turned off only after a whole window in which it saved less for each second of ksmd's than asked for;
why is written down before it is done.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from nexus.agentmem.ksm import FOLDER, Figures, Ksm, per_second
from nexus.agentmem.ksm_state import KsmState, TurnedOff, TurnedOn
from nexus.agentmem.machine import Machine
from nexus.core.errors import NexusError
from nexus.core.settings import AgentsSettings

_log = logging.getLogger(__name__)
# Of the window: a ksmd that has nothing to look at sleeps, and may as well stay.
_FREE = 0.0005
_BLIND = "whether KSM pays is not known: /proc does not show the kernel's thread ksmd here"


@dataclass(slots=True)
class Window:
    """What was seen since its begin."""

    began: Figures
    last: float  # when it was looked at
    saved: float = 0.0  # bytes times seconds

    def add(self, now: Figures) -> None:
        """One more look: what is saved now was saved since the last."""
        self.saved += now.profit * max(0.0, now.at - self.last)
        self.last = now.at

    @property
    def seconds(self) -> float:
        """How long it is by now."""
        return self.last - self.began.at

    @property
    def mean(self) -> float:
        """Bytes saved, over the whole of it."""
        return self.saved / self.seconds if self.seconds > 0 else 0.0


def pays(saved: float, cpu: float, seconds: float, least: float) -> bool:
    """Whether `saved` bytes are worth `cpu` seconds of ksmd in a window of `seconds`."""
    return cpu <= _FREE * seconds or per_second(saved, cpu) >= least


class KsmGovernor:
    """One machine's. `look` is quick where KSM was not turned on by `nexus tune`."""

    def __init__(
        self,
        settings: AgentsSettings,
        machine: Machine | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._machine = machine or Machine()
        self._least, self._seconds = settings.merge_least_mb, settings.merge_window_minutes * 60
        self._ksm, self._state, self._now = Ksm(self._machine, clock), KsmState(self._machine), now
        self._window: Window | None = None
        self._of: TurnedOn | None = None
        self._blind = False
        self._off: TurnedOff | None = None  # what could be neither done nor written down

    @property
    def says(self) -> str:
        """Why it is off, or should be, or cannot be judged; empty: nothing to say."""
        off = self._off or self._state.turned_off()
        return off.words if off else _BLIND if self._blind else ""

    def look(self) -> None:
        """Look once; turn it off where a window is over and it did not pay."""
        on = self._state.turned_on()
        if on is None or not self._least or self._machine.read(f"{FOLDER}/run") != "1":
            self._window, self._blind = None, False
            if on is None:
                self._off = None
            return
        now = self._ksm.figures()
        self._blind = now.cpu is None
        if now.cpu is None:
            return
        if self._window is None or self._of != on:
            self._window, self._of, self._off = Window(now, now.at), on, None
            return
        self._window.add(now)
        if self._window.seconds < self._seconds:
            return
        over, self._window = self._window, Window(now, now.at)
        cpu = now.cpu - (over.began.cpu or 0.0)
        if pays(over.mean, cpu, over.seconds, self._least):
            self._off = None
            return
        self._turn_off(on, over, cpu, now)

    def _turn_off(self, on: TurnedOn, over: Window, cpu: float, now: Figures) -> None:
        # What is merged stays so without ksmd; where nothing is, its bookkeeping goes too.
        run = "0" if now.sharing else "2"
        off = TurnedOff(
            on.boot, on.at, self._now(), math.floor(over.mean), cpu, over.seconds, self._least, run
        )
        try:
            self._state.note_off(off)
            self._machine.write(f"{FOLDER}/run", run)
        except NexusError as error:
            told, self._off = self._off, replace(off, run="")
            with suppress(NexusError):
                self._state.note_off(self._off)
            if told is None:
                _log.warning("%s (%s)", self.says, error)
            return
        _log.warning("%s", self.says)
