"""Sessions of agents: take in, list. Forgetting one is forgetting its path (`DELETE /api/knowledge`)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.transcripts.sessions import Client, find_sessions, sessions_folder
from nexus.service.api.ingesting import reading
from nexus.service.api.streaming import daemon_of
from nexus.service.api.where import absolute

router = APIRouter()


class SessionsBody(BaseModel):
    """Files and folders with sessions, or clients whose own folders are looked through."""

    model_config = ConfigDict(extra="forbid")
    paths: list[str] = Field(default=[], max_length=100_000)
    clients: list[Client] = []


@router.get("/sessions")
async def list_sessions(request: Request) -> dict[str, Any]:
    """The sessions taken in, latest first."""
    return {"sessions": await asyncio.to_thread(daemon_of(request).cortex.sessions)}


@router.post("/sessions")
async def import_sessions(request: Request, body: SessionsBody) -> StreamingResponse:
    """Take in sessions: `progress` events, then `done` with one line a session."""
    if bool(body.paths) == bool(body.clients):
        raise InvalidInputError(
            "name either paths or clients", hint='{"clients": ["claude-code", "codex"]} takes all there are'
        )
    paths = [absolute(path) for path in body.paths]
    if body.clients:
        home = Path.home()
        paths = await asyncio.to_thread(find_sessions, home, body.clients)
        if not paths:
            folders = ", ".join(str(sessions_folder(client, home)) for client in body.clients)
            raise NotFoundError(f"there are no sessions in {folders}", hint="name their folder")
    return reading(request, lambda cortex, tell, cancel: cortex.import_sessions(paths, tell, cancel))
