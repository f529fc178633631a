"""FolderShelf: a shelf of files, one for each key; a folder that several hosts mount will do.

The reference for every other shelf. Invariant: a file is whole or not there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nexus.agentmem.remote.shelf import VALUE_BYTES, ShelfError, ShelfFullError, ShelfGoneError, check


class FolderShelf:
    """The shelf of this folder, which is made when it is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def _path(self, key: bytes) -> Path:
        name = key.hex()
        return self.folder / name[:2] / name

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """See `Shelf`."""
        check(values)
        try:
            for key, value in values.items():
                path = self._path(key)
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._write(path, value)
        except OSError as error:
            raise _failed(self, error) from error

    def _write(self, path: Path, value: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with open(handle, "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink()
            raise

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `Shelf`."""
        check(keys)
        found = {}
        try:
            for key in keys:
                with suppress(FileNotFoundError), self._path(key).open("rb") as file:
                    value = file.read(VALUE_BYTES + 1)
                    if len(value) > VALUE_BYTES:
                        raise ShelfError(f"{file.name} has more than {VALUE_BYTES} bytes", hint="remove it")
                    found[key] = value
        except OSError as error:
            raise _failed(self, error) from error
        return found

    def has(self, keys: Sequence[bytes]) -> set[bytes]:
        """See `Shelf`."""
        check(keys)
        try:
            return {key for key in keys if self._path(key).exists()}
        except OSError as error:
            raise _failed(self, error) from error

    def drop(self, keys: Iterable[bytes]) -> None:
        """See `Shelf`."""
        try:
            for key in keys:
                check([key])
                self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise _failed(self, error) from error

    def list(self) -> Iterator[bytes]:
        """See `Shelf`. Files of others are left out."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f]*"):
            with suppress(ValueError):
                yield bytes.fromhex(path.name)

    def close(self) -> None:
        """See `Shelf`."""


def _failed(shelf: FolderShelf, error: OSError) -> ShelfError:
    full = error.errno in (28, 122)  # ENOSPC, EDQUOT
    kind = ShelfFullError if full else ShelfGoneError
    return kind(f"the shelf {shelf} cannot be used: {error.strerror}", hint="see that folder")
