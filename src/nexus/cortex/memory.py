"""The memory store: one markdown file a memory, front matter as in seed 004.

The files are the truth; a person may read, edit and commit them. Writes are atomic and durable before
they return, and a change reads and writes under a lock of the folder, so that two processes never lose
one. Knows nothing of indexes. Invariants: what is written reads back as the same memory; a file that
cannot be read is reported, never guessed at.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nexus.core import atomic, clock, ids
from nexus.core.errors import BusyError, InvalidInputError, NotFoundError, StorageError
from nexus.core.room import require_room
from nexus.cortex import memory_file
from nexus.cortex.memory_file import (
    ID,
    Confidence,
    Domain,
    Memory,
    MemoryType,
    check_learning,
    domain_of,
    keywords,
    moment,
    parse,
    render,
    seconds,
)

__all__ = [
    "Confidence",
    "Domain",
    "Memory",
    "MemoryStore",
    "MemoryType",
    "check_learning",
    "domain_of",
    "keywords",
    "moment",
    "parse",
    "render",
    "seconds",
]
_LOCK_SECONDS = 10.0
# These are set by the store itself, or found out and never stored.
_OWN = {"id", "created", "updated", "keywords", "retrieval_count", "contradicts"}
_SETTABLE = {f.name for f in fields(Memory)} - _OWN


class MemoryStore:
    """The memories in one folder. Several threads and processes may use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, memory_id: str) -> Path:
        """The file of a memory. Raises `InvalidInputError` for what is not an id."""
        if not ID.fullmatch(memory_id):
            raise InvalidInputError(f"{memory_id!r} is not a memory id", hint="see `nexus memories list`")
        return self.folder / f"{memory_id}.md"

    def add(self, learning: str, **values: Any) -> Memory:
        """Store a new memory, durable on return. Raises `InvalidInputError`, `StorageError`."""
        learning = check_learning(learning)
        words = keywords(learning)
        values = _checked(values)
        with self._alone():
            memory = Memory(
                id=self._new_id(),
                learning=learning,
                domain=values.pop("domain", None) or domain_of(words),
                keywords=tuple(words),
                created=(stamp := clock.iso(clock.now())),
                updated=stamp,
                **values,
            )
            self._write(memory)
        return memory

    def put(self, memory_id: str, content: bytes) -> Memory:
        """Store the file of a memory made elsewhere. Raises `InvalidInputError` where the id exists."""
        path = self.path(memory_id)
        memory = memory_file.parse_bytes(content, path)
        with self._alone():
            if path.exists():
                raise InvalidInputError(f"{memory_id} exists already", hint="edit it instead")
            atomic.write_bytes(path, content)
        return memory

    def get(self, memory_id: str) -> Memory:
        """Raises `NotFoundError`, or `InvalidInputError` when the file is damaged."""
        path = self.path(memory_id)
        if not path.is_file():
            raise NotFoundError(f"no memory {memory_id}", hint="see `nexus memories list`")
        return parse(path)

    def update(self, memory_id: str, **changes: Any) -> Memory:
        """Change fields of a memory, durable on return; the others stay, whoever changed them."""
        changes = _checked(changes)
        with self._alone():
            old = self.get(memory_id)
            if "learning" in changes:
                changes["learning"] = check_learning(changes["learning"])
                changes["keywords"] = tuple(keywords(changes["learning"]))
            memory = replace(old, **changes, updated=_latest(old.created, old.updated))
            self._write(memory, memory_file.remainder(self.path(memory_id)))
        return memory

    def remove(self, memory_id: str) -> None:
        """Delete, durable on return. Raises `NotFoundError`."""
        with self._alone():
            if not atomic.remove(self.path(memory_id)):
                raise NotFoundError(f"no memory {memory_id}", hint="see `nexus memories list`")
        memory_file.drop_parsed()

    def files(self) -> Iterator[Path]:
        """Every memory file, oldest id first."""
        yield from sorted(self.folder.glob("MEM-*.md"))

    def sweep(self) -> int:
        """Remove what a killed process left of a write. Returns how many files that were."""
        with self._alone():  # nobody else is in the middle of one
            return sum(atomic.remove(path) for path in list(self.folder.glob(".MEM-*.tmp")))

    def _new_id(self) -> str:
        day = clock.now().date()
        numbers = [p.stem.split("-")[4] for p in self.folder.glob(f"MEM-{day.isoformat()}-*.md")]
        number = 1 + max((int(n) for n in numbers if n.isdecimal()), default=0)
        while (fresh := self.path(ids.memory_id(day, number))).exists():
            continue
        return fresh.stem

    def _write(self, memory: Memory, rest: memory_file.Remainder | None = None) -> None:
        path = self.path(memory.id)
        if memory.valid_from and memory.valid_to and moment(memory.valid_to) < moment(memory.valid_from):
            raise InvalidInputError(
                f"{memory.id} would end ({memory.valid_to}) before it begins ({memory.valid_from})",
                hint="swap the two times",
            )
        data = memory_file.render(memory, rest).encode("utf-8")
        if memory_file.parse_bytes(data, path) != memory:
            raise InvalidInputError(
                f"{memory.id}: the fields cannot be written as they are", hint="leave out odd characters"
            )
        atomic.write_bytes(path, data)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else, thread or process, writes in this folder meanwhile.

        Raises `BusyError`, and `StorageError` where there is no room for what the index takes besides.
        """
        require_room(self.folder)
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StorageError.from_os(error, self.folder) from error
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise BusyError(
                            f"another process has been writing in {self.folder} for {_LOCK_SECONDS:.0f} s",
                            hint="try again, or stop it",
                        ) from None
                    time.sleep(0.002)
                except OSError as error:
                    raise StorageError.from_os(error, self.folder) from error
            yield
        finally:
            os.close(descriptor)  # lets go of the lock


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """The fields a caller may set, moments in UTC. Raises `InvalidInputError`."""
    unknown = set(values) - _SETTABLE
    if unknown:
        raise InvalidInputError(
            f"a memory has no field {', '.join(sorted(unknown))} to set",
            hint=f"one of {', '.join(sorted(_SETTABLE))}",
        )
    for name in ("valid_from", "valid_to"):
        if values.get(name):
            values[name] = clock.iso(moment(values[name]))
    if "supersedes" in values:
        values["supersedes"] = tuple(values["supersedes"])
    return values


def _latest(*texts: str) -> str:
    """Now, or the latest of these times: a clock that went back must not reorder what happened."""
    times = [clock.now()]
    for text in texts:
        with suppress(InvalidInputError):  # a person may have written anything there
            times.append(moment(text))
    return clock.iso(max(times))
