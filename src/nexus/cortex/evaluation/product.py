"""The product under test: a real Cortex in a home that is thrown away, and its parts.

The settings are the defaults, whatever the user has set, so that figures can be compared. This is the
one place that reaches for the parts behind the facade.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.candidates import Pool
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.embedders import Embedders
from nexus.cortex.filters import Filter
from nexus.cortex.ledger import Ledger, ObjectKind
from nexus.cortex.listener import Listener
from nexus.cortex.retriever import Retriever
from nexus.cortex.store import Store


@dataclass(frozen=True, slots=True)
class Product:
    """An open Cortex. `seed` ranks the same candidates by the formula of seed 004."""

    home: Home
    cortex: Cortex
    embedders: Embedders
    ledger: Ledger
    store: Store
    listener: Listener
    retriever: Retriever
    seed: Retriever

    def pool(self, question: str, kind: ObjectKind, where: Filter) -> Pool | None:
        """The candidates of one kind with all their scores; None when there are none."""
        return next(iter(self.retriever.pools(question, (kind,), where)), None)


def opened(home: Home, embedders: Embedders) -> Product:
    """Cortex with default settings in this home; the caller closes `cortex`."""
    home.create()
    cortex = Cortex(home, CortexSettings(), embedders)
    seed = Retriever(cortex.ledger, embedders, cortex._index, cortex._vectors, "seed004")
    return Product(
        home, cortex, embedders, cortex.ledger, cortex._store, cortex._listener, cortex.retriever, seed
    )


@contextmanager
def temporary(embedders: Embedders) -> Iterator[tuple[Product, Path]]:
    """A product in a new home, and a folder beside the home for files. Both are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        product = opened(Home(Path(folder) / "home"), embedders)
        files = Path(folder) / "files"
        files.mkdir()
        try:
            yield product, files
        finally:
            product.cortex.close()


def default_embedders(models: Path) -> Embedders:
    """The default embedders from a folder of models (`<models>/<name>/...`)."""
    documents, talk = default_names()
    reader = OnnxEmbedder(documents, models / documents)
    return Embedders(reader, reader if talk == documents else OnnxEmbedder(talk, models / talk))


def default_names() -> tuple[str, str]:
    """The catalog names of the models for documents and for talk."""
    settings = CortexSettings()
    return settings.embedder, settings.talk_embedder


def orders(pool: Pool) -> dict[str, list[str]]:
    """The points of a pool, best first, as simpler methods rank them: the controls.

    Their scores are exact for every candidate, and every one's own hundred best are candidates; so
    down to rank 100 these are the rankings that they would give over the whole store.
    """

    def best(values: NDArray[np.floating]) -> list[int]:
        return [int(row) for row in np.argsort(-np.nan_to_num(values, nan=-9.0), kind="stable")]

    by_words, by_context, by_meaning = best(pool.words), best(pool.context), best(pool.meaning)
    ranks = np.zeros(len(pool))
    for order in (by_words, by_meaning):
        ranks[order] += 1 / (61 + np.arange(len(pool)))
    named = {
        "BM25": by_words,
        "BM25 with context": by_context,
        "dense vectors": by_meaning,
        "RRF of BM25 and dense, k = 60": best(ranks),
    }
    return {name: [pool.points[row] for row in order] for name, order in named.items()}
