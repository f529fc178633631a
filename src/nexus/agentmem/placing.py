"""Placer: puts units from elsewhere into a store, all or none.

What has come is kept by ropes of its own under one head until the agent's heads name it; then that head goes.
A process that is killed on the way leaves the head, and the next Placer of this agent takes it away with all
that only it kept. Knows no pack and no network: who calls it has decoded the bytes, and the broker hashes and
checks them. Invariant: before `commit` no head of the agent has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from itertools import zip_longest
from types import TracebackType
from typing import TYPE_CHECKING

from nexus.agentmem.errors import AgentMemError, UnitNotFoundError
from nexus.agentmem.graph import RAW, ROPE, Link, leaves, links, rope_bytes, summed
from nexus.agentmem.unit_type import UnitType

if TYPE_CHECKING:
    from nexus.agentmem.store import Store
    from nexus.agentmem.unit import Unit

STAGE = "nexus-arriving"
_PRIVATE, _SHARED = 1, 2
_UNITS, _BYTES = 256, 16 << 20  # referred to at a time


class DivergedError(AgentMemError):
    """A conversation has gone on differently here and there."""

    code = "agentmem_diverged"
    exit_status = 9
    http_status = 409


class AgentRunsError(AgentMemError):
    """The agent runs here, and would write to the same conversations."""

    code = "agentmem_runs"
    exit_status = 7
    http_status = 409


class Placer:
    """A context manager: what was placed and not committed when it ends is let go.

    `alone` asks that nobody else is attached as this agent, as who moves heads must; raises
    `AgentRunsError`.
    """

    def __init__(self, store: Store, *, alone: bool = True) -> None:
        self._store = store
        self._client = store.client
        self._head = STAGE if alone else f"{STAGE}-{os.urandom(6).hex()}"
        own = next((row for row in store.agents() if _is(row, store)), None)
        if alone and own is not None and own["connections"] > 1:
            raise AgentRunsError(
                f"agent {store.agent.name} runs here ({own['connections'] - 1} more connections)",
                hint="end it first, or give another name with --as",
            )
        had = store.inventory()
        self._owned = set(had.owned)
        self._held: list[tuple[Unit, Link]] = []
        self._bytes = 0
        self._stage: Link | None = None
        self.units = self.existed = self.bytes = 0
        for name in had.heads if alone else ():
            if name.startswith(STAGE):
                store.set_head(name, None)

    def place(self, type: int, form: int, data: bytes, *, private: bool) -> bytes:  # noqa: A002
        """Store one unit, or find it; its id here. A rope's pieces have ids of here.

        Raises what `Store.publish` raises; `InvalidUnitError` also for a rope that counts wrongly.
        """
        flags = _PRIVATE if private else _SHARED
        put = self._client.rope if form == ROPE else self._client.publish
        unit: Unit = put(type, data, flags)
        if unit.id not in self._owned:
            self._client.disown(unit.id)
        pieces = links(data) if form == ROPE else []
        link = summed(unit.id, type, pieces) if pieces else Link(unit.id, len(data), 0, 1, type, RAW, 0)
        self._held.append((unit, link))
        self._bytes += len(data)
        self.units += 1
        self.existed += unit.existed
        self.bytes += 0 if unit.existed else len(data)
        if len(self._held) >= _UNITS or self._bytes >= _BYTES:
            self._keep()
        return unit.id

    def _keep(self) -> None:
        """One rope over what is held and the rope before; the references can go then."""
        if not self._held:
            return
        below = [self._stage] if self._stage is not None else []
        below += [link for _, link in self._held]
        with self._client.rope(UnitType.CONVERSATION, rope_bytes(below), _PRIVATE) as rope:
            self._client.disown(rope.id)
            self._store.set_head(self._head, rope.id)
            self._stage = summed(rope.id, UnitType.CONVERSATION, below)
        self._let_go()

    def _let_go(self) -> None:
        for unit, _ in self._held:
            unit.release()
        self._held.clear()
        self._bytes = 0

    def commit(
        self, heads: Mapping[str, bytes], owned: Iterable[bytes], *, replace: bool = False
    ) -> dict[str, str]:
        """Point the agent's heads at what was placed. For each head what became of it: new, longer, same,
        kept (what is here has gone on further), replaced.

        Raises `DivergedError` before anything has changed, unless `replace`.
        """
        fates = {name: settle(self._store, name, unit, replace=replace) for name, unit in heads.items()}
        before = self._store.inventory()
        with ExitStack() as undo:
            for unit in set(owned) - set(before.owned):
                self._store.own(unit)
                undo.callback(self._store.disown, unit)
            for name, fate in fates.items():
                if fate in ("new", "longer", "replaced"):
                    self._store.set_head(name, heads[name])
                    undo.callback(self._store.set_head, name, before.heads.get(name))
            undo.pop_all()
        return fates

    def __enter__(self) -> Placer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()
        if self._stage is not None:
            # What went wrong first is what is told; a broker that is gone leaves the head to the next Placer.
            with suppress(AgentMemError) if error is not None else nullcontext():
                self._store.set_head(self._head, None)
            self._stage = None


def settle(store: Store, name: str, unit: bytes, *, replace: bool) -> str:
    """What pointing the head at this unit would mean: new, same, longer, kept, replaced.

    Raises `DivergedError`.
    """
    try:
        here = store.head(name)
    except UnitNotFoundError:
        return "new"
    if here == unit:
        return "same"
    fate = compare(leaves(store, here), leaves(store, unit))
    if fate != "diverged":
        return fate
    if replace:
        return "replaced"
    raise DivergedError(
        f"{name!r} of agent {store.agent.name} has gone on differently here and there",
        hint="--as NAME keeps both, --replace takes what comes",
    )


def compare(ours: Iterable[object], theirs: Iterable[object]) -> str:
    """Two conversations, leaf by leaf: same; longer (theirs goes on where ours ends); kept (ours does);
    diverged."""
    for own, other in zip_longest(ours, theirs):
        if own != other:
            return "longer" if own is None else "kept" if other is None else "diverged"
    return "same"


def _is(row: Mapping[str, object], store: Store) -> bool:
    return row["name"] == store.agent.name and row["realm"] == store.realm and bool(row["durable"])
