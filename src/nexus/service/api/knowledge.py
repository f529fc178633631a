"""Documents: add, list, search, forget. Sessions and the index have routes of their own beside these."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from nexus.core.errors import InvalidInputError
from nexus.cortex.expected import SHOWN
from nexus.cortex.ledger import KINDS, ObjectKind
from nexus.cortex.likelihood import CANDIDATES
from nexus.cortex.retriever import Result
from nexus.service.answer import run
from nexus.service.api import index, sessions
from nexus.service.api.ingesting import reading
from nexus.service.api.streaming import collect, daemon_of, submit
from nexus.service.api.where import WhereBody, absolute
from nexus.service.daemon import Daemon
from nexus.service.drafting import drafted
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
    expected: str = Field(
        default="",
        max_length=10_000,
        description="How the answer may read, right or wrong: finds what says it in other words.",
    )
    draft: bool = Field(default=False, description="Have the model write `expected`.")
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
    if body.draft and body.expected.strip():
        raise InvalidInputError(
            "expected is given, and draft asks the model to write it", hint="leave one of them out"
        )
    daemon, where = daemon_of(request), body.filter()

    def search(limit: int, expected: str) -> list[Result]:
        return daemon.cortex.recall(body.query, limit, tuple(body.kinds), where, expected)

    if not (body.draft or body.rerank):
        found = await asyncio.to_thread(search, body.limit, body.expected)
        return {"results": [_result(r) for r in found]}

    def work(stream: Stream, job: Job) -> None:
        run(daemon, stream, job, lambda: _by_model(daemon, body, search, job))

    stream, _ = submit(request, Lane.ENGINE, Priority.INTERACTIVE, work)
    return (await collect(request, stream))["done"]


def _by_model(
    daemon: Daemon, body: RecallBody, search: Callable[[int, str], list[Result]], job: Job
) -> dict[str, Any]:
    """What is found with the model's help, and what it expected where it was asked that."""
    expected = body.expected
    if body.draft:
        expected = drafted(daemon, body.query, partial(search, SHOWN), job)
    results = search(max(body.limit, CANDIDATES) if body.rerank else body.limit, expected)
    if body.rerank:
        results = reranked(daemon, body.query, results, job)[: body.limit]
    return {
        "results": [_result(r) for r in results],
        **({"expected": expected} if body.draft else {}),
    }


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
