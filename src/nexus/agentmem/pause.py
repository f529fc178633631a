"""Pausing an agent that knows nothing of it, and waking it.

Pausing pages out what is private to its processes, twice: the first time the kernel leaves what it was just
moving. The agent is not stopped: when it is spoken to, the kernel gives each page back as it is touched.
Only an agent that was started with `--freeze` is also held still, by `AgentWatcher`, which stays to wake it.
Knows nothing of when to pause. Invariant: an agent loses nothing, whatever fails half-way.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import poll

from nexus.agentmem import freezer, pageout
from nexus.agentmem.activity import observe
from nexus.agentmem.footprint import Footprint, footprint
from nexus.agentmem.process_tree import Process, process_of, processes, tree
from nexus.agentmem.registration import Registration
from nexus.agentmem.registry import Paused, Registry
from nexus.core.errors import NotFoundError

_BETWEEN_SECONDS = 1.0
_GRACE_SECONDS = 5.0
_AFTER_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Freed:
    """What a pause has done."""

    before: Footprint
    after: Footprint
    seconds: float
    complete: bool  # False: given up half-way, because the agent was used or has ended


def members(agent: Registration, proc: Path = Path("/proc")) -> list[Process]:
    """The processes of an agent. Raises `NotFoundError` where it has ended."""
    found = tree(agent.pid, processes(proc), agent.group)
    if not found or found[0].start != agent.start:
        raise NotFoundError(
            f"agent {agent.name!r} (process {agent.pid}) has ended",
            hint="`nexus agents` lists those that run",
        )
    return found


def pause(
    registry: Registry,
    agent: Registration,
    *,
    go_on: Callable[[], bool] = lambda: True,
    between: float = _BETWEEN_SECONDS,
) -> Freed:
    """Page the agent out. `go_on` is asked before the second pass whether it still shall be.

    Raises `MissingPartError` where it cannot free anything here, `NotFoundError` where the agent has ended.
    """
    pageout.refuse_without_swap()
    began = time.monotonic()
    found = members(agent)
    before = footprint(process.pid for process in found)
    again = registry.paused(agent) is not None
    pages = pageout.page_out(found, record=not again)
    time.sleep(between)
    complete = go_on()
    if complete:
        # Looked for anew: a child may have begun meanwhile.
        found = members(agent)
        pageout.page_out(found, record=False)
        after = footprint(process.pid for process in found)
        done = observe(found, time.monotonic())
        registry.set_paused(
            agent, Paused(time.time(), done, before.pss, after.pss), pages=None if again else pages
        )
        complete = registry.lives(agent)
    else:
        after = footprint(process.pid for process in found)
    return Freed(before, after, time.monotonic() - began, complete)


def resume(registry: Registry, agent: Registration) -> None:
    """Let the agent go on, and ask for what of it was resident. Harmless where it is not paused.

    Raises `MissingPartError` where its pages cannot be asked for; it goes on all the same.
    """
    if agent.group:
        freezer.thaw(agent.group)
    pages = registry.pages(agent)
    registry.set_awake(agent)
    pageout.fetch(pages)


def kill(agent: Registration, *, grace: float = _GRACE_SECONDS) -> int:
    """End all processes of an agent: they are asked to, and made to after `grace` seconds. Returns how many.

    By pidfd, so a process id that is given away anew meanwhile hits nobody else. Raises `NotFoundError`;
    `PermissionError` where the agent is somebody else's.
    """
    found = members(agent)
    if agent.group:
        freezer.thaw(agent.group)
    handles = _handles(found)
    known = {process.pid for process in found}
    try:
        _send(handles, signal.SIGTERM)
        left = _wait(handles, grace)
        # The first process may be gone and its children not; they are known by what was found before.
        alive = processes()
        late = [p for p in tree(agent.pid, alive, agent.group) if p.pid not in known]
        late += [p for p in alive.values() if p.parent in known and p.pid not in known and p not in late]
        more = _handles(late)
        handles += more
        _send([*left, *more], signal.SIGKILL)
        _wait([*left, *more], _AFTER_KILL_SECONDS)
    finally:
        for handle in handles:
            os.close(handle)
    return len(handles)


def _handles(found: Sequence[Process]) -> list[int]:
    handles = []
    for process in found:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(process.pid)
            now = process_of(process.pid)
            if now and now.start == process.start:
                handles.append(handle)
            else:
                os.close(handle)
    return handles


def _send(handles: Sequence[int], number: signal.Signals) -> None:
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)


def _wait(handles: Sequence[int], seconds: float) -> list[int]:
    """Those that have not ended by then."""
    left, deadline = list(handles), time.monotonic() + seconds
    while left and (remaining := deadline - time.monotonic()) > 0:
        waiting = poll()
        for handle in left:
            waiting.register(handle)
        ended = {handle for handle, _ in waiting.poll(remaining * 1000)}
        left = [handle for handle in left if handle not in ended]
    return left
