"""What `nexus agents` shows: one row for each agent, and their sum.

Knows nothing of tables. Invariant: what cannot be known is None, never a guess; the one estimate (what
swapped memory takes in RAM) is named so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from nexus.agentmem.activity import Activity, observe, quiet
from nexus.agentmem.footprint import Compression, Footprint, compression, footprint
from nexus.agentmem.process_tree import Process, processes, tree
from nexus.agentmem.registration import Registration
from nexus.agentmem.registry import Registry

State = Literal["active", "idle", "paused"]
# What somebody used within this time is active.
ACTIVE_SECONDS = 60.0
_SAMPLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Row:
    """One agent as it is now."""

    agent: Registration
    state: State
    frozen: bool
    processes: int
    footprint: Footprint
    compressed_estimate: int  # RAM that its swapped memory takes, in bytes
    age: float  # seconds
    idle: float | None  # seconds; None: nobody has watched it and it has no terminal

    def as_dict(self) -> dict[str, Any]:
        """For JSON; sizes in bytes, times in seconds."""
        agent = self.agent
        return {
            "name": agent.name,
            "pid": agent.pid,
            "program": agent.program,
            "folder": agent.folder,
            "state": self.state,
            "frozen": self.frozen,
            "processes": self.processes,
            **{f"{name}_bytes": count for name, count in asdict(self.footprint).items()},
            "compressed_estimate_bytes": self.compressed_estimate,
            "age_seconds": round(self.age, 1),
            "idle_seconds": None if self.idle is None else round(self.idle, 1),
            "importance": agent.importance,
            "merge": agent.merge,
            "freeze": agent.freeze,
            "idle_minutes": agent.idle_minutes,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """All agents of a NEXUS_HOME, and whether somebody watches over them."""

    rows: Sequence[Row]
    watcher: int | None  # process id
    problem: str  # why the watcher can pause nobody
    compression: Compression

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        total = sum((row.footprint for row in self.rows), Footprint())
        states = [row.state for row in self.rows]
        return {
            "agents": [row.as_dict() for row in self.rows],
            "total": {
                **{name: states.count(name) for name in ("active", "idle", "paused")},
                **{f"{name}_bytes": count for name, count in asdict(total).items()},
                "compressed_estimate_bytes": self.compression.in_ram(total.swapped),
            },
            "zswap": {
                "ratio": round(self.compression.ratio, 2),
                "share": round(self.compression.in_zswap, 3),
            },
            "watcher_pid": self.watcher,
            "problem": self.problem,
        }


def listing(registry: Registry, proc: Path = Path("/proc")) -> Listing:
    """Look at all agents. Takes a third of a second where no watcher has looked before."""
    agents = registry.agents()
    watch = registry.watch()
    trees, done = _looked(agents, proc)
    earlier: Mapping[str, Activity] = {}
    if agents and watch is None:
        time.sleep(_SAMPLE_SECONDS)
        earlier = done
        trees, done = _looked(agents, proc)
    zswap = compression(proc)
    rows = []
    for agent in agents:
        found = trees.get(agent.key)
        if not found:
            continue
        now = done[agent.key]
        paused = registry.paused(agent)
        still_paused = paused is not None and quiet(paused.activity, now)
        idle = _idle_seconds(agent, now, watch.idle if watch else {}, watch.at if watch else 0.0)
        if paused and still_paused:
            idle = max(idle or 0.0, now.at - paused.activity.at)
        state: State = "paused"
        if not still_paused:
            if idle is None:
                busy = agent.key in earlier and not quiet(earlier[agent.key], now)
            else:
                busy = idle < ACTIVE_SECONDS
            state = "active" if busy else "idle"
        used = footprint((process.pid for process in found), proc)
        rows.append(
            Row(
                agent,
                state,
                bool(paused and paused.frozen and still_paused),
                len(found),
                used,
                zswap.in_ram(used.swapped),
                max(0.0, time.time() - agent.at),
                idle,
            )
        )
    return Listing(rows, watch.pid if watch else None, watch.problem if watch else "", zswap)


def _looked(
    agents: Sequence[Registration], proc: Path
) -> tuple[dict[str, list[Process]], dict[str, Activity]]:
    everything, now = processes(proc), time.monotonic()
    trees = {agent.key: tree(agent.pid, everything, agent.group) for agent in agents}
    return trees, {key: observe(found, now, proc) for key, found in trees.items()}


def _idle_seconds(
    agent: Registration, now: Activity, watched: Mapping[str, float], watched_at: float
) -> float | None:
    """What a watcher has seen; without one, when the terminal was last used, as `w` has it."""
    if agent.key in watched:
        return watched[agent.key] + max(0.0, time.time() - watched_at)
    return max(0.0, time.time() - now.terminal) if now.terminal else None
