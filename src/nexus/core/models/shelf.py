"""Weights that already lie on this machine, in folders the user names.

A file is looked for as `FOLDER/MODEL/FILE` and `FOLDER/FILE`, and taken only when its sha256 is the
catalog's. One whose bytes the catalog does not know is taken from `FOLDER/MODEL/FILE` only: a name
like `model.onnx` alone says nothing. Invariant: the user's file is linked or copied, never changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nexus.core.errors import StorageError
from nexus.core.models.digest import digest_of
from nexus.core.models.download import require_space
from nexus.core.models.model import ModelFile


def take(
    folders: Sequence[Path],
    model: str,
    file: ModelFile,
    target: Path,
    reject: Callable[[str], None],
) -> tuple[Path, str] | None:
    """Put the first fitting file at `target`; returns where it came from and its sha256.

    `reject` is told of every file of that name that does not fit. Raises `StorageError`.
    """
    for candidate in _candidates(folders, model, file):
        try:
            size = candidate.stat().st_size
            if file.pins and size not in {pin.size for pin in file.pins}:
                reject(f"path {candidate}: {size} bytes, expected {file.size}")
                continue
            sha256 = digest_of(candidate)
        except OSError as error:
            reject(f"path {candidate}: {error.strerror or error}")
            continue
        if not file.accepts(size, sha256):
            reject(f"path {candidate}: sha256 {sha256}, expected {file.sha256}")
            continue
        _place(candidate, target, size)
        return candidate, sha256
    return None


def _candidates(folders: Sequence[Path], model: str, file: ModelFile) -> Iterator[Path]:
    for folder in folders:
        root = folder.expanduser()
        for path in (root / model / file.name, root / file.name):
            if path.is_file() and (file.pins or path.parent != root):
                yield path.resolve()


def _place(origin: Path, target: Path, size: int) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(origin, target)
        return
    except OSError:
        pass  # another disk, or a file system or kernel setting without hard links: copy
    require_space(target.parent, size)
    try:
        shutil.copyfile(origin, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise StorageError.from_os(error, target) from error
