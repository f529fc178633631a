"""Arrival: units of one agent from elsewhere on their way in, by the names they came with.

Keeps which unit of elsewhere is which one here, and puts each into the space where it belongs. Knows no pack
and no network. Invariant: what was private elsewhere is private here, unless it was shared as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nexus.agentmem.errors import CorruptUnitError
from nexus.agentmem.graph import RAW, ROPE, Namer, links, renamed, standing
from nexus.agentmem.manifest import PRIVATE, SHARED

if TYPE_CHECKING:
    from nexus.agentmem.placing import Placer
    from nexus.agentmem.store import Store


class Arrival:
    """`spaces` says where a unit belongs, given its name and type."""

    def __init__(self, store: Store, spaces: Callable[[bytes, int], list[str]]) -> None:
        self._store = store
        self._spaces = spaces
        self._ids: dict[tuple[bytes, str], bytes] = {}

    def is_here(self, name: bytes, ids: list[bytes]) -> bool:
        """These are the unit's ids here. False: it has to come all the same, as it is shared and here only
        private."""
        wanted: list[str] = []
        for unit in ids:
            with self._store.acquire(unit) as held:
                form = ROPE if held.form == "rope" else RAW
                shared = self._store.name_here(int(held.type), form, held, False) == unit
                wanted = self._spaces(name, int(held.type))
            self._ids[name, SHARED if shared else PRIVATE] = unit
        return SHARED not in wanted or (name, SHARED) in self._ids

    def place(self, placer: Placer, name: bytes, type: int, form: int, data: bytes) -> None:  # noqa: A002
        """Put it in; the pieces of a rope have come before. Raises what `Placer.place` raises."""
        for space in self._spaces(name, type):
            content = data
            if form == ROPE:
                only = SHARED if space == SHARED else None
                content = renamed(data, {piece.id: self.id(piece.id, only) for piece in links(data)})
            self._ids[name, space] = placer.place(type, form, content, private=space == PRIVATE)

    def id(self, name: bytes, only: str | None = None, wish: str = SHARED) -> bytes:
        """Its id here: in the wished space where it is there, else in the other (not with `only`)."""
        for space in (wish, SHARED, PRIVATE) if only is None else (only,):
            if (name, space) in self._ids:
                return self._ids[name, space]
        what = "has not come" if only is None else "is private, and a shared rope needs it"
        raise CorruptUnitError(f"the unit {name.hex()} {what}")


def ids_by_name(store: Store, key: bytes) -> dict[bytes, list[bytes]]:
    """All that this agent has, by names under the key."""
    namer = Namer(key)
    with standing(store) as had:
        namer.walk(store, [*had.heads.values(), *had.owned], set(had.owned))
    ids: dict[bytes, list[bytes]] = {}
    for unit, name in namer.names.items():
        ids.setdefault(name, []).append(unit)
    return ids


def note_space(found: dict[bytes, set[str]], name: bytes, usual: str, space: str) -> None:
    """Remember where a unit was met; an empty set stands for the usual space alone."""
    before = found.get(name)
    spaces = {space} if before is None else (before or {usual}) | {space}
    found[name] = set() if spaces == {usual} else spaces
