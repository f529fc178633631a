"""Several hosts, one stock of units: a shelf behind each host's own broker (decision 0033).

`open_shelf` takes an address or a folder; `SharedSpace` pushes and pulls with a `Secret`; with
`AttachedShelf` a store looks there by itself. Only a shelf on a server, and sealing, need the extra
`agentmem-remote`."""

from __future__ import annotations

from pathlib import Path

from nexus.agentmem.remote.attached import AttachedShelf
from nexus.agentmem.remote.folder import FolderShelf
from nexus.agentmem.remote.secret import Secret
from nexus.agentmem.remote.shelf import (
    LyingShelfError,
    Shelf,
    ShelfError,
    ShelfFullError,
    ShelfGoneError,
)
from nexus.agentmem.remote.space import Pulled, Pushed, SharedSpace
from nexus.agentmem.remote.valkey import ValkeyShelf

__all__ = [
    "AttachedShelf",
    "FolderShelf",
    "LyingShelfError",
    "Pulled",
    "Pushed",
    "Secret",
    "SharedSpace",
    "Shelf",
    "ShelfError",
    "ShelfFullError",
    "ShelfGoneError",
    "ValkeyShelf",
    "open_shelf",
]


def open_shelf(where: str, *, timeout: float = 2.0, retries: int = 2, ttl: int = 0) -> Shelf:
    """The shelf at valkey://, redis:// (TLS: valkeys://, rediss://), unix://, or in a folder (a path).

    Raises `ConfigError`, `MissingPartError`. Nothing is connected yet.
    """
    if "://" in where:
        return ValkeyShelf(where, timeout=timeout, retries=retries, ttl=ttl)
    return FolderShelf(Path(where).expanduser())
