"""An agent out of one broker as a pack, and into another: all that it has, with the names of its heads.

The pack (docs/formats/agentmem-pack.md) is written and read here, in the user's process: a broker parses no
stranger's file, and an export is a stream of any length. Ids belong to their realm; in a pack they are the
pack's own, and what arrives is hashed anew. Invariant: an import that fails changes no head, and what it
stored goes with it.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from nexus.agentmem.arrival import Arrival, ids_by_name, note_space
from nexus.agentmem.errors import CorruptUnitError, InvalidUnitError, UnitNotFoundError
from nexus.agentmem.graph import RAW, ROPE, Namer, links, renamed, standing, walk
from nexus.agentmem.known import Known
from nexus.agentmem.manifest import LARGEST, PRIVATE, SHARED, Manifest, default_space, no_pack
from nexus.agentmem.native import native
from nexus.agentmem.placing import STAGE, Placer
from nexus.agentmem.unit_type import UnitType

if TYPE_CHECKING:
    from nexus._agentmem import PackReader, PackWriter
    from nexus.agentmem.store import Inventory, Store


class Exported(NamedTuple):
    """What went out: units with their bytes, units that the other side has, bytes of content."""

    agents: int
    units: int
    known: int
    content_bytes: int


class Imported(NamedTuple):
    """What came in. `heads` says what became of each: new, longer, same, kept, replaced."""

    agent: str
    units: int
    existed: int
    new_bytes: int
    heads: dict[str, str]


def export_agents(stores: Sequence[Store], to: Path | int, *, known: Known | None = None) -> Exported:
    """Write what the agents of these stores have to a file (appears when it is whole) or a descriptor.

    Raises what `Store.acquire` raises, and `DiskError`.
    """
    if isinstance(to, int):
        return _write(stores, to, known)
    with tempfile.NamedTemporaryFile(dir=to.parent, prefix=f".{to.name}-", delete=False) as file:
        part = Path(file.name)  # mode 0600
        try:
            done = _write(stores, file.fileno(), known)
            os.fsync(file.fileno())
            os.replace(part, to)
        except BaseException:
            part.unlink()
            raise
        return done


def _write(stores: Sequence[Store], fd: int, known: Known | None) -> Exported:
    writer: PackWriter = native().PackWriter(fd)
    packed: dict[bytes, bytes] = {}  # ids here to ids of the pack
    counts = [0, 0, 0]
    for store in stores:
        with standing(store) as had:
            manifest = _write_agent(writer, store, had, packed, counts, known)
        writer.add(UnitType.CONVERSATION, RAW, True, manifest.to_bytes())
    writer.finish()
    return Exported(len(stores), *counts)


def _write_agent(
    writer: PackWriter,
    store: Store,
    had: Inventory,
    packed: dict[bytes, bytes],
    counts: list[int],
    known: Known | None,
) -> Manifest:
    """Write the units of one agent; what is to be said of it."""
    heads = {name: unit for name, unit in had.heads.items() if not name.startswith(STAGE)}
    had = had._replace(heads=heads)
    namer = Namer(known.key) if known is not None else None
    if namer is not None:
        namer.walk(store, [*heads.values(), *had.owned], set(had.owned))
    private: set[bytes] = set()
    spaces = _write_units(writer, store, had, packed, counts, namer, known, private)
    owned: dict[bytes, set[str]] = {}
    for unit in had.owned:
        if unit in packed:
            owned.setdefault(packed[unit], set()).add(PRIVATE if unit in private else SHARED)
    said = store.agent.figures()
    return Manifest(
        agent=store.agent.name,
        realm=store.realm,
        importance=said["importance"],
        heads={name: packed[unit] for name, unit in heads.items()},
        owned={unit: sorted(where) for unit, where in owned.items()},
        spaces=spaces,
        names=known.key if known is not None else None,
    )


def _write_units(
    writer: PackWriter,
    store: Store,
    had: Inventory,
    packed: dict[bytes, bytes],
    counts: list[int],
    namer: Namer | None,
    known: Known | None,
    private: set[bytes],
) -> dict[bytes, list[str]]:
    """Write what is not in the pack yet, and note what is private; which units are not in the space of their
    type."""

    def is_known(unit: bytes) -> bool:
        return namer is not None and known is not None and namer.names.get(unit) in known.names

    found: dict[bytes, set[str]] = {}
    for node in walk(store, [*had.heads.values(), *had.owned], set(), is_known, set(had.owned)):
        unit = packed.get(node.id)
        if unit is None and is_known(node.id) and namer is not None:
            unit = writer.add_known(node.type, node.form, namer.names[node.id], len(node.data))
            counts[1] += 1
        elif unit is None:
            data = renamed(node.data, packed) if node.form == ROPE else node.data
            unit = writer.add(node.type, node.form, False, data)
            counts[0] += 1
            counts[2] += len(data)
        packed[node.id] = unit
        if node.private:
            private.add(node.id)
        note_space(found, unit, default_space(node.type), PRIVATE if node.private else SHARED)
    return {unit: sorted(spaces) for unit, spaces in found.items() if spaces}


def names_of(store: Store, key: bytes) -> Known:
    """What this agent has, by names under the key: what a pack for it may leave out.

    A rope stands for all below it, so pieces of a conversation are named only where they lie under its head
    by themselves; what is of a type that others have too (prompts, tools, results) is named everywhere.
    """
    namer = Namer(key)
    with standing(store) as had:
        roots = {*had.heads.values(), *had.owned}
        listed, alone = set(), set(roots)
        for node in walk(store, roots, set(), passing=set(had.owned)):
            name = namer.add(node)
            if node.form == ROPE or node.type != UnitType.CONVERSATION:
                listed.add(name)
            if node.form == ROPE and node.id in roots:
                alone.update(piece.id for piece in links(node.data))
    return Known(key, listed | {namer.names[unit] for unit in alone if unit in namer.names})


class _Entry(NamedTuple):
    type: int
    form: int
    known: bool
    raw_bytes: int
    at: int
    stored_bytes: int


class Pack:
    """A pack that was checked as a whole. A context manager."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._reader: PackReader = native().PackReader(memory)
        self._entries: dict[bytes, _Entry] = {}
        self.agents: list[Manifest] = []
        for unit, kind, form, root, known, raw_bytes, at, stored_bytes in self._reader:
            entry = _Entry(kind, form, known, raw_bytes, at, stored_bytes)
            self._entries[unit] = entry
            if root:
                self.agents.append(self._manifest(entry))
        if not self.agents:
            raise no_pack("it has no manifest")

    @classmethod
    def open(cls, source: Path | BinaryIO) -> Pack:
        """Read it into an unlinked file of our own first: what was checked cannot change afterwards.

        Raises `CorruptUnitError` naming the byte where it is wrong; what reading a file raises.
        """
        with tempfile.TemporaryFile() as own:
            if isinstance(source, Path):
                with source.open("rb") as file:
                    shutil.copyfileobj(file, own, 1 << 20)
            else:
                shutil.copyfileobj(source, own, 1 << 20)
            own.flush()
            if own.tell() == 0:
                raise CorruptUnitError("not a whole pack: at byte 0 it ends")
            return cls(mmap.mmap(own.fileno(), 0, access=mmap.ACCESS_READ))

    def _manifest(self, entry: _Entry) -> Manifest:
        if entry.form == ROPE or entry.known or entry.raw_bytes > LARGEST:
            raise no_pack(f"the root at byte {entry.at} is no manifest")
        return Manifest.from_bytes(self._reader.decode(entry.at, entry.stored_bytes), entry.at)

    def agent(self, name: str | None) -> Manifest:
        """The agent of this name; None: the only one."""
        found = [said for said in self.agents if name is None or said.agent == name]
        if len(found) == 1:
            return found[0]
        there = ", ".join(said.agent for said in self.agents)
        raise UnitNotFoundError(
            f"the pack has {len(found)} agents called {name or 'anything'}",
            hint=f"name one of these: {there}",
        )

    def import_into(self, store: Store, agent: str | None = None, *, replace: bool = False) -> Imported:
        """Put one agent of the pack into the agent of this store. See `Store.import_`."""
        said = self.agent(agent)
        wanted, known = self._needed(said)
        here = ids_by_name(store, said.names) if known and said.names is not None else {}
        arrival = Arrival(store, said.space_of)
        for unit in known:
            if unit not in here:
                raise UnitNotFoundError(
                    f"the pack leaves out the unit at byte {self._entries[unit].at}, which is not here",
                    hint="export again without --known, or with a new list of ids",
                )
            arrival.is_here(unit, here[unit])
        with Placer(store) as placer:
            for unit, entry in self._entries.items():
                if unit in wanted and not entry.known:
                    self._place(arrival, placer, unit, entry)
            fates = placer.commit(
                {name: arrival.id(unit) for name, unit in said.heads.items()},
                [arrival.id(unit, wish=space) for unit, spaces in said.owned.items() for space in spaces],
                replace=replace,
            )
            return Imported(store.agent.name, placer.units, placer.existed, placer.bytes, fates)

    def _place(self, arrival: Arrival, placer: Placer, unit: bytes, entry: _Entry) -> None:
        data = self._reader.decode(entry.at, entry.stored_bytes)
        try:
            arrival.place(placer, unit, entry.type, entry.form, data)
        except (InvalidUnitError, CorruptUnitError) as error:
            raise no_pack(f"the unit at byte {entry.at}: {error.message}") from error

    def _needed(self, said: Manifest) -> tuple[set[bytes], list[bytes]]:
        """All entries below an agent's heads and units, and those of them that have no bytes."""
        wanted: set[bytes] = set()
        known: list[bytes] = []
        todo = [*said.heads.values(), *said.owned.keys()]
        while todo:
            unit = todo.pop()
            if unit in wanted:
                continue
            entry = self._entries.get(unit)
            if entry is None:
                raise no_pack(f"the manifest names {unit.hex()}, no entry is it")
            wanted.add(unit)
            if entry.known:
                known.append(unit)
            elif entry.form == ROPE:
                todo += [piece.id for piece in links(self._reader.decode(entry.at, entry.stored_bytes))]
        return wanted, known

    def close(self) -> None:
        """Give the memory back."""
        del self._reader
        self._memory.close()

    def __enter__(self) -> Pack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
