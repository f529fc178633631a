"""The agents of one NEXUS_HOME that live, and what is noted about each beside its registration.

Beside `PID-START.json` lie, while an agent is paused, `PID-START.paused` (since when, and what it had done
by then) and `PID-START.pages` (what of it was resident, for nexus-pageout); `watch` says what a watcher saw
last. Knows nothing of how pausing is done. Invariant: files of agents that have ended are removed by whoever
looks next; an agent is known by process id, start of the process and start of the machine, so a process id
that was given away anew is nobody's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nexus.agentmem import registration
from nexus.agentmem.activity import Activity
from nexus.agentmem.registration import Registration, agents_folder
from nexus.core.errors import InvalidInputError, NotFoundError, StorageError
from nexus.core.paths import Home

_WATCH = "watch"


@dataclass(frozen=True, slots=True)
class Paused:
    """That an agent's memory was paged out, and what it had done by then."""

    at: float  # seconds since 1970
    activity: Activity
    resident_before: int  # bytes, summed PSS
    resident_after: int
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """What a watcher saw last."""

    pid: int
    start: int
    at: float  # seconds since 1970
    idle: Mapping[str, float]  # seconds by key
    problem: str = ""  # why it cannot pause anybody


class Registry:
    """Reads and writes the files. Several processes may at once."""

    def __init__(self, home: Home, proc: Path = Path("/proc")) -> None:
        self._home, self._proc = home, proc
        self._folder = agents_folder(home)
        self._boot = registration.boot_of(str(proc))

    def agents(self) -> list[Registration]:
        """The living, the longest running first. Removes what the dead have left."""
        found = []
        for path in self._files(".json"):
            agent = registration.read(path)
            if agent and self.lives(agent):
                found.append(agent)
            elif agent is None or _group_is_gone(agent.group):
                self._remove(path.stem)
        for path in self._files(".tmp"):  # NAME.PID.tmp: of a process that was killed while it wrote
            if not (self._proc / path.stem.rpartition(".")[2]).exists():
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda agent: (agent.at, agent.pid))

    def lives(self, agent: Registration) -> bool:
        """Whether the agent's first process is still that one."""
        started = registration.start_of(agent.pid, str(self._proc))
        return agent.boot == self._boot and started == agent.start

    def find(self, name: str) -> Registration:
        """The agent of this name or process id. Raises `NotFoundError`, `InvalidInputError`."""
        agents = self.agents()
        found = [agent for agent in agents if name == str(agent.pid)] or [a for a in agents if a.name == name]
        if not found:
            raise NotFoundError(f"no agent {name!r} runs", hint="`nexus agents` lists them")
        if len(found) > 1:
            pids = ", ".join(str(agent.pid) for agent in found)
            raise InvalidInputError(f"{len(found)} agents are called {name!r}", hint=f"name one of {pids}")
        return found[0]

    def change(self, agent: Registration) -> None:
        """Write other settings of the same agent. Raises `StorageError`."""
        registration.write(self._home, agent)

    def paused(self, agent: Registration) -> Paused | None:
        """What was noted when it was paused; None where it is not."""
        try:
            fields: dict[str, Any] = json.loads((self._folder / f"{agent.key}.paused").read_bytes())
            done = fields.pop("activity")
            processor = {int(pid): seconds for pid, seconds in done["processor"].items()}
            moved = {int(pid): count for pid, count in done["bytes"].items()}
            return Paused(activity=Activity(done["at"], processor, moved, done["terminal"]), **fields)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def set_paused(self, agent: Registration, paused: Paused, pages: bytes | None) -> None:
        """Note a pause; `pages` of None leaves those noted before. Raises `StorageError`."""
        if pages is not None:
            self._put(f"{agent.key}.pages", pages.decode("ascii"))
        self._put(f"{agent.key}.paused", json.dumps(asdict(paused)))

    def pages(self, agent: Registration) -> bytes:
        """What was resident of it, in nexus-pageout's lines."""
        with suppress(OSError):
            return (self._folder / f"{agent.key}.pages").read_bytes()
        return b""

    def set_awake(self, agent: Registration) -> None:
        """It is not paused any more."""
        for suffix in (".paused", ".pages"):
            (self._folder / (agent.key + suffix)).unlink(missing_ok=True)

    def watch(self) -> Watch | None:
        """What a watcher that still lives saw last; None where there is none."""
        try:
            watch = Watch(**json.loads((self._folder / _WATCH).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        return watch if registration.start_of(watch.pid, str(self._proc)) == watch.start else None

    def set_watch(self, idle: Mapping[str, float], problem: str = "") -> None:
        """Say, as the watcher, for how long each agent is idle, and what is wrong. Raises `StorageError`."""
        pid = os.getpid()
        watch = Watch(pid, registration.start_of(pid, str(self._proc)), time.time(), dict(idle), problem)
        self._put(_WATCH, json.dumps(asdict(watch)))

    def end_watch(self) -> None:
        """The watcher ends."""
        (self._folder / _WATCH).unlink(missing_ok=True)

    def _files(self, suffix: str) -> Sequence[Path]:
        try:
            return [path for path in self._folder.iterdir() if path.suffix == suffix]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError.from_os(error, self._folder) from error

    def _put(self, name: str, text: str) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            registration.put(self._folder / name, text)
        except OSError as error:
            raise StorageError.from_os(error, self._folder / name) from error

    def _remove(self, key: str) -> None:
        for suffix in (".json", ".paused", ".pages"):
            (self._folder / (key + suffix)).unlink(missing_ok=True)


def _group_is_gone(folder: str) -> bool:
    """Take a dead agent's control group away; False while somebody it started is still in it."""
    if folder:
        try:
            os.rmdir(folder)  # noqa: PTH106
        except FileNotFoundError:
            return True
        except OSError:
            return False
    return True
