"""Hashes of files: what a registry promises about an archive, and what lies on the disk.

Invariant: a hash is only ever compared after the whole file was read back from the disk, so that a
resumed or damaged download cannot pass.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20
_KNOWN = ("sha512", "sha384", "sha256")


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm and a value in hexadecimal."""

    algorithm: str
    value: str

    @classmethod
    def from_integrity(cls, text: str) -> Digest | None:
        """The strongest hash of a Subresource Integrity string; None where it has none."""
        found: dict[str, str] = {}
        for word in text.split():
            algorithm, _, encoded = word.partition("-")
            try:
                found[algorithm] = base64.b64decode(encoded.split("?")[0], validate=True).hex()
            except binascii.Error:
                continue
        return next((cls(name, found[name]) for name in _KNOWN if name in found), None)

    @classmethod
    def from_hashes(cls, hashes: dict[str, str]) -> Digest | None:
        """The strongest hash of a table algorithm -> hexadecimal."""
        return next((cls(name, hashes[name].lower()) for name in _KNOWN if name in hashes), None)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


def digest_of(path: Path, algorithm: str = "sha256", on_block: Callable[[int], None] | None = None) -> str:
    """The hash of a file in hexadecimal. `on_block` is told the bytes of each block read."""
    state = hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
            if on_block:
                on_block(len(block))
    return state.hexdigest()
