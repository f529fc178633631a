"""The memories that travel with a project: what waits in its `.cortex` folder, approving it, taking it back.

They are text from strangers until the user has seen it: what is approved is an exact content.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from nexus.core.errors import NotFoundError
from nexus.cortex.project_memories import display
from nexus.service.api.streaming import daemon_of
from nexus.service.api.where import absolute

router = APIRouter(prefix="/projects")


class ProjectBody(BaseModel):
    """The folder of a project."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(max_length=4096)


class ContentsBody(ProjectBody):
    """Which contents were seen and are approved, by the SHA-256 of their files."""

    contents: list[str] = Field(min_length=1, max_length=5000)


@router.get("/memories")
async def list_waiting(request: Request, path: str) -> dict[str, Any]:
    """What waits in a project with its full text, and what was left alone there and why."""
    project, remembering = _project(path), daemon_of(request).cortex.memories_of
    waiting = await asyncio.to_thread(remembering.waiting, project)
    scan = await asyncio.to_thread(remembering.scan_project, project)
    return {
        "project": str(project),
        "known": len(scan.memories),
        "waiting": [{"sha256": w.sha256, "file": display(w.path), **w.memory.as_dict()} for w in waiting],
        "problems": [str(problem) for problem in scan.problems],
    }


@router.post("/approve", status_code=201)
async def approve(request: Request, body: ContentsBody) -> dict[str, Any]:
    """Let these memories of a project be recalled. Refused when one has changed since it was shown."""
    project, remembering = _project(body.path), daemon_of(request).cortex.memories_of
    memories = await asyncio.to_thread(remembering.approve_project, project, body.contents)
    return {"approved": [memory.id for memory in memories]}


@router.post("/withdraw")
async def withdraw(request: Request, body: ProjectBody) -> dict[str, int]:
    """Take back every approval for a project. Its files stay as they are."""
    project, remembering = absolute(body.path), daemon_of(request).cortex.memories_of
    return {"withdrawn": await asyncio.to_thread(remembering.withdraw_project, project)}


def _project(path: str) -> Path:
    project = absolute(path)
    if not project.is_dir():
        raise NotFoundError(f"{project} is not a folder", hint="name the folder of a project")
    return project
