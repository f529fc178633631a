"""Agent: how the broker sees one agent, and what can be asked of it.

Holds a name and a client, no state: every look is a question to the broker. Knows nothing of processes
beyond what the broker reports.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nexus.agentmem.errors import UnitNotFoundError

if TYPE_CHECKING:
    from nexus._agentmem import Client

_ACTIVE, _IDLE, _PAUSED = 1, 2, 3


class Agent:
    """One agent of this realm; `Store.agent` is the store's own."""

    def __init__(self, client: Client, realm: str, name: str, *, own: bool) -> None:
        self._client = client
        self._asked = None if own else name
        self.realm = realm
        self.name = name

    def __repr__(self) -> str:
        return f"<Agent {self.name} of {self.realm}>"

    def figures(self) -> dict[str, Any]:
        """Everything the broker counts of this agent. Raises `UnitNotFoundError` when it is not there."""
        for entry in json.loads(self._client.agents()):
            if entry["name"] == self.name and entry["realm"] == self.realm:
                return dict(entry)
        raise UnitNotFoundError(
            f"there is no agent {self.name} in the realm {self.realm}",
            hint="Store.agents() lists all; one that is not durable ends with its process",
        )

    @property
    def state(self) -> str:
        """ "active", "idle" or "paused"."""
        return str(self.figures()["state"])

    @property
    def importance(self) -> int:
        """0 to 100; what is important stays in memory longer."""
        return int(self.figures()["importance"])

    @importance.setter
    def importance(self, value: int) -> None:
        self._client.agent_importance(self._asked, value)

    def pause(self) -> None:
        """What only this agent uses leaves the hot tier; what it holds references to stays."""
        self._client.agent_state(self._asked, _PAUSED)

    def idle(self) -> None:
        """It is waiting for somebody: its units go before those of active agents."""
        self._client.agent_state(self._asked, _IDLE)

    def resume(self) -> None:
        """It is about to work: its units are restored in the background."""
        self._client.agent_state(self._asked, _ACTIVE)

    def forget(self) -> None:
        """Disown everything of it and remove its heads; what nobody else needs is freed."""
        self._client.agent_forget(self._asked)
