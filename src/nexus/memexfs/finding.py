"""How the tree asks for files by meaning: a question in, ranked files out.

The tree runs in a process of its own and asks over a socket (`nexus.memexfs.link`); whoever answers holds
the models and vectors. Paths are those under files/, as bytes, without a leading slash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Found(NamedTuple):
    """A file that fits. `score` is between 0 and 1 and comparable within one answer only; `parts` says how it
    came about, by the names of the lists and blocks; `passage` is the text in it that fits best, if any."""

    path: bytes
    score: float
    parts: Mapping[str, float]
    passage: str = ""


class Finder(Protocol):
    """Raises `NexusError` where it cannot answer: `MissingPartError` while nobody does."""

    def search(
        self, text: str, limit: int = 50, *, under: bytes = b"", weights: Mapping[str, float] | None = None
    ) -> list[Found]:
        """Files about `text`, best first. `weights` are of the four blocks (`nexus.memexfs.blocks`)."""

    def similar(self, path: bytes, limit: int = 50) -> list[Found]:
        """Files like this one, without it. Raises `NotFoundError` where it is not indexed."""
