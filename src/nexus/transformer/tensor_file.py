"""A safetensors file that is the old one or the new one, whenever the process dies.

Knows nothing of what the tensors mean; who reads it checks that. Invariant: what cannot be written leaves
what was there, and no other file beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from nexus.core import atomic
from nexus.core.errors import StorageError


def digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 in hex of all metadata and tensors: what a file says of itself and who reads it compares."""
    whole = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        whole.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        whole.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Make or replace `path`, with its folder. `tensors` are contiguous, on the CPU, and share no memory.

    Raises `StorageError`; the old file is then unchanged.
    """
    temporary = atomic.temporary_for(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(dict(tensors), temporary, metadata=dict(metadata))
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        atomic.sync_folder(path.parent)
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    except SafetensorError as error:
        raise StorageError(f"cannot write {path}: {error}") from error
