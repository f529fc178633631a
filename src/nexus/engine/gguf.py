"""The first look at a GGUF file, before a process is started for it.

Checks what costs nothing: that it is there, readable, and begins like a GGUF file. Whether every
tensor lies inside the file is checked by the loader. Format: ggml's docs/gguf.md.
"""

from __future__ import annotations

import struct
from pathlib import Path

from nexus.core.errors import ModelCorruptError, ModelMissingError

_HEADER = struct.Struct("<4sIQQ")  # magic, version, number of tensors, number of metadata entries
_VERSIONS = (2, 3)


def check(path: Path, name: str) -> None:
    """Raise `ModelMissingError` or `ModelCorruptError` when `path` cannot be a model file."""
    again = fetch_again(name)
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
    except FileNotFoundError as error:
        raise ModelMissingError(
            f"the model file {path} does not exist", hint=f"run: nexus models pull {name}"
        ) from error
    except OSError as error:
        raise ModelMissingError(
            f"the model file {path} cannot be read: {error.strerror}", hint="check its permissions"
        ) from error
    if len(head) < _HEADER.size:
        raise ModelCorruptError(f"the model file {path} has only {len(head)} bytes", hint=again)
    magic, version, tensors, _entries = _HEADER.unpack(head)
    if magic != b"GGUF":
        raise ModelCorruptError(
            f"{path} is not a GGUF file: it begins with {magic!r}, not b'GGUF'", hint=again
        )
    if version not in _VERSIONS or not tensors:
        raise ModelCorruptError(
            f"{path} has GGUF version {version} and {tensors} tensors; usable are versions 2 and 3",
            hint=again,
        )


def fetch_again(name: str) -> str:
    """The hint for a model file that is broken."""
    return f"fetch it again: nexus models rm {name}; nexus models pull {name}"
