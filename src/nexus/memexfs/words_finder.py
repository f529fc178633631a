"""Finding files by words alone: what answers where nobody can compare meanings.

Knows the store's words (FTS5), no vectors. Invariant: needs neither a model nor the service.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nexus.core.errors import NotFoundError
from nexus.memexfs.finding import Found
from nexus.memexfs.names import base

if TYPE_CHECKING:
    from nexus.memexfs.store import Store

_TELLING = 600  # characters of a file's beginning that it is compared by


class WordsFinder:
    """A `Finder` over `Store.matching`. A score is the share of that of the best file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search(
        self, text: str, limit: int = 50, *, under: bytes = b"", weights: Mapping[str, float] | None = None
    ) -> list[Found]:
        """Files with the words of `text`, best first; `weights` are of vectors and change nothing here."""
        matches = self._store.matching(text, limit, under)
        best = max((match.score for match in matches), default=0.0)
        shares = [match.score / best if best > 0 else 1.0 for match in matches]
        return [
            Found(match.path, share, {"words": share}, match.passage)
            for match, share in zip(matches, shares, strict=True)
        ]

    def similar(self, path: bytes, limit: int = 50) -> list[Found]:
        """Files that share words with the beginning of this one: its title, summary, text and name. Raises
        `NotFoundError`."""
        row = self._store.file(path)
        if row is None:
            raise NotFoundError(
                f"files/{os.fsdecode(path)} is not known", hint="it is read soon; try again then"
            )
        stem = os.path.splitext(os.fsdecode(base(path)))[0]  # noqa: PTH122 (of a name, no path)
        text = " ".join(passage.text for passage in self._store.passages_of(path)[:1])
        found = self.search(f"{row.title} {row.summary} {text[:_TELLING]} {stem}", limit + 1)
        return [one for one in found if one.path != path][:limit]
