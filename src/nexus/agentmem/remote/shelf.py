"""Shelf: where several hosts lay down units for each other. What every shelf must do, and how it fails.

A shelf is a dictionary of bytes far away. It is trusted with nothing: what it gives is checked by who asked
(nexus.agentmem.remote.space), and it is given no content in the clear unless somebody wants that. See
decision 0033.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from nexus.agentmem.errors import AgentMemError

KEY_BYTES = 64  # a key has 1 to so many
VALUE_BYTES = (1 << 31) + (1 << 24)  # the largest unit, coded and sealed


class ShelfError(AgentMemError):
    """The shelf does not do what was asked."""

    code = "shelf"
    http_status = 502


class ShelfGoneError(ShelfError):
    """Nobody answers, or not in time."""

    code = "shelf_gone"
    exit_status = 3
    http_status = 503


class ShelfFullError(ShelfError):
    """It has no room."""

    code = "shelf_full"
    exit_status = 8
    http_status = 507


class LyingShelfError(ShelfError):
    """It gave bytes that are not what they should be: damaged, or written by somebody without the secret."""

    code = "shelf_lies"
    exit_status = 14


class Shelf(Protocol):
    """Keys of 1 to 64 bytes, values of any length. Every call raises a `ShelfError` when it fails, and never
    later than after some seconds; a call that failed may be made again."""

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Lay down; what stood under a key is replaced."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of the keys that are there, with their values."""

    def has(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that are there."""

    def drop(self, keys: Iterable[bytes]) -> None:
        """Take away; what is not there is no error."""

    def list(self) -> Iterator[bytes]:
        """Every key once, in no order; one that comes or goes meanwhile may be left out."""

    def close(self) -> None:
        """Give connections back."""


def check(keys: Iterable[bytes]) -> None:
    """Raises `ValueError` for a key that no shelf takes."""
    for key in keys:
        if not 0 < len(key) <= KEY_BYTES:
            raise ValueError(f"a shelf's key of {len(key)} bytes; it has 1 to {KEY_BYTES}")
