"""Looks after all agents: pauses those that nobody uses, the least important first when memory is short.

Two threads: one looks every few seconds, one waits for what frozen agents would wake for. Knows nothing of
the service. Invariants: nothing is paused that was active within its time, or that is never to be; where
pausing is not possible here, `problem` says why and it is tried again later; nothing stays frozen when this
ends, however it ends.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nexus.agentmem import freezer
from nexus.agentmem.activity import Idleness, observe, quiet
from nexus.agentmem.guard import Guard
from nexus.agentmem.ksm_governor import KsmGovernor
from nexus.agentmem.pause import members, pause, resume
from nexus.agentmem.process_tree import Process, processes, tree
from nexus.agentmem.registration import Registration
from nexus.agentmem.registry import Registry
from nexus.agentmem.waking import Waking, signalled
from nexus.core.errors import NexusError, NotFoundError
from nexus.core.paths import Home
from nexus.core.settings import AgentsSettings

_log = logging.getLogger(__name__)
_MOST_BETWEEN, _LEAST_BETWEEN = 10.0, 0.5  # seconds from one look to the next
_TRY_AGAIN_SECONDS = 600.0
# What nobody used for so long may be paused early when memory is short.
_IDLE_UNDER_PRESSURE = 60.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that could be paused."""

    agent: Registration
    idle: float  # seconds
    tree: Sequence[Process]


class AgentWatcher:
    """Starts with `start`, ends with `stop`; `look` is one round."""

    def __init__(
        self,
        home: Home,
        settings: AgentsSettings,
        proc: Path = Path("/proc"),
        governor: KsmGovernor | None = None,
    ) -> None:
        self._registry = Registry(home)
        self._settings, self._proc = settings, proc
        self._governor = governor or KsmGovernor(settings)
        self._idleness = Idleness()
        self._guard = Guard()
        self._waking: Waking | None = None
        self._frozen: dict[str, Registration] = {}
        self._lock = threading.Lock()  # over what is frozen
        self._not_before = 0.0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = self._paused = 0
        self.problem = ""

    def start(self) -> None:
        """Begin to look after agents."""
        self._threads.append(threading.Thread(target=self._run, name="nexus-agents", daemon=True))
        self._threads[0].start()

    def stop(self) -> None:
        """End, and let every frozen agent go on. Calling it twice is harmless."""
        self._stop.set()
        with self._lock:
            for key in list(self._frozen):
                self._thaw(key)
        for thread in self._threads:
            thread.join(timeout=30)

    def as_dict(self) -> dict[str, Any]:
        """`agents` of `/api/status`, as of the last look."""
        return {
            "running": self._running,
            "paused": self._paused,
            "problem": self.problem,
            "merging": self._governor.says,
        }

    def _run(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = _MOST_BETWEEN
            try:
                wait = self.look()
            except Exception:
                # Pausing saves memory and is nothing that anyone waits for.
                _log.exception("looking after agents failed")
            try:
                self._governor.look()
            except Exception:
                _log.exception("looking after merging failed")
        self._registry.end_watch()

    def look(self) -> float:
        """One round. Returns in how many seconds the next is due."""
        agents = self._registry.agents()
        self._running, self._paused = len(agents), sum(1 for a in agents if self._registry.paused(a))
        other = self._registry.watch()
        if not agents or (other and other.pid != os.getpid()):
            return _MOST_BETWEEN
        idle, candidates = self._measure(agents)
        self._registry.set_watch(idle, self.problem)
        now = time.monotonic()
        if now >= self._not_before:
            for candidate in self._due(candidates):
                if self._stop.is_set() or not self._pause(candidate):
                    break
        limits = [minutes for agent in agents if (minutes := self._minutes(agent))]
        return min(_MOST_BETWEEN, max(_LEAST_BETWEEN, min(limits, default=60.0) * 60 / 4))

    def _measure(self, agents: Sequence[Registration]) -> tuple[dict[str, float], list[Candidate]]:
        """For how long each is idle, and which are not paused."""
        everything = processes(self._proc)
        idle: dict[str, float] = {}
        awake = []
        for agent in agents:
            found = tree(agent.pid, everything, agent.group)
            if not found:
                continue
            done = observe(found, time.monotonic(), self._proc)
            paused = self._registry.paused(agent)
            if paused and agent.key not in self._idleness:
                self._adopt(agent, paused.frozen)
                self._idleness.seen(agent.key, paused.activity)
            seconds = idle[agent.key] = self._idleness.seen(agent.key, done)
            if paused and done.at - seconds > paused.activity.at:
                _log.info("agent %s (%d) is in use again", agent.name, agent.pid)
                self._registry.set_awake(agent)
            elif paused and agent.key in self._frozen and signalled(found, self._proc):
                self._wake(agent.key)
            elif not paused:
                if agent.key in self._frozen:  # somebody else has let it go on
                    self._wake(agent.key)
                awake.append(Candidate(agent, seconds, found))
        self._idleness.keep([agent.key for agent in agents])
        return idle, awake

    def _due(self, candidates: Collection[Candidate]) -> list[Candidate]:
        """Who is to be paused now: whose time is over; under pressure the least important idle one too."""
        may = [c for c in candidates if self._minutes(c.agent)]
        over = [c for c in may if c.idle >= self._minutes(c.agent) * 60]
        early = [c for c in may if c not in over and c.idle >= _IDLE_UNDER_PRESSURE]
        if early and pressure(self._proc) >= self._settings.pressure_percent:
            over.append(min(early, key=_by_worth))
        return sorted(over, key=_by_worth)

    def _minutes(self, agent: Registration) -> float:
        """After how long it is paused; 0: never."""
        if agent.name in self._settings.never or agent.program in self._settings.never:
            return 0.0
        return self._settings.idle_minutes if agent.idle_minutes is None else agent.idle_minutes

    def _pause(self, candidate: Candidate) -> bool:
        """Whether it is worth going on to the next."""
        agent = candidate.agent
        before = observe(candidate.tree, time.monotonic(), self._proc)

        def untouched() -> bool:
            found = tree(agent.pid, processes(self._proc), agent.group)
            return not self._stop.is_set() and quiet(before, observe(found, time.monotonic(), self._proc))

        try:
            freed = pause(self._registry, agent, go_on=untouched)
        except NotFoundError:
            return True
        except NexusError as error:
            if str(error) != self.problem:
                _log.warning("idle agents are not paused: %s", error)
            self.problem, self._not_before = str(error), time.monotonic() + _TRY_AGAIN_SECONDS
            return False
        self.problem = ""
        if freed.complete:
            _log.info(
                "paused agent %s (%d): %d MB in RAM, %d before",
                *(agent.name, agent.pid, freed.after.pss >> 20, freed.before.pss >> 20),
            )
            if agent.freeze and agent.group:
                self._freeze(agent)
        return True

    def _freeze(self, agent: Registration) -> None:
        """Hold it still, where all that it would wake for can be waited for."""
        with self._lock:
            if self._stop.is_set():
                return
            waking = self._waking_started()
            paused = self._registry.paused(agent)
            try:
                found = members(agent)
            except NotFoundError:
                return
            # Watched before it is held, so that nothing arrives unseen.
            if paused is None or not waking.add(agent.key, found):
                return
            groups = [held.group for held in self._frozen.values()]
            if self._guard.keep([*groups, agent.group]) and freezer.freeze(agent.group):
                self._frozen[agent.key] = agent
                self._registry.set_paused(agent, replace(paused, frozen=True), pages=None)
            else:
                waking.remove(agent.key)

    def _adopt(self, agent: Registration, frozen: bool) -> None:
        """A watcher that was killed had frozen it: let it go on, as nobody waits for its key press."""
        if frozen and agent.group and agent.key not in self._frozen:
            freezer.thaw(agent.group)

    def _waking_started(self) -> Waking:
        if self._waking is None:
            self._waking = Waking()
            thread = threading.Thread(target=self._wait_for_wakes, name="nexus-waking", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self._waking

    def _wait_for_wakes(self) -> None:
        waking = self._waking
        assert waking
        while not self._stop.is_set():
            for key in waking.wait(0.5):
                self._wake(key)
        waking.close()

    def _wake(self, key: str) -> None:
        with self._lock:
            agent = self._thaw(key)
        if agent:
            try:
                resume(self._registry, agent)
            except NexusError as error:
                _log.info("agent %s wakes without a prefetch: %s", agent.name, error)

    def _thaw(self, key: str) -> Registration | None:
        agent = self._frozen.pop(key, None)
        if agent:
            freezer.thaw(agent.group)
            if self._waking:
                self._waking.remove(key)
            self._guard.keep([held.group for held in self._frozen.values()])
        return agent


def pressure(proc: Path = Path("/proc")) -> float:
    """Percent of the last ten seconds in which somebody waited for memory; 0: the kernel does not say."""
    try:
        words = (proc / "pressure" / "memory").read_text().split()
    except OSError:
        return 0.0
    return next((float(word.removeprefix("avg10=")) for word in words if word.startswith("avg10=")), 0.0)


def _by_worth(candidate: Candidate) -> tuple[int, float]:
    return candidate.agent.importance, -candidate.idle
