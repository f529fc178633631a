"""Documents: add, list, search, forget."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from nexus.core.errors import InvalidInputError
from nexus.cortex.retriever import Result
from nexus.service.answer import run
from nexus.service.api.streaming import as_sse, daemon_of, submit
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Stream

router = APIRouter(prefix="/api")


class PathsBody(BaseModel):
    """Absolute paths on this machine."""

    model_config = ConfigDict(extra="forbid")
    paths: list[str] = Field(min_length=1, max_length=1000)


class PathBody(BaseModel):
    """One absolute path."""

    model_config = ConfigDict(extra="forbid")
    path: str


class RecallBody(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid")
    query: str = Field(max_length=100_000)
    limit: int = Field(default=10, ge=1, le=100)
    kinds: list[Literal["document", "memory"]] = ["document", "memory"]


@router.get("/knowledge")
async def list_knowledge(request: Request) -> dict[str, Any]:
    """The folders that were added."""
    cortex = daemon_of(request).cortex
    roots = await asyncio.to_thread(cortex.roots)
    counts = cortex.counts()
    return {
        "roots": [{"path": path, "documents": n} for path, n in sorted(roots.items())],
        "documents": counts["documents"],
        "chunks": counts["chunks"],
    }


@router.post("/knowledge")
async def add_knowledge(request: Request, body: PathsBody) -> StreamingResponse:
    """Index files and folders: `progress` events, then `done` with one line a file."""
    paths = [_absolute(path) for path in body.paths]
    daemon = daemon_of(request)
    stream, ahead = submit(
        request, Lane.KNOWLEDGE, Priority.INGEST, lambda s, job: _add(daemon, paths, s, job)
    )
    return as_sse(request, stream, ahead)


@router.delete("/knowledge")
async def forget_knowledge(request: Request, body: PathBody) -> dict[str, int]:
    """Take a file or folder out of the store; the files themselves stay."""
    cortex = daemon_of(request).cortex
    return {"removed": await asyncio.to_thread(cortex.forget_documents, _absolute(body.path))}


@router.post("/recall")
async def recall(request: Request, body: RecallBody) -> dict[str, Any]:
    """Search documents and memories; every result explains its score."""
    cortex = daemon_of(request).cortex
    results = await asyncio.to_thread(cortex.recall, body.query, body.limit, tuple(body.kinds))
    return {"results": [_result(r) for r in results]}


def _add(daemon: Daemon, paths: list[Path], stream: Stream, job: Job) -> None:
    def work() -> dict[str, Any]:
        report = daemon.cortex.add(paths, lambda p: stream.emit("progress", asdict(p)), job.cancel)
        return {
            "counts": report.counts,
            "embedded": report.embedded,
            "cancelled": report.cancelled,
            "files": [asdict(f) for f in report.files],
        }

    run(daemon, stream, job, work)


def _absolute(path: str) -> Path:
    if not path.startswith("/") or "\0" in path:
        raise InvalidInputError(f"{path!r} is not an absolute path", hint="start with /")
    return Path(path).resolve()


def _result(result: Result) -> dict[str, Any]:
    chunk = result.chunk
    return {
        "point": chunk.point,
        "kind": chunk.kind,
        "path": chunk.path,
        "heading": list(chunk.heading),
        "lines": [chunk.start_line, chunk.end_line],
        "text": chunk.text,
        "score": round(result.scores.total, 4),
        "scores": {k: round(v, 4) for k, v in asdict(result.scores).items()},
    }
