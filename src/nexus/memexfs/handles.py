"""What is open: files by number, and folders with the names that are being read.

Knows nothing of the tree. Invariant: numbers are never given twice, nor those of a process before this one
(the generation is in the upper half); what a folder listed keeps its place until it is rewound or closed.
"""

from __future__ import annotations

import struct
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator

from nexus.memexfs.node import Child, Handle
from nexus.memexfs.operations import Listed

_MOST = 512  # names told at once
_HEAD = struct.Struct("<QIB")


class Listing:
    """An open folder. Names are packed as they come, so that a million of them is some forty megabytes."""

    def __init__(self, look: Callable[[], Iterable[Child]], first: tuple[Child, ...]) -> None:
        self._look = look
        self._first = first
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._packed = bytearray()
        self._places = array("Q")
        self._fresh = True
        self._rest: Iterator[Child] = iter(self._look())
        for child in self._first:
            self._add(child)

    def _add(self, child: Child) -> None:
        self._places.append(len(self._packed))
        self._packed += _HEAD.pack(child.ino, child.kind, len(child.name))
        self._packed += child.name

    def read(self, offset: int) -> list[Listed]:
        """The names after `offset`; 0 looks anew, unless nothing was read yet."""
        with self._lock:
            if offset == 0 and not self._fresh:
                self._begin()
            self._fresh = False
            while len(self._places) < offset + _MOST and (child := next(self._rest, None)) is not None:
                self._add(child)
            return [self._listed(n) for n in range(offset, min(offset + _MOST, len(self._places)))]

    def _listed(self, index: int) -> Listed:
        place = self._places[index]
        ino, kind, length = _HEAD.unpack_from(self._packed, place)
        start = place + _HEAD.size
        return Listed(bytes(self._packed[start : start + length]), ino, kind, index + 1)


class Handles:
    """Open files and folders by number."""

    def __init__(self, generation: int = 0) -> None:
        self._lock = threading.Lock()
        self._next = (generation << 32) + 1
        self._files: dict[int, Handle] = {}
        self._folders: dict[int, Listing] = {}

    def _number(self) -> int:
        with self._lock:
            self._next += 1
            return self._next

    def add(self, handle: Handle) -> int:
        """The number of an open file."""
        number = self._number()
        self._files[number] = handle
        return number

    def add_folder(self, listing: Listing) -> int:
        """The number of an open folder."""
        number = self._number()
        self._folders[number] = listing
        return number

    def file(self, number: int, again: Callable[[], Handle]) -> Handle:
        """The open file; one of a process before this one is opened `again`, once."""
        found = self._files.get(number)
        if found is not None:
            return found
        opened = again()
        with self._lock:
            kept = self._files.setdefault(number, opened)
        if kept is not opened:
            opened.release()
        return kept

    def get(self, number: int) -> Handle | None:
        return self._files.get(number)

    def folder(self, number: int, again: Callable[[], Listing]) -> Listing:
        """The open folder of a number; `again` opens it where a process before this one had."""
        found = self._folders.get(number)
        if found is None:
            found = self._folders.setdefault(number, again())
        return found

    def take(self, number: int) -> Handle | None:
        """The open file of a number, which is closed by that; None where it is not known."""
        return self._files.pop(number, None)

    def take_folder(self, number: int) -> None:
        """It is closed."""
        self._folders.pop(number, None)

    def __len__(self) -> int:
        return len(self._files) + len(self._folders)
