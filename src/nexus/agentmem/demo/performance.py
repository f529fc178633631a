"""The demo itself: agents work, everything is read back, they pause, they resume, everything is read again.

Knows nothing of terminals. Invariants: what is said to be equal was compared with the file of texts by
another process than the one that wrote it where it is shared, and by its own agent where it is private;
sizes are sums over what agents hold, or the broker's own figures, never estimates.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nexus.agentmem.agent import Agent
from nexus.agentmem.demo.cast import Cast
from nexus.agentmem.demo.node import find_node
from nexus.agentmem.demo.texts import Place, Script, save
from nexus.agentmem.footprint import footprint
from nexus.agentmem.process_tree import processes, tree
from nexus.agentmem.store import Store
from nexus.agentmem.unit_type import UnitType

REALM = "demo"
_SETTLED = 1.5  # seconds without a change of what is hot: longer than the broker's own steps
_MOST_SETTLING = 30.0


@dataclass(frozen=True, slots=True)
class Kind:
    """All that the agents hold of one type; bytes."""

    type: str
    held: int  # pieces of all agents, each agent's counted
    logical: int
    shared: int  # of logical, what another agent has already
    stored: int  # by the broker while they work
    paused: int  # and while they pause

    @property
    def ratio(self) -> float:
        """Logical by stored while paused."""
        return self.logical / self.paused if self.paused else 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What is taken at one time; bytes, PSS of processes."""

    name: str
    tiers: dict[str, dict[str, int]]
    types: dict[str, dict[str, int]]
    broker: int
    agents: int

    @property
    def stored(self) -> int:
        """Of all tiers."""
        return sum(tier["stored_bytes"] for tier in self.tiers.values())


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    agents: int
    source: str
    players: dict[str, int]
    without_node: str  # why; "" when Node took part
    seconds: float = 0.0
    kinds: list[Kind] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    compared_units: int = 0
    compared_bytes: int = 0
    different: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def logical(self) -> int:
        """Bytes of all agents."""
        return sum(kind.logical for kind in self.kinds)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; sizes in bytes."""
        return {
            "agents": self.agents,
            "source": self.source,
            "players": self.players,
            "without_node": self.without_node,
            "seconds": round(self.seconds, 1),
            "logical_bytes": self.logical,
            "types": {
                kind.type: {
                    "units": kind.held,
                    "logical_bytes": kind.logical,
                    "shared_bytes": kind.shared,
                    "stored_bytes": kind.stored,
                    "stored_paused_bytes": kind.paused,
                    "ratio": round(kind.ratio, 2),
                }
                for kind in self.kinds
            },
            "moments": {
                moment.name: {
                    "stored_bytes": moment.stored,
                    "tiers": moment.tiers,
                    "broker_pss_bytes": moment.broker,
                    "agents_pss_bytes": moment.agents,
                }
                for moment in self.moments
            },
            "compared": {"units": self.compared_units, "bytes": self.compared_bytes},
            "different": self.different,
            "wrong": self.wrong,
        }


class Performance:
    """One run, phase by phase, in the order of the methods. A context manager: what it started, it ends."""

    def __init__(self, players: int, options: Sequence[str] = (), *, node: bool = True) -> None:
        found = find_node() if node else "it was not asked for"
        self._cast = Cast(options)
        self.folder = self._cast.folder
        self.socket = self._cast.socket
        self.texts = self.folder / "texts"
        self.without_node = found if isinstance(found, str) else ""
        self._node = None if isinstance(found, str) else found
        self._most = players
        self._watching: Store | None = None

    def enter(self, scripts: Iterable[Script]) -> None:
        """Take the scripts, which name places in `texts`, and start the players."""
        self.scripts = list(scripts)
        players = min(self._most, len(self.scripts))
        self._parts: list[list[str]] = [[] for _ in range(players)]
        for number in range(players):
            self._start_player(number)
        for number, script in enumerate(self.scripts):
            path = self.folder / f"script-{number}.json"
            save(script, path)
            self._parts[number % players].append(str(path))
        self._watching = Store.connect(self.socket, realm=REALM, agent="demo", timeout=120)

    def _start_player(self, number: int) -> None:
        """Every third one in Node, where that is there."""
        arguments = [str(self.socket), str(self.texts), REALM]
        if self._node is not None and number % 3 == 1:
            environment = {"NEXUS_AGENTMEM_ADDON": str(self._node.addon)}
            self._cast.add(f"Node player {number}", [*self._node.command, *arguments], environment)
        else:
            module = [sys.executable, "-m", "nexus.agentmem.demo.player"]
            self._cast.add(f"Python player {number}", [*module, *arguments])

    @property
    def players(self) -> dict[str, int]:
        """Processes by language."""
        names = [worker.name.partition(" ")[0] for worker in self._cast.players]
        return {name: names.count(name) for name in sorted(set(names))}

    def play(self, progress: Callable[[int], object] = lambda _: None) -> None:
        """All agents work until their scripts are done."""
        answers = self._cast.ask([{"do": "play", "scripts": part} for part in self._parts], progress)
        self._shared = [answer["shared"] for answer in answers]

    def check(self, outcome: Outcome, progress: Callable[[int], object] = lambda _: None) -> None:
        """Every player reads its own talks, and what the next player has written for all."""
        others = [*self._shared[1:], self._shared[0]]
        for answer in self._cast.ask([{"do": "check", "others": rows} for rows in others], progress):
            outcome.compared_units += answer["units"]
            outcome.compared_bytes += answer["bytes"]
            outcome.different += answer["different"]
            outcome.wrong += answer["wrong"]

    def pause(self) -> None:
        """All agents let go of what they refer to; returns when the broker has moved their units."""
        for agent in self._all("pause"):
            agent.pause()
        self.settle()
        self._cast.ask([{"do": "rest"}] * len(self._parts))

    def resume(self) -> None:
        """All agents are about to work again."""
        for agent in self._all("resume"):
            agent.resume()

    def _all(self, what: str) -> list[Agent]:
        """Those for whom it is to be done here."""
        assert self._watching
        answers = self._cast.ask([{"do": what}] * len(self._parts))
        return [self._watching.agent_named(name) for answer in answers for name in answer.get("others", ())]

    def settle(self) -> None:
        """Until the broker has moved what it wants to move."""
        assert self._watching
        until = time.monotonic() + _MOST_SETTLING
        last, since = -1, time.monotonic()
        while time.monotonic() < min(until, since + _SETTLED):
            figures = self._watching.stats()
            now = figures["store"]["segment_bytes"] + figures["store"]["warm_bytes"]
            if now != last or figures["server"]["jobs_pending"]:
                last, since = now, time.monotonic()
            time.sleep(0.1)

    def moment(self, name: str) -> Moment:
        """What is taken now."""
        assert self._watching
        figures = self._watching.stats()
        everything = processes()
        broker = footprint(process.pid for process in tree(self._cast.broker, everything))
        agents = footprint(worker.pid for worker in self._cast.players)
        return Moment(name, figures["tiers"], figures["types"], broker.pss, agents.pss)

    def close(self) -> None:
        """End everything that was started; nothing is left."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        self._cast.close()

    def __enter__(self) -> Performance:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def kinds(scripts: Sequence[Script], working: Moment, paused: Moment) -> list[Kind]:
    """By type: what all agents hold, what of it they have in common, and what is stored."""
    found = []
    for member in UnitType:
        held = logical = own = 0
        once: set[Place] = set()
        for script in scripts:
            mine: set[Place] = set()
            for block in script.blocks:
                if block.type == member:
                    held += 1
                    logical += block.place.length
                    mine.add(block.place)
            if member == UnitType.CONVERSATION:  # private: once for each agent
                own += sum(place.length for place in mine)
            else:
                once |= mine
        unique = own + sum(place.length for place in once)
        name = member.name.lower()
        if held:
            stored = (working.types[name]["stored_bytes"], paused.types[name]["stored_bytes"])
            found.append(Kind(name, held, logical, logical - unique, *stored))
    return found
