"""Files that are either the old one or the new one, never a part of either.

Every write that matters goes through here: a temporary file in the same folder, fsync, rename,
fsync of the folder. After `write_bytes` or the block of `replacing`, `kill -9` and power loss keep the new
content.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nexus.core.errors import StorageError

# What `temporary` gives, and nothing that a person would call a file.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def write_bytes(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data`. Raises `StorageError`; the old file is then unchanged."""
    with replacing(path, mode=mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file that becomes `path` at the end of the block; where the block fails, the old file stays.

    Raises `StorageError`.
    """
    temporary = temporary_for(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError.from_os(error, path) from error


def temporary_for(path: Path) -> Path:
    """A new name beside `path` for what will become it; `sweep` knows such names."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def write_text(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace `path` by `text` in UTF-8. Raises `StorageError`."""
    write_bytes(path, text.encode("utf-8"), mode=mode)


def remove(path: Path) -> bool:
    """Delete `path` durably. Returns whether it existed. Raises `StorageError`."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    sync_folder(path.parent)
    return True


def sweep(folder: Path) -> int:
    """Remove what killed processes left of their writes. Returns how many files that were.

    Only for whoever is alone in writing to `folder`: a write under way would lose its file. Raises
    `StorageError`.
    """
    gone = 0
    try:
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                path.unlink(missing_ok=True)
                gone += 1
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    return gone


def sync_folder(folder: Path) -> None:
    """Make a rename or deletion inside `folder` durable (a rename alone is not)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
