"""Units on a shelf: under the name of each lies its type, form and coded bytes, sealed.

Knows no agent and no store. Invariant: what `read` gives has the name that it was asked by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nexus.agentmem.errors import CorruptUnitError, UnitNotFoundError
from nexus.agentmem.graph import RAW, ROPE, Leaf, leaves_below, links
from nexus.agentmem.native import native
from nexus.agentmem.remote.seal import Seal
from nexus.agentmem.remote.shelf import LyingShelfError, Shelf

LARGEST = 1 << 31  # bytes of a unit, as agentmem.h has it
UNITS, BYTES = 256, 8 << 20  # on the way at a time


class Body(NamedTuple):
    """What a unit is; the pieces of a rope by name."""

    type: int
    form: int
    data: bytes


class ShelvedUnits:
    """`key` is that of the names."""

    def __init__(self, shelf: Shelf, seal: Seal, key: bytes) -> None:
        self.shelf = shelf
        self._seal = seal
        self._key = key
        self._native = native()

    def read(self, wanted: Mapping[bytes, int]) -> Iterator[tuple[bytes, Body, int]]:
        """Units of the shelf, given how long they are: each with the name it was asked by, and the bytes that
        came for it. Raises `UnitNotFoundError`, `LyingShelfError`, `ShelfError`."""
        for names in _batches(wanted):
            values = self.shelf.get([b"u" + name for name in names])
            for name in names:
                value = values.pop(b"u" + name, None)
                if value is None:
                    raise UnitNotFoundError(
                        f"the unit {name.hex()} is not on {self.shelf}", hint="push it again from its host"
                    )
                yield name, self._checked(name, value), len(value)

    def _checked(self, name: bytes, value: bytes) -> Body:
        opened = self._seal.open(b"u" + name, value)
        try:
            kind, form, stored = opened[0], opened[1], opened[2:]
            data: bytes = self._native.decode(stored, LARGEST)
        except (IndexError, CorruptUnitError) as error:
            raise LyingShelfError(f"the unit {name.hex()} on {self.shelf} is damaged: {error}") from error
        if self._native.unit_id(self._key, kind, form, data) != name:
            raise LyingShelfError(f"{self.shelf} gave other content for the unit {name.hex()}")
        return Body(kind, form, data)

    def value(self, name: bytes, body: Body) -> bytes:
        """As it lies on the shelf."""
        coded = bytes([body.type, body.form]) + self._native.encode(body.data)
        return self._seal.close(b"u" + name, coded)

    def leaves(self, root: bytes) -> Iterator[Leaf]:
        """Like `leaves`, by names, of a conversation on the shelf."""

        def rope_of(name: bytes) -> bytes | None:
            body = next(self.read({name: 0}))[1]
            return body.data if body.form == ROPE else None

        return leaves_below(root, rope_of)


class Sending:
    """Units on their way out, some at a time: asked which are there, then the others laid down."""

    def __init__(self, units: ShelvedUnits) -> None:
        self._units = units
        self._held: dict[bytes, Body] = {}
        self._bytes = 0
        self.units = self.seen = self.bytes = 0

    def add(self, name: bytes, body: Body) -> None:
        """The next; what a rope needs comes before it."""
        if name in self._held:
            return
        self._held[name] = body
        self._bytes += len(body.data)
        if len(self._held) >= UNITS or self._bytes >= BYTES:
            self.flush()

    def flush(self) -> None:
        """Lay down what is still held."""
        keys = [b"u" + name for name in self._held]
        there = self._units.shelf.has(keys)
        self.seen += len(keys)
        for form in (RAW, ROPE):  # a rope only when what it needs is there
            values = {
                b"u" + name: self._units.value(name, body)
                for name, body in self._held.items()
                if body.form == form and b"u" + name not in there
            }
            for batch in (values,) if form == RAW else ({key: value} for key, value in values.items()):
                self._units.shelf.put(batch)
            self.units += len(values)
            self.bytes += sum(map(len, values.values()))
        self._held.clear()
        self._bytes = 0


def bottom_up(ropes: dict[bytes, Body]) -> Iterator[bytes]:
    """The ropes, each after those that it needs. They cannot need each other in a circle: each was found to
    have the name that is a hash of its pieces' names."""
    done: set[bytes] = set()
    for root in ropes:
        stack = [(root, False)]
        while stack:
            name, entered = stack.pop()
            if name in done or name not in ropes:
                continue
            if entered:
                done.add(name)
                yield name
            else:
                stack.append((name, True))
                stack += [(piece.id, False) for piece in links(ropes[name].data) if piece.form == ROPE]


def _batches(wanted: Mapping[bytes, int]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    held = 0
    for name, size in wanted.items():
        if batch and (len(batch) >= UNITS or held + size > BYTES):
            yield batch
            batch, held = [], 0
        batch.append(name)
        held += size
    if batch:
        yield batch
