"""The graph of units below some roots: read in order, and named under a key that two machines share.

A unit's id belongs to its realm, so that two machines have two ids for the same bytes. A *name* is what both
can compute: BLAKE3, keyed, over type, form and bytes, where a rope's bytes have its pieces' names in place of
their ids. Knows stores, no pack and no network. Invariant: a unit comes after all that it needs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from nexus.agentmem.errors import BrokerBusyError, CorruptUnitError, UnitNotFoundError
from nexus.agentmem.native import native

if TYPE_CHECKING:
    from nexus.agentmem.store import Inventory, Store
    from nexus.agentmem.unit import Unit

RAW, ROPE = 1, 2
_PIECE = struct.Struct("<32sQIIBBB13x")  # am_piece of agentmem.h


_TRIES = 100


@contextmanager
def standing(store: Store) -> Iterator[Inventory]:
    """What this agent has at one moment, its heads held so that they stay while it goes on.

    Raises `BrokerBusyError` when they moved on each time before they could be held.
    """
    for _ in range(_TRIES):
        with ExitStack() as held:
            had = store.inventory()
            try:
                for unit in had.heads.values():
                    held.enter_context(store.acquire(unit))
            except UnitNotFoundError:
                continue
            yield had
            return
    raise BrokerBusyError(
        f"the conversations of agent {store.agent.name} change all the time", hint="pause it, or try again"
    )


class Link(NamedTuple):
    """A piece of a rope, as the rope's bytes have it."""

    id: bytes
    length: int
    messages: int
    pieces: int
    type: int
    form: int
    flags: int


def links(rope: bytes | memoryview) -> list[Link]:
    """The pieces of a rope. Raises `CorruptUnitError` for bytes that are none."""
    if not len(rope) or len(rope) % _PIECE.size:
        raise CorruptUnitError(f"{len(rope)} bytes are no rope: a piece has {_PIECE.size}")
    return [Link(*fields) for fields in _PIECE.iter_unpack(rope)]


def rope_bytes(pieces: Iterable[Link]) -> bytes:
    """The bytes of a rope of these pieces."""
    return b"".join(_PIECE.pack(*piece) for piece in pieces)


def renamed(rope: bytes | memoryview, names: Mapping[bytes, bytes]) -> bytes:
    """The rope with its pieces' ids replaced. Raises `KeyError` with the id that has no name."""
    return rope_bytes(piece._replace(id=names[piece.id]) for piece in links(rope))


def summed(unit: bytes, type: int, pieces: Iterable[Link]) -> Link:  # noqa: A002
    """The piece that stands for a rope of these pieces."""
    listed = list(pieces)
    return Link(
        unit,
        sum(piece.length for piece in listed),
        sum(piece.messages for piece in listed),
        sum(piece.pieces for piece in listed),
        type,
        ROPE,
        0,
    )


class Node(NamedTuple):
    """A unit on the way; `data` is its own memory for a rope, shared memory until the next node otherwise."""

    id: bytes
    type: int
    form: int
    private: bool
    data: bytes | memoryview
    stopped: bool  # its pieces were left out


def walk(
    store: Store,
    roots: Iterable[bytes],
    seen: set[bytes],
    stop: Callable[[bytes], bool] = lambda unit: False,
    passing: Collection[bytes] = (),
) -> Iterator[Node]:
    """Every unit below the roots once, pieces before the rope that needs them.

    Below a rope for which `stop` holds nothing is read; what is in `seen` does not come again. A root is
    held while it is walked; one of `passing` that has gone is left out (its agent has let it go since). One
    unit is in memory at a time, and the ropes on the way to it. Raises what `Store.acquire` raises.
    """
    for root in roots:
        try:
            held = store.acquire(root)
        except UnitNotFoundError:
            if root in passing:
                continue
            raise
        with held:
            yield from _below(store, root, seen, stop)


def _below(store: Store, root: bytes, seen: set[bytes], stop: Callable[[bytes], bool]) -> Iterator[Node]:
    above: list[tuple[bytes, int, bytes, bool, Iterator[Link]]] = []
    todo: bytes | None = root
    while todo is not None or above:
        if todo is not None and todo not in seen:
            seen.add(todo)
            with store.acquire(todo) as unit:
                below = _rope_of(unit)
                private = _private(store, unit)
                if below is None:
                    with memoryview(unit) as data:
                        yield Node(todo, int(unit.type), RAW, private, data, False)
                else:
                    pieces: Iterator[Link] = iter(()) if stop(todo) else iter(links(below))
                    above.append((todo, int(unit.type), below, private, pieces))
        todo = None
        while above and todo is None:
            unit_id, kind, rope, private, pieces = above[-1]
            piece = next(pieces, None)
            if piece is not None:
                todo = piece.id
            else:
                above.pop()
                yield Node(unit_id, kind, ROPE, private, rope, stop(unit_id))


def _rope_of(unit: Unit) -> bytes | None:
    return bytes(unit) if unit.form == "rope" else None


def _private(store: Store, unit: Unit) -> bool:
    return store.name_here(int(unit.type), ROPE if unit.form == "rope" else RAW, unit, False) != unit.id


class Namer:
    """Names of units under one key of 32 bytes; remembers those it has computed, 64 bytes for each."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._unit_id = native().unit_id
        self.names: dict[bytes, bytes] = {}

    def name(self, type: int, form: int, data: bytes | memoryview) -> bytes:  # noqa: A002
        """The name of content whose pieces, if it is a rope, are named already."""
        return bytes(self._unit_id(self._key, type, form, data))

    def add(self, node: Node) -> bytes:
        """The name of a unit of the store; its pieces came before."""
        known = self.names.get(node.id)
        if known is None:
            data = renamed(node.data, self.names) if node.form == ROPE else node.data
            known = self.names[node.id] = self.name(node.type, node.form, data)
        return known

    def walk(self, store: Store, roots: Iterable[bytes], passing: Collection[bytes] = ()) -> None:
        """Name everything below these roots; those of `passing` may have gone."""
        for node in walk(store, roots, set(self.names), passing=passing):
            self.add(node)


class Leaf(NamedTuple):
    """A leaf of a conversation, and whether it starts a message."""

    id: bytes
    flags: int


def leaves(store: Store, root: bytes) -> Iterator[Leaf]:
    """The leaves below a rope, in order; a raw unit is its own only leaf."""

    def rope_of(unit_id: bytes) -> bytes | None:
        with store.acquire(unit_id) as unit:
            return _rope_of(unit)

    return leaves_below(root, rope_of)


def leaves_below(root: bytes, rope_of: Callable[[bytes], bytes | None]) -> Iterator[Leaf]:
    """The leaves below a rope wherever it lies: `rope_of` reads a unit's bytes if it is a rope, else None."""
    stack: list[Iterator[Link]] = [iter([Link(root, 0, 0, 0, 0, ROPE, 0)])]
    while stack:
        piece = next(stack[-1], None)
        if piece is None:
            stack.pop()
        elif piece.form != RAW and (rope := rope_of(piece.id)) is not None:
            stack.append(iter(links(rope)))
        else:
            yield Leaf(piece.id, piece.flags)
