"""SharedSpace: units of a realm that several hosts have, laid down on a shelf and taken from it.

Units lie under their names (nexus.agentmem.graph, keyed with the secret), the manifest of an agent's heads
under its own. A unit that comes is opened, decoded and named anew: what does not
have the name it was asked by is refused, so a shelf can withhold and give old manifests, but not lie about
content. Private units go out only where `conversations` says so. Invariant: what a rope or a manifest on the
shelf needs was laid down before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from nexus.agentmem.arrival import Arrival, ids_by_name, note_space
from nexus.agentmem.errors import CorruptUnitError, UnitNotFoundError
from nexus.agentmem.graph import ROPE, Namer, leaves, links, renamed, standing, walk
from nexus.agentmem.manifest import PRIVATE, SHARED, Manifest, default_space
from nexus.agentmem.placing import STAGE, DivergedError, Placer, compare
from nexus.agentmem.remote.seal import Seal
from nexus.agentmem.remote.secret import Secret
from nexus.agentmem.remote.shelf import LyingShelfError, Shelf
from nexus.agentmem.remote.units import UNITS, Body, Sending, ShelvedUnits, bottom_up
from nexus.agentmem.store import Inventory, Store
from nexus.core.errors import UnauthorizedError


class Pushed(NamedTuple):
    """What went out: units that were not there, units looked at, bytes sent; what became of each head."""

    units: int
    seen: int
    sent_bytes: int
    heads: dict[str, str]


class Pulled(NamedTuple):
    """What came in: units fetched, bytes received; what became of each head."""

    units: int
    received_bytes: int
    heads: dict[str, str]


class SharedSpace:
    """What the hosts with this secret share on this shelf."""

    def __init__(self, shelf: Shelf, secret: Secret, *, encrypt: bool = True) -> None:
        self.shelf = shelf
        self._secret = secret
        self._seal = Seal(secret, encrypt=encrypt)
        self._units = ShelvedUnits(shelf, self._seal, secret.names)
        self._entered = False

    def enter(self) -> None:
        """Make sure that the shelf's space was begun with this secret; begin it where there is none.

        Raises `UnauthorizedError` for another secret, `ShelfError`.
        """
        if self._entered:
            return
        key = b"s" + self._secret.space
        value = self.shelf.get([key]).get(key)
        if value is None:
            self.shelf.put({key: self._seal.close(key, b"nexus shared space")})
        else:
            try:
                self._seal.open(key, value)
            except LyingShelfError as error:
                raise UnauthorizedError(
                    f"the space {self._secret.space.hex()} on {self.shelf} was begun with another secret",
                    hint="copy the secret's file from the host that began it",
                ) from error
        self._entered = True

    def name_of(self, store: Store, unit: bytes) -> bytes:
        """What a unit of this store is called on the shelf; another host acquires it by this name."""
        namer = Namer(self._secret.names)
        namer.walk(store, [unit])
        return namer.names[unit]

    def push(self, store: Store, *, conversations: bool = False, replace: bool = False) -> Pushed:
        """Lay down what this agent has in the realm's shared space and the shelf lacks; with `conversations`
        its private units under heads, too.

        A head that is longer on the shelf is left there. Raises `DivergedError` after the units went out and
        before the heads did, unless `replace`; `ShelfError`.
        """
        self.enter()
        with standing(store) as had:
            return self._push(store, had, conversations=conversations, replace=replace)

    def _push(self, store: Store, had: Inventory, *, conversations: bool, replace: bool) -> Pushed:
        heads = {name: unit for name, unit in had.heads.items() if not name.startswith(STAGE)}
        namer = Namer(self._secret.names)
        sending = Sending(self._units)
        spaces: dict[bytes, set[str]] = {}
        for roots, private_too in ((list(heads.values()), conversations), (had.owned, False)):
            for node in walk(store, roots, set(), passing=had.owned):
                name = namer.add(node)
                if node.private and not private_too:
                    continue
                note_space(spaces, name, default_space(node.type), PRIVATE if node.private else SHARED)
                data = renamed(node.data, namer.names) if node.form == ROPE else bytes(node.data)
                sending.add(name, Body(node.type, node.form, data))
        sending.flush()
        named = {head: namer.names[unit] for head, unit in heads.items() if namer.names[unit] in spaces}
        local = {namer.names[unit]: unit for unit in heads.values()}
        fates = self._push_heads(store, namer, named, local, spaces, replace) if named else {}
        return Pushed(sending.units, sending.seen, sending.bytes, fates)

    def _push_heads(
        self,
        store: Store,
        namer: Namer,
        named: dict[str, bytes],
        local: dict[bytes, bytes],
        spaces: dict[bytes, set[str]],
        replace: bool,
    ) -> dict[str, str]:
        key = self._agent_key(store.agent.name)
        said = self._manifest(key) or Manifest(store.agent.name, "shared")
        fates: dict[str, str] = {}
        for head, name in named.items():
            theirs = said.heads.get(head)
            if theirs is None or theirs == name:
                fates[head] = "new" if theirs is None else "same"
                continue
            mine = (leaf._replace(id=namer.names[leaf.id]) for leaf in leaves(store, local[name]))
            fate = compare(self._units.leaves(theirs), mine)
            if fate == "diverged" and not replace:
                raise DivergedError(
                    f"{head!r} of agent {store.agent.name} has gone on differently here and on the shelf",
                    hint="pull it under another name (--as), or --replace",
                )
            fates[head] = "replaced" if fate == "diverged" else fate
        for head, fate in fates.items():
            if fate in ("new", "longer", "replaced"):
                said.heads[head] = named[head]
        said.importance = store.agent.importance
        said.spaces |= {name: sorted(where) for name, where in spaces.items() if where}
        if set(fates.values()) - {"same", "kept"}:
            self.shelf.put({key: self._seal.close(key, said.to_bytes())})
        return fates

    def _agent_key(self, agent: str) -> bytes:
        name = agent.encode()
        return b"a" + hashlib.blake2b(name, key=self._secret.agents, digest_size=32).digest()

    def _manifest(self, key: bytes) -> Manifest | None:
        value = self.shelf.get([key]).get(key)
        if value is None:
            return None
        try:
            return Manifest.from_bytes(self._seal.open(key, value), 0)
        except CorruptUnitError as error:
            raise LyingShelfError(f"a manifest on {self.shelf}: {error.message}") from error

    def agents(self) -> list[Manifest]:
        """Every agent that has heads on the shelf. Looks at every key there is."""
        self.enter()
        found = (self._manifest(key) for key in self.shelf.list() if key[:1] == b"a")
        return sorted((said for said in found if said is not None), key=lambda said: said.agent)

    def find(self, agent: str, only: Collection[str] = ()) -> Manifest:
        """What the shelf has of an agent. Raises `UnitNotFoundError` for what is not there."""
        self.enter()
        said = self._manifest(self._agent_key(agent))
        missing = set(only) - said.heads.keys() if said is not None else {"the agent"}
        if said is None or missing:
            raise UnitNotFoundError(
                f"{', '.join(sorted(missing))} of {agent} is not on {self.shelf}",
                hint="push it from its host: nexus agents share push --conversations",
            )
        return said

    def pull(
        self, store: Store, agent: str | None = None, *, only: Collection[str] = (), replace: bool = False
    ) -> Pulled:
        """Bring the heads of an agent on the shelf (this one's name unless given) into this store's agent.

        `only` names heads. Raises `UnitNotFoundError`, `DivergedError`, `AgentRunsError`, `LyingShelfError`;
        no head has changed then.
        """
        name = agent if agent is not None else store.agent.name
        said = self.find(name, only)
        heads = {head: unit for head, unit in said.heads.items() if not only or head in only}
        with Placer(store) as placer:
            arrival = Arrival(store, said.space_of)
            came = self._fetch(store, placer, arrival, heads.values())
            fates = placer.commit(
                {head: arrival.id(unit) for head, unit in heads.items()}, [], replace=replace
            )
        return Pulled(*came, fates)

    def pull_unit(self, store: Store, name: bytes) -> bytes:
        """Bring one unit into the realm's shared space, owned by this agent; its id here.

        Raises `UnitNotFoundError`, `LyingShelfError`, `ShelfError`.
        """
        self.enter()
        with Placer(store, alone=False) as placer:
            arrival = Arrival(store, lambda unit, kind: [SHARED])
            self._fetch(store, placer, arrival, [name], all_new=True)
            unit = arrival.id(name)
            store.own(unit)
        return unit

    def _fetch(
        self,
        store: Store,
        placer: Placer,
        arrival: Arrival,
        roots: Iterable[bytes],
        *,
        all_new: bool = False,
    ) -> tuple[int, int]:
        """Everything below the roots that is not here: ropes first, to know what they need, then the rest;
        each is put in after what it needs."""
        here = {} if all_new else ids_by_name(store, self._secret.names)
        ropes: dict[bytes, Body] = {}
        plain: dict[bytes, int] = {}  # with their bytes
        received = 0
        todo = list(dict.fromkeys(roots))
        while todo:
            batch, todo = todo[:UNITS], todo[UNITS:]
            missing: dict[bytes, int] = {}
            for name in batch:
                if name not in ropes and not (name in here and arrival.is_here(name, here[name])):
                    missing[name] = 0
            for name, body, size in self._units.read(missing):
                if body.form != ROPE:
                    plain[name] = len(body.data)
                    continue
                received += size
                ropes[name] = body
                for piece in links(body.data):
                    if piece.form == ROPE:
                        todo.append(piece.id)
                    elif piece.id not in here or not arrival.is_here(piece.id, here[piece.id]):
                        plain[piece.id] = piece.length
        for name, body, size in self._units.read(plain):
            received += size
            arrival.place(placer, name, body.type, body.form, body.data)
        for name in bottom_up(ropes):
            arrival.place(placer, name, ropes[name].type, ROPE, ropes[name].data)
        return len(ropes) + len(plain), received
