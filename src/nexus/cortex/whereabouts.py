"""Where documents that came as text (`nexus.cortex.texts`) can be opened on this machine, now.

Whoever gives such texts knows it; what is recalled then names a place that its reader can open. Knows nothing
of mounts. Invariant: only paths change, neither which passages are found nor their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from nexus.cortex.filters import Filter
from nexus.cortex.ledger import ObjectKind
from nexus.cortex.retriever import Result

Find = Callable[[str, int, Sequence[ObjectKind], Filter | None], list[Result]]


class Whereabouts(Protocol):
    """Never raises; any thread may ask."""

    def opened(self, path: str) -> str:
        """The place of the document at `path`; `path` itself where it is none of its own, or nowhere."""

    def named(self, place: str) -> str:
        """The document's path of a place, a folder too; the place itself where it is none of its own."""


def elsewhere(
    known: Whereabouts | None,
    find: Find,
    query: str,
    limit: int,
    kinds: Sequence[ObjectKind],
    where: Filter | None,
) -> list[Result]:
    """What `find` finds, asked and told by places."""
    if known is None:
        return find(query, limit, kinds, where)
    if where is not None and where.path:
        where = replace(where, path=known.named(where.path))
    return [_opened(result, known) for result in find(query, limit, kinds, where)]


def _opened(result: Result, known: Whereabouts) -> Result:
    chunk = result.chunk
    place = known.opened(chunk.path) if chunk.kind == "document" else chunk.path
    return result if place == chunk.path else replace(result, chunk=replace(chunk, path=place))
