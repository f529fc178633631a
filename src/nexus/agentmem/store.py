"""Store: one agent's connection to the units of one realm.

A thin face of nexus._agentmem (which is libagentmem): it adds names and types, no state. Any thread may use
it; what takes long gives up the GIL. After a fork the child connects again. Invariant: nothing here copies
content.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nexus.agentmem.agent import Agent
from nexus.agentmem.conversation import Conversation
from nexus.agentmem.native import native
from nexus.agentmem.socket_path import DEVICE, find_socket
from nexus.agentmem.unit_type import UnitType

if TYPE_CHECKING:
    from typing import BinaryIO

    from nexus._agentmem import Client
    from nexus.agentmem.buffer import Buffer
    from nexus.agentmem.known import Known
    from nexus.agentmem.transfer import Exported, Imported
    from nexus.agentmem.unit import Unit

_PRIVATE, _SHARED = 1, 2  # flags of am_publish


class Source(Protocol):
    """Where a store looks for what it does not have."""

    def acquire(self, store: Store, here: Callable[[bytes], Unit], unit: bytes) -> Unit:
        """What `here` gives, or what was found elsewhere. Raises `UnitNotFoundError`."""


class Inventory(NamedTuple):
    """What an agent has: heads by name, and units owned by themselves."""

    heads: dict[str, bytes]
    owned: list[bytes]


class Store:
    """Content by its id, for one agent of one realm. A context manager; see `connect`."""

    __slots__ = ("_client", "acquire", "agent", "realm", "socket")

    acquire: Callable[[bytes], Unit]
    """A reference to a known unit, by its 32 bytes of id. A hot unit costs no system call; a warm or cold one
    is restored first. Raises `UnitNotFoundError`, `AccessError`, `QuotaError` (too many references),
    `CorruptUnitError`.
    """

    def __init__(self, client: Client, socket: Path, realm: str, agent: str) -> None:
        self._client = client
        self.acquire = client.acquire
        self.socket = socket
        self.realm = realm
        self.agent = Agent(client, realm, agent, own=True)

    @classmethod
    def connect(
        cls,
        socket: Path | str | None = None,
        *,
        realm: str = "default",
        agent: str | None = None,
        importance: int = 50,
        durable: bool = False,
        pid: int = 0,
        timeout: float = 30.0,
    ) -> Store:
        """Attach to the broker at `socket` (where `find_socket` looks unless given), or to the kernel module
        where it is /dev/agentmem: then ropes, heads, conversations, sharing and durable agents
        raise `UnsupportedError`.

        `realm` is a domain of trust, by custom the project's folder. `agent` is this agent's name (the
        process's otherwise). What a `durable` agent owns outlives the connection and the machine's power.
        `pid` names another process of this user whose end ends the agent. `timeout` is for each answer, in
        seconds. Raises `BrokerGoneError` when none answers, `MissingPartError` when the compiled part is
        missing.
        """
        place = Path(socket) if socket is not None else find_socket(device=None if durable else DEVICE)
        name = agent if agent is not None else f"python-{os.getpid()}"
        client: Client = native().Client(
            socket=os.fspath(place),
            realm=realm,
            agent=name,
            importance=importance,
            durable=durable,
            pid=pid,
            timeout_ms=max(1, round(timeout * 1000)),
        )
        return cls(client, place, realm, name)

    def publish(self, type: UnitType, data: Buffer, *, private: bool | None = None) -> Unit:  # noqa: A002
        """Store bytes, or find them stored; this agent owns them then. Text is to be encoded by the caller.

        `private` says in which space: this agent's own (True) or the realm's (False); None: the realm's, but
        for CONVERSATION. Raises `QuotaError`, `BrokerMemoryError`, `SizeError`, `TypeMismatchError`.
        """
        return self._client.publish(type, data, 0 if private is None else _PRIVATE if private else _SHARED)

    def identify(self, type: UnitType, data: Buffer, *, private: bool | None = None) -> bytes:  # noqa: A002
        """The id that these bytes have here, stored or not."""
        space = type == UnitType.CONVERSATION if private is None else private
        return self._client.identify(type, data, space)

    def own(self, id: bytes) -> None:  # noqa: A002
        """Keep a unit after its references have gone."""
        self._client.own(id)

    def disown(self, id: bytes) -> None:  # noqa: A002
        """Keep it no longer: what nobody owns, refers to or needs is freed."""
        self._client.disown(id)

    def mark(self, id: bytes, importance: int) -> None:  # noqa: A002
        """0 to 100: what is important stays in memory longer."""
        self._client.mark(id, importance)

    def share(self, id: bytes, agent: str | None = None) -> bytes:  # noqa: A002
        """Give a private unit to the realm, or to one agent; its id there."""
        return self._client.share(id, agent)

    def heat(self, ids: Sequence[bytes]) -> None:
        """These will be asked for soon: restore them in the background."""
        self._client.heat(ids)

    def head(self, name: str) -> bytes:
        """The id a head points at. Raises `UnitNotFoundError`."""
        return self._client.head_get(name)

    def set_head(self, name: str, id: bytes | None) -> None:  # noqa: A002
        """Point a name of this agent at a unit and keep that; None removes the name."""
        self._client.head_set(name, id)

    def conversation(self, name: str) -> Conversation:
        """The conversation of this name; an empty one when there is none yet."""
        return Conversation(self._client, name)

    def inventory(self) -> Inventory:
        """What this agent has: its heads, and the units that it owns by itself."""
        said = json.loads(self._client.inventory())
        heads = {name: bytes.fromhex(unit) for name, unit in said["heads"].items()}
        return Inventory(heads, [bytes.fromhex(unit) for unit in said["owned"]])

    def attach_shelf(self, shelf: Source | None) -> None:
        """From now on, `acquire` of an id that is not here asks the shelf (nexus.agentmem.remote.attached);
        None: no longer."""
        asks = self._client.acquire
        self.acquire = asks if shelf is None else lambda unit: shelf.acquire(self, asks, unit)

    @property
    def client(self) -> Client:
        """The compiled client, for what moves units (nexus.agentmem.placing)."""
        return self._client

    def name_here(self, type: int, form: int, data: Buffer, private: bool) -> bytes:  # noqa: A002
        """The id of a unit or a rope (form 1, 2) in the agent's space or the realm's; see `identify`."""
        return self._client.name(type, form, data, private)

    def export(self, to: Path | int, *, known: Known | None = None) -> Exported:
        """Write all that this agent has as one pack, to a file or a descriptor (docs/guides/agents.md)."""
        from nexus.agentmem.transfer import export_agents

        return export_agents([self], to, known=known)

    def import_(
        self, source: Path | BinaryIO, *, agent: str | None = None, replace: bool = False
    ) -> Imported:
        """Take the agent of a pack over into this one; `agent` names it where the pack has several.

        Raises `CorruptUnitError` with the byte of the pack, `DivergedError`, `AgentRunsError`; nothing has
        changed then.
        """
        from nexus.agentmem.transfer import Pack

        with Pack.open(source) as pack:
            return pack.import_into(self, agent, replace=replace)

    def stats(self) -> dict[str, Any]:
        """Everything the broker counts (docs/formats/agentmem-stats.md)."""
        return dict(json.loads(self._client.stats()))

    def agents(self) -> list[dict[str, Any]]:
        """Every agent of this broker, of all realms."""
        return list(json.loads(self._client.agents()))

    def agent_named(self, name: str) -> Agent:
        """Another agent of this realm."""
        return Agent(self._client, self.realm, name, own=False)

    def reconnect(self) -> None:
        """After `BrokerGoneError`: attach to the broker that is there now. Held units stay readable."""
        self._client.reconnect()

    def close(self) -> None:
        """Give everything back. Units without views are released; the connection ends with the last view."""
        self._client.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store of {self.agent.name} in {self.realm} at {self.socket}>"
