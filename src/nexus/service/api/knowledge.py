"""Documents: add, list, search, forget. Sessions and the index have routes of their own beside these."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from nexus.cortex.ledger import KINDS, ObjectKind
from nexus.cortex.likelihood import CANDIDATES
from nexus.cortex.retriever import Result
from nexus.service.answer import run
from nexus.service.api import index, sessions
from nexus.service.api.ingesting import reading
from nexus.service.api.streaming import collect, daemon_of, submit
from nexus.service.api.where import WhereBody, absolute
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.reranking import reranked
from nexus.service.stream import Stream

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

router = APIRouter(prefix="/api")
router.include_router(sessions.router)
router.include_router(index.router)


class PathsBody(BaseModel):
    """Absolute paths on this machine."""

    model_config = ConfigDict(extra="forbid")
    paths: list[str] = Field(min_length=1, max_length=1000)


class PathBody(BaseModel):
    """One absolute path."""

    model_config = ConfigDict(extra="forbid")
    path: str


class RecallBody(WhereBody):
    """What to look for, of which kinds, and where."""

    query: str = Field(max_length=100_000)
    limit: int = Field(default=10, ge=1, le=100)
    kinds: list[ObjectKind] = Field(default=list(KINDS), min_length=1)
    rerank: bool = Field(
        default=False,
        description="Have the model read the best twenty (or `limit`, where that is more) and order them.",
    )


@router.get("/knowledge")
async def list_knowledge(request: Request) -> dict[str, Any]:
    """The folders that were added."""
    cortex = daemon_of(request).cortex
    roots = await asyncio.to_thread(cortex.roots)
    counts = await asyncio.to_thread(cortex.counts)
    return {
        "roots": [{"path": path, "documents": n} for path, n in sorted(roots.items())],
        "documents": counts["documents"],
        "chunks": counts["chunks"],
    }


@router.post("/knowledge")
async def add_knowledge(request: Request, body: PathsBody) -> StreamingResponse:
    """Index files and folders: `progress` events, then `done` with one line a file."""
    paths = [absolute(path) for path in body.paths]
    return reading(request, lambda cortex, tell, cancel: cortex.add(paths, tell, cancel))


@router.delete("/knowledge")
async def forget_knowledge(request: Request, body: PathBody) -> dict[str, int]:
    """Take a file, a folder or a session out of the store; the files themselves stay."""
    daemon, path = daemon_of(request), absolute(body.path)

    def forget() -> int:
        sessions = [Path(each["path"]) for each in daemon.cortex.sessions()]
        removed = daemon.cortex.forget_documents(path)
        for session in sessions:
            if session.is_relative_to(path):
                daemon.learning.forget(session_id(session))
        return removed

    return {"removed": await asyncio.to_thread(forget)}


def session_id(transcript: Path) -> str:
    """The session that agents name a transcript after: its UUID where the name has one."""
    found = _UUID.search(transcript.stem)
    return found[0] if found else transcript.stem


@router.post("/recall")
async def recall(request: Request, body: RecallBody) -> dict[str, Any]:
    """Search documents, memories and sessions; every result explains its score."""
    daemon, where = daemon_of(request), body.filter()
    most = max(body.limit, CANDIDATES) if body.rerank else body.limit
    results = await asyncio.to_thread(daemon.cortex.recall, body.query, most, tuple(body.kinds), where)
    if not body.rerank:
        return {"results": [_result(r) for r in results]}

    def work(stream: Stream, job: Job) -> None:
        def ordered() -> dict[str, Any]:
            best = reranked(daemon, body.query, results, job)[: body.limit]
            return {"results": [_result(r) for r in best]}

        run(daemon, stream, job, ordered)

    stream, _ = submit(request, Lane.ENGINE, Priority.INTERACTIVE, work)
    return (await collect(request, stream))["done"]


def _result(result: Result) -> dict[str, Any]:
    chunk = result.chunk
    return {
        "point": chunk.point,
        "kind": chunk.kind,
        "path": chunk.path,
        "title": chunk.title,
        "heading": list(chunk.heading),
        "lines": [chunk.start_line, chunk.end_line],
        "project": chunk.project,
        "domain": chunk.domain,
        "said": chunk.said,
        "text": chunk.text,
        "score": round(result.scores.total, 4),
        "scores": result.scores.as_dict(),
    }
