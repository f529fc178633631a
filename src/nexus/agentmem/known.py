"""Known: what one side has, by names that the other side can compute; the file that is given to --known.

Format: `AMNAMES1`, a random key of 32 bytes, names of 32 bytes in order, and BLAKE2b-256 of all that before.
The names say nothing to who has not the same content, but who has some can see whether it is there: the file
is as private as the agent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import BinaryIO

from nexus.agentmem.errors import CorruptUnitError

MAGIC = b"AMNAMES1"
_KEY, _NAME, _SUM = 32, 32, 32
LARGEST = len(MAGIC) + _KEY + _NAME * (1 << 22) + _SUM  # as many names as a realm has units
_AGAIN = "write one on the other machine: nexus agents ids NAME > FILE"


class Known:
    """A key and names under it."""

    def __init__(self, key: bytes, names: Iterable[bytes]) -> None:
        self.key = key
        self.names = frozenset(names)

    @staticmethod
    def new_key() -> bytes:
        """A key for one file."""
        return os.urandom(_KEY)

    def write(self, to: BinaryIO) -> int:
        """Write the file; its bytes."""
        content = b"".join([MAGIC, self.key, *sorted(self.names)])
        content += hashlib.blake2b(content, digest_size=_SUM).digest()
        to.write(content)
        return len(content)

    @classmethod
    def read(cls, source: BinaryIO) -> Known:
        """Raises `CorruptUnitError` for what `nexus agents ids` has not written, or not like this."""
        content = source.read(LARGEST + 1)
        if not content.startswith(MAGIC):
            raise CorruptUnitError(
                f"no list of ids: at byte 0 it does not begin with {MAGIC.decode()}",
                hint=_AGAIN,
            )
        names = content[len(MAGIC) + _KEY : -_SUM]
        body, given = content[:-_SUM], content[-_SUM:]
        if len(content) > LARGEST or len(content) < len(MAGIC) + _KEY + _SUM or len(names) % _NAME:
            raise CorruptUnitError(f"no whole list of ids: it ends at byte {len(content)}", hint=_AGAIN)
        if hashlib.blake2b(body, digest_size=_SUM).digest() != given:
            raise CorruptUnitError(
                f"no whole list of ids: at byte {len(body)} the checksum is that of others", hint=_AGAIN
            )
        key = content[len(MAGIC) : len(MAGIC) + _KEY]
        return cls(key, (names[at : at + _NAME] for at in range(0, len(names), _NAME)))
