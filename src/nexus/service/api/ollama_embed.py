"""Ollama's embeddings: the service's own embedders, under the names they have in the catalog.

Knows no store: what is embedded here is not kept. Invariant: a text is read to its end, however long it
is, so `truncate` changes nothing; a vector is sent with all its numbers or not at all.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from nexus.core.errors import InvalidInputError, NexusError
from nexus.cortex.embedder import Embedder
from nexus.service.api.fields import count_unknown
from nexus.service.api.ollama_fields import Body, not_found, plain_name
from nexus.service.api.streaming import daemon_of
from nexus.service.daemon import Daemon

router = APIRouter()
_SECOND = 10**9
# Texts at a time: between two of them the client is looked for.
_BATCH = 16
_MOST = 4096


class EmbedBody(Body):
    """`POST /api/embed`. `truncate`, `options` and `keep_alive` are accepted and change nothing."""

    model: str = Field(min_length=1, max_length=300)
    input: str | list[str] = Field(max_length=4_000_000)
    dimensions: int | None = Field(default=None, ge=1)

    def texts(self) -> list[str]:
        """What to embed; an empty text alone is a request to load the model. Raises `InvalidInputError`."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        if len(texts) > _MOST:
            raise InvalidInputError(f"input has {len(texts)} texts", hint=f"send at most {_MOST} at a time")
        return [] if texts == [""] else texts


class EmbeddingsBody(Body):
    """`POST /api/embeddings`, the older form with one text."""

    model: str = Field(min_length=1, max_length=300)
    prompt: str | None = Field(default=None, max_length=4_000_000)


def embedders_of(daemon: Daemon) -> dict[str, Embedder]:
    """The embedders by their names in the catalog. Raises `BusyError` while the service is starting."""
    settings, both = daemon.config.settings.cortex, daemon.cortex.embedders
    return {settings.embedder: both.documents, settings.talk_embedder: both.talk}


@router.post("/api/embed")
async def embed(request: Request, body: EmbedBody) -> dict[str, Any]:
    """One vector for each text, of length 1."""
    asked = time.monotonic()
    count_unknown(request, body)
    texts, embedder = body.texts(), _embedder(request, body.model)
    if body.dimensions not in (None, embedder.dimensions):
        raise InvalidInputError(
            f"dimensions = {body.dimensions} and {plain_name(body.model)} has {embedder.dimensions}",
            hint="leave it out: shortened vectors of this model mean something else",
        )
    rows, tokens = await _vectors(request, embedder, texts)
    total = round((time.monotonic() - asked) * _SECOND)
    return {
        "model": body.model,
        "embeddings": rows,
        "total_duration": total,
        "load_duration": 0,
        "prompt_eval_count": tokens,
    }


@router.post("/api/embeddings")
async def embeddings(request: Request, body: EmbeddingsBody) -> dict[str, Any]:
    """The vector of one text."""
    count_unknown(request, body)
    texts = [body.prompt] if body.prompt else []
    rows, _ = await _vectors(request, _embedder(request, body.model), texts)
    return {"embedding": rows[0] if rows else []}


def _embedder(request: Request, model: str) -> Embedder:
    known, name = embedders_of(daemon_of(request)), plain_name(model)
    if name not in known:
        raise not_found(name, known)
    return known[name]


async def _vectors(request: Request, embedder: Embedder, texts: list[str]) -> tuple[list[list[float]], int]:
    """The vectors and how many tokens were read for them."""

    def read(some: list[str]) -> tuple[list[list[float]], int]:
        made: list[list[float]] = embedder.passages(some).tolist()
        return made, sum(map(embedder.count, some))

    rows: list[list[float]] = []
    tokens = 0
    for at in range(0, len(texts), _BATCH):
        if at and await request.is_disconnected():
            raise NexusError("the client left before the end")
        some, count = await asyncio.to_thread(read, texts[at : at + _BATCH])
        rows += some
        tokens += count
    return rows, tokens
