"""OpenAI's embeddings: texts to vectors with the models that read knowledge.

Invariant: what cannot be done (token ids, shorter vectors) is refused before anything is queued.
"""

from __future__ import annotations

import base64
from typing import Any, Literal

from fastapi import APIRouter, Request

from nexus.core.errors import InvalidInputError
from nexus.cortex.embedder import SPECS
from nexus.service.answer import run
from nexus.service.api.fields import Body, count_unknown
from nexus.service.api.sound import sound
from nexus.service.api.streaming import collect, daemon_of, submit
from nexus.service.embedding import Vectors, check_embedder, check_texts, embed, embedder_of
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Stream

router = APIRouter(prefix="/v1")


class EmbeddingsBody(Body):
    """`POST /v1/embeddings`; unknown fields are accepted and counted."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


@router.post("/embeddings")
async def embeddings(request: Request, body: EmbeddingsBody) -> dict[str, Any]:
    """A vector for each text, of length 1."""
    daemon = daemon_of(request)
    check_embedder(daemon, body.model)
    texts = texts_of(body.input, "input")
    check_texts(texts, "input")
    size = SPECS[body.model].dimensions
    if body.dimensions not in (None, size):
        raise InvalidInputError(
            f"dimensions = {body.dimensions}, but the vectors of {body.model} have {size}",
            hint="leave dimensions out, or shorten them yourself",
        )
    count_unknown(request, body)

    def work(stream: Stream, job: Job) -> None:
        def made() -> dict[str, Any]:
            return {"vectors": embed(embedder_of(daemon, body.model), texts, job)}

        run(daemon, stream, job, made)

    stream, _ = submit(request, Lane.KNOWLEDGE, Priority.AGENT, work)
    done: Any = (await collect(request, stream))["done"]
    vectors: Vectors = done["vectors"]
    packed = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode() if packed else row.tolist(),
        }
        for index, row in enumerate(vectors.matrix)
    ]
    usage = {"prompt_tokens": vectors.tokens, "total_tokens": vectors.tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


def texts_of(given: str | list[str] | list[int] | list[list[int]], where: str) -> list[str]:
    """The texts. Raises `InvalidInputError` for token ids, which belong to a vocabulary of somebody else."""
    texts = []
    for number, text in enumerate([given] if isinstance(given, str) else given):
        if not isinstance(text, str):
            raise InvalidInputError(
                f"{where} is a list of token ids, which are not read here", hint="send the text itself"
            )
        texts.append(sound(text, f"{where}.{number}"))
    return texts
