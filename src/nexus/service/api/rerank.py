"""Texts in the order in which they answer a question, in the shape of Cohere's and Jina's interface.

Invariant: the score of a text does not depend on `top_n` or on the order in which the texts were sent.
"""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from nexus.core.errors import InvalidInputError
from nexus.cortex.reranking import relevance
from nexus.service.answer import run
from nexus.service.api.fields import Body, count_unknown
from nexus.service.api.sound import sound
from nexus.service.api.streaming import collect, daemon_of, submit
from nexus.service.embedding import check_embedder, check_texts, embed, embedder_names, embedder_of
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Stream

router = APIRouter()
MOST_QUERY = 8192


class Document(Body):
    """A text, as an object."""

    text: str


class RerankBody(Body):
    """`POST /v1/rerank`; unknown fields are accepted and counted."""

    query: str
    documents: list[str | Document]
    model: str | None = None
    top_n: int | None = Field(default=None, ge=1)
    return_documents: bool | None = None


@router.post("/rerank")
@router.post("/v1/rerank")
async def rerank(request: Request, body: RerankBody) -> dict[str, Any]:
    """The texts, best first, each with its score between 0 and 1."""
    daemon = daemon_of(request)
    model = body.model or embedder_names(daemon)[0]
    check_embedder(daemon, model)
    texts = [
        sound(one if isinstance(one, str) else one.text, f"documents.{number}")
        for number, one in enumerate(body.documents)
    ]
    check_texts(texts, "documents")
    if not body.query.strip() or len(body.query) > MOST_QUERY:
        raise InvalidInputError(
            f"query has {len(body.query)} characters", hint=f"send a question of 1 to {MOST_QUERY}"
        )
    query = sound(body.query, "query")
    count_unknown(request, body)

    def work(stream: Stream, job: Job) -> None:
        def made() -> dict[str, Any]:
            embedder = embedder_of(daemon, model)
            vectors = embed(embedder, texts, job)
            scores = relevance(embedder, query, vectors.matrix, texts)
            return {"scores": scores.tolist(), "tokens": vectors.tokens + embedder.count(query)}

        run(daemon, stream, job, made)

    stream, _ = submit(request, Lane.KNOWLEDGE, Priority.AGENT, work)
    done: Any = (await collect(request, stream))["done"]
    scores, tokens = done["scores"], done["tokens"]
    # Of equals the one that was sent first.
    order = sorted(range(len(texts)), key=lambda index: (-scores[index], index))
    with_text = body.return_documents is not False
    return {
        "id": f"rerank-{secrets.token_hex(12)}",
        "model": model,
        "results": [
            {
                "index": index,
                "relevance_score": round(scores[index], 6),
                **({"document": {"text": texts[index]}} if with_text else {}),
            }
            for index in order[: body.top_n]
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
