"""The agent that keeps units and conversations in AgentMem, and runs Python by HTTP."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from soak_agents import Action, Agent, RefusedError, World, good, units

from nexus.agentmem import Store, UnitType
from nexus.agentmem.errors import AgentMemError, UnitNotFoundError

# What it keeps at most; then it lets go of what is oldest.
UNITS, MESSAGES = 150, 60


class Keeper(Agent):
    """Keeps units and conversations in AgentMem, as a durable agent, and runs Python by HTTP."""

    def __init__(self, name: str, world: World, seed: int) -> None:
        super().__init__(name, world, seed)
        self._store: Store | None = None
        self._talk, self._digest, self._messages = "", hashlib.sha256(), 0

    def actions(self) -> dict[str, tuple[float, Action]]:
        return {
            "unit kept": (5, self._keep),
            "unit read": (3, self._read),
            "conversation": (4, self._say),
            "/api/sandbox/run": (2, self._run),
        }

    def close(self) -> None:
        if self._store:
            with suppress(AgentMemError):
                self._store.close()

    def attempt(self, kind: str, action: Action) -> None:
        def guarded() -> None:
            with units():
                try:
                    action()
                except AgentMemError:
                    self.close()
                    self._store = None
                    raise

        super().attempt(kind, guarded)

    @property
    def store(self) -> Store:
        if self._store is None:
            socket = self.world.service.root / "run" / "agentmem.sock"
            self._store = keeper_store(socket)
        return self._store

    def _keep(self) -> None:
        data = f"{self.words(20)} ".encode() * self.draw.randrange(1, 400)
        ledger = self.world.ledger
        # What one writes with is a reference: it goes, and the unit stays as this agent owns it.
        with self.store.publish(UnitType.TOOL_RESULT, data) as unit:
            key = unit.id.hex()
        ledger.keep("unit", key, digest(data))
        held = list(ledger.held("unit"))
        if len(held) > UNITS:
            may_be_gone = held[0] in ledger.recent("unit")
            ledger.leaving("unit", held[0])
            try:
                self.store.disown(bytes.fromhex(held[0]))
            except UnitNotFoundError:
                if not may_be_gone:
                    raise

    def _read(self) -> None:
        held = self.world.ledger.held("unit")
        if held:
            key = self.draw.choice(list(held))
            try:
                with self.store.acquire(bytes.fromhex(key)) as unit:
                    if digest(bytes(unit)) != held[key]:
                        raise ValueError(f"unit {key} is not what was kept")
            except UnitNotFoundError:
                if key not in self.world.ledger.recent("unit"):
                    raise

    def _say(self) -> None:
        ledger = self.world.ledger
        if not self._talk or self._messages >= MESSAGES:
            if self._talk:
                ledger.leaving("conversation", self._talk)
                self.store.set_head(self._talk, None)
            self._talk, self._digest, self._messages = f"talk {self.number}", hashlib.sha256(), 0
        data = self.words(30).encode()
        after = self._digest.copy()
        after.update(data)
        ledger.begin("conversation", self._talk, after.hexdigest())
        try:
            self.store.conversation(self._talk).append(UnitType.CONVERSATION, data)
        except AgentMemError:
            self._talk = ""  # whether it was appended nobody knows: both are right, and another begins
            raise
        self._digest, self._messages = after, self._messages + 1
        ledger.keep("conversation", self._talk, after.hexdigest())

    def _run(self) -> None:
        number = self.number
        reply = self.http.post("/api/sandbox/run", json={"code": f"print(7 * {number})"})
        if reply.status_code == 404 and "image" in reply.text:
            raise RefusedError("no image")
        said = good(reply, 200)
        if said["stdout"] != f"{7 * number}\n":
            raise ValueError(f"sandbox: {said}"[:300])


def keeper_store(socket: Path) -> Store:
    """A connection of the agent that keeps units."""
    return Store.connect(socket, realm="soak", agent="keeper", durable=True, timeout=30)


def digest(data: bytes) -> str:
    """Stands for the content."""
    return hashlib.sha256(data).hexdigest()
