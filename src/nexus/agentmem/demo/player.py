"""One process of the demo that plays several agents.

    python -m nexus.agentmem.demo.player SOCKET TEXTS REALM

Takes orders as lines of JSON on stdin, answers on stdout, and ends with stdin, so that nothing outlives
the demo. player.js takes the same orders in Node. Invariant: what it says is equal was compared byte by
byte with the file of texts.

    {"do": "play", "scripts": [FILE...]}  -> {"shared": [[id, type, offset, length]...]}
    {"do": "check", "others": [[id, type, offset, length]...]}
        -> {"units": N, "bytes": N, "different": N, "wrong": [TEXT...]}
    {"do": "rest"}  -> {}, some request of each
    {"do": "pause"}, {"do": "resume"}  -> {}, or {"others": [AGENT...]}: who is to be paused for them

Every answer has "done"; {"progress": BYTES} may come before, {"error": TEXT} instead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nexus.agentmem.conversation import Conversation
from nexus.agentmem.demo.texts import Block, Place, Script, Texts, load
from nexus.agentmem.store import Store
from nexus.agentmem.unit import Unit
from nexus.agentmem.unit_type import UnitType
from nexus.core.errors import NexusError

_ROUND = 8  # blocks that an agent plays before the next one has its turn
_MOST_WRONG = 20  # told of; all are counted


class PlayedAgent:
    """One agent: its store, its script, and what it refers to while it works."""

    def __init__(self, socket: Path, realm: str, script: Script) -> None:
        self.script = script
        self.store = Store.connect(socket, realm=realm, agent=script.agent, timeout=120)
        self.talk: Conversation = self.store.conversation("talk")
        self.held: list[Unit] = []
        self.shared: list[tuple[bytes, Block]] = []

    def play(self, block: Block, data: bytes) -> None:
        """Store one thing, as an agent does that reads, says or is told something."""
        if block.talk:
            self.talk.append(block.type, data, block.starts)
            if block.type != UnitType.CONVERSATION:
                self.shared.append((self.store.identify(block.type, data), block))
            return
        unit = self.store.publish(block.type, data)
        self.held.append(unit)
        self.shared.append((unit.id, block))


class Company:
    """All agents of this process, and what was found wrong."""

    def __init__(self, socket: Path, texts: Texts, realm: str) -> None:
        self._socket, self._texts, self._realm = socket, texts, realm
        self.agents: list[PlayedAgent] = []
        self._clear()

    def _clear(self) -> None:
        self.units = self.bytes = self.different = 0
        self.wrong: list[str] = []

    def play(self, scripts: Sequence[Script]) -> dict[str, Any]:
        """All scripts at once, a few blocks of each in turn. What of it others may read."""
        self.agents += [PlayedAgent(self._socket, self._realm, script) for script in scripts]
        for first in range(0, max((len(script.blocks) for script in scripts), default=0), _ROUND):
            done = 0
            for agent in self.agents:
                for block in agent.script.blocks[first : first + _ROUND]:
                    agent.play(block, self._texts.read(block.place))
                    done += block.place.length
            say({"progress": done})
        places = {identity: block for agent in self.agents for identity, block in agent.shared}
        shared = [[key.hex(), int(b.type), b.place.offset, b.place.length] for key, b in places.items()]
        return {"shared": shared}

    def check(self, others: Sequence[tuple[str, int, int, int]]) -> dict[str, Any]:
        """Read what these agents said, and what others have shared, and compare."""
        self._clear()
        for agent in self.agents:
            said = [block for block in agent.script.blocks if block.talk]
            pieces = list(agent.talk.pieces())
            if [(p.type, p.length, p.starts) for p in pieces] != [
                (b.type, b.place.length, b.starts) for b in said
            ]:
                self._differs(f"{agent.script.agent}: {len(pieces)} pieces instead of these {len(said)}")
            before = self.bytes
            for piece, block in zip(pieces, said, strict=False):
                self._compare(agent.store, piece.id, block.place, agent.script.agent)
            say({"progress": self.bytes - before})
        for key, _, offset, length in others:
            self._compare(self.agents[0].store, bytes.fromhex(key), Place(offset, length), "shared")
        return {
            "units": self.units, "bytes": self.bytes, "different": self.different, "wrong": self.wrong,
        }  # fmt: skip

    def _compare(self, store: Store, identity: bytes, place: Place, whose: str) -> None:
        expected = self._texts.read(place)
        with store.acquire(identity) as unit, memoryview(unit) as found:
            self.units += 1
            self.bytes += len(found)
            if found != expected:
                self._differs(f"{whose}: unit {identity.hex()[:16]} of {place.length} bytes has others")

    def _differs(self, what: str) -> None:
        self.different += 1
        if len(self.wrong) < _MOST_WRONG:
            self.wrong.append(what)

    def pause(self) -> dict[str, Any]:
        """Nobody speaks to them for a while: no references are held."""
        for agent in self.agents:
            for unit in agent.held:
                unit.release()
            agent.held.clear()
            agent.store.agent.pause()
        return {}

    def resume(self) -> dict[str, Any]:
        """They are about to work."""
        for agent in self.agents:
            agent.store.agent.resume()
        return {}


def say(answer: dict[str, Any]) -> None:
    """One line to the demo."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Orders until there are no more."""
    socket, texts, realm = Path(sys.argv[1]), Texts(Path(sys.argv[2])), sys.argv[3]
    company = Company(socket, texts, realm)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            match order["do"]:
                case "play":
                    answer = company.play([load(Path(name)) for name in order["scripts"]])
                case "check":
                    answer = company.check([tuple(row) for row in order["others"]])
                case "pause":
                    answer = company.pause()
                case "resume":
                    answer = company.resume()
                case "rest":
                    answer = {}
                case other:
                    answer = {"error": f"no such order: {other}"}
        except (NexusError, OSError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        say({"done": order["do"]} | answer)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        # The demo has ended; what is left to be written has no reader.
        os._exit(1)
