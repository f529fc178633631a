"""Texts to vectors for clients, with the models that read knowledge, in the knowledge lane.

Does not know which interface is spoken. Invariants: the work stops when the client leaves; a text is
embedded whole, however long it is; what is too much for one request is refused before it is begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nexus.core.errors import InvalidInputError, NexusError, NotFoundError
from nexus.cortex.embedder import Embedder
from nexus.cortex.late import Matrix
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job

MOST_TEXTS = 2048
MOST_CHARACTERS = 2_000_000
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Vectors:
    """`matrix` (n, dimensions) float32, rows of length 1; `tokens` of all texts together."""

    matrix: Matrix
    tokens: int


def embedder_names(daemon: Daemon) -> list[str]:
    """The models that make vectors: that of documents, then that of talk."""
    settings = daemon.config.settings.cortex
    return list(dict.fromkeys((settings.embedder, settings.talk_embedder)))


def check_embedder(daemon: Daemon, name: str) -> None:
    """Raise `NotFoundError` for a model that makes no vectors here."""
    known = embedder_names(daemon)
    if name not in known:
        raise NotFoundError(f"no embedding model {name!r}", hint=f"there are {', '.join(known)}")


def check_texts(texts: Sequence[str], where: str) -> None:
    """Raise `InvalidInputError` for texts that are empty, too many or too long for one request."""
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise InvalidInputError(f"{where} holds {len(texts)} texts", hint=f"send 1 to {MOST_TEXTS}")
    for number, text in enumerate(texts):
        if not text.strip():
            raise InvalidInputError(f"{where}.{number} is empty", hint="leave it out")
    total = sum(map(len, texts))
    if total > MOST_CHARACTERS:
        raise InvalidInputError(
            f"{where} holds {total} characters", hint=f"send at most {MOST_CHARACTERS} at once"
        )


def embedder_of(daemon: Daemon, name: str) -> Embedder:
    """The model called `name`. Raises `NotFoundError`, and what `Daemon.cortex` raises."""
    check_embedder(daemon, name)
    embedders = daemon.cortex.embedders
    return embedders.documents if name == embedder_names(daemon)[0] else embedders.talk


def embed(embedder: Embedder, texts: Sequence[str], job: Job) -> Vectors:
    """Vectors of texts as passages, in their order. Raises `NexusError` where the client has left."""
    rows, tokens = [], 0
    for start in range(0, len(texts), _AT_ONCE):
        if job.cancel.is_set():
            raise NexusError("the client left before the end")
        some = texts[start : start + _AT_ONCE]
        rows.append(embedder.passages(some))
        tokens += sum(map(embedder.count, some))
    return Vectors(np.concatenate(rows), tokens)
