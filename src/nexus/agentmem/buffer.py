"""Buffer: bytes, bytearray, memoryview, mmap, arrays, units: all that has Python's buffer protocol (PEP 688).

For type checkers; collections.abc has it from Python 3.12 on.
"""

from __future__ import annotations

from typing import Protocol


class Buffer(Protocol):
    """Its bytes can be read where they lie."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
