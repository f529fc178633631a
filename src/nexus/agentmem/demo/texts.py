"""Texts: everything the agents will hold, each text once, in one file; and what one agent holds of it.

The file is the truth that the store is compared with: players read it with pread and never map it, so
that it counts to nobody's memory. Knows nothing of agents' manners. Invariant: equal bytes have one
place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from nexus.agentmem.unit_type import UnitType


class Place(NamedTuple):
    """Where a text stands in the file."""

    offset: int
    length: int


class Block(NamedTuple):
    """One thing that an agent holds: a unit by itself, or, with `talk`, a piece of its conversation."""

    type: UnitType
    place: Place
    talk: bool = False
    starts: bool = False  # a message


class Script(NamedTuple):
    """One agent's part, in the order in which it is played."""

    agent: str
    blocks: Sequence[Block]

    @property
    def bytes_total(self) -> int:
        """What this agent would hold by itself."""
        return sum(block.place.length for block in self.blocks)


class TextsWriter:
    """Writes the file; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb")
        self._places: dict[bytes, Place] = {}
        self._end = 0

    def add(self, text: str | bytes) -> Place:
        """Where these bytes stand, written unless they are there already."""
        data = text.encode() if isinstance(text, str) else text
        key = blake2b(data, digest_size=20).digest()
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(self._end, len(data))
            self._file.write(data)
            self._end += len(data)
        return place

    def __enter__(self) -> TextsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Texts:
    """Reads the file, one text at a time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, place: Place) -> bytes:
        """The bytes that belong there. Raises `ValueError` when the file has fewer."""
        data = os.pread(self._descriptor, place.length, place.offset)
        if len(data) != place.length:
            raise ValueError(f"{len(data)} bytes instead of {place.length} at {place.offset}")
        return data

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def save(script: Script, path: Path) -> None:
    """One script as JSON, for a player in any language: [type, offset, length, talk, starts] each block."""
    rows = [[int(b.type), b.place.offset, b.place.length, b.talk, b.starts] for b in script.blocks]
    path.write_text(json.dumps({"agent": script.agent, "blocks": rows}))


def load(path: Path) -> Script:
    """What `save` wrote."""
    found = json.loads(path.read_text())
    blocks = [
        Block(UnitType(number), Place(offset, length), bool(talk), bool(starts))
        for number, offset, length, talk, starts in found["blocks"]
    ]
    return Script(found["agent"], blocks)
