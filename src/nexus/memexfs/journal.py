"""What only the database knows, a second time: a text file of lines that is only ever appended to.

A line is the CRC-32 of the rest in eight hexadecimal digits, a blank, and a JSON array: a word and its
values. The words and what they do are those of `nexus.memexfs.store`; this knows the lines alone. Bytes that
are no UTF-8 stand in JSON as lone surrogates (`\\udc80`), as Python has file names.

Invariants: whatever is killed or cut, every line but the last is whole, and a line that is not whole is
passed over and counted, never guessed at; `rewrite` leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from nexus.core.atomic import replacing, sync_folder
from nexus.core.errors import StorageError

HEADER = b"nexus-memex-journal 1\n"
_LONGEST = 2**20  # bytes of a line; a path has 4096 and a few tags

Line = list[object]


class Journal:
    """The file. Whoever appends or rewrites sees to it that nobody else does at that moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0  # lines that the last `lines()` could not use

    def append(self, lines: Iterable[Line], *, durable: bool) -> int:
        """Add lines; on the disk when it returns if `durable`. Returns the file's size.

        Raises `StorageError`.
        """
        try:
            new = not self._path.exists()
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(file).st_size
                # A line that was cut by a kill is ended, so that it does not take the next one with it.
                start = b"" if size and os.pread(file, 1, size - 1) == b"\n" else b"\n" if size else HEADER
                data = memoryview(start + b"".join(map(_written, lines)))
                size += len(data)
                while data:
                    data = data[os.write(file, data) :]
                if durable:
                    os.fsync(file)
                    if new:
                        sync_folder(self._path.parent)
                return size
            finally:
                os.close(file)
        except OSError as error:
            raise StorageError.from_os(error, self._path) from error

    def clear(self) -> None:
        """No lines. Raises `StorageError`."""
        try:
            os.truncate(self._path, 0)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError.from_os(error, self._path) from error

    def rewrite(self, lines: Iterable[Line]) -> int:
        """The file anew, with these lines alone. Returns its size. Raises `StorageError`."""
        with replacing(self._path) as file:
            file.write(HEADER)
            for line in lines:
                file.write(_written(line))
            return file.tell()

    def lines(self) -> Iterator[Line]:
        """What can be read of it, in order. Raises `StorageError` where it is of a newer NexusOS."""
        self.damaged = 0
        try:
            with self._path.open("rb") as file:
                first = file.readline(_LONGEST)
                if first != HEADER and first.startswith(HEADER[:20]):
                    raise StorageError(f"{self._path} was written by a newer NexusOS", hint="update NexusOS")
                if first != HEADER:  # its first sector may be lost, and the rest whole
                    yield from self._read(first)
                while raw := file.readline(_LONGEST):
                    yield from self._read(raw)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError.from_os(error, self._path) from error

    def _read(self, raw: bytes) -> Iterator[Line]:
        line = parsed(raw)
        if line is not None:
            yield line
        elif raw.strip():
            self.damaged += 1


def parsed(raw: bytes) -> Line | None:
    """The values of a line, None where it is not one that was written here."""
    if not raw.endswith(b"\n") or raw[8:9] != b" ":
        return None
    try:
        if int(raw[:8], 16) != zlib.crc32(raw[9:-1]):
            return None
        line = json.loads(raw[9:-1])
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, list) and line and isinstance(line[0], str) else None


def _written(line: Line) -> bytes:
    body = json.dumps(line, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(body), body)
