"""Memories and proposals: list, add, edit, supersede, forget, approve, out and in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from nexus.cortex.keeping import Judged
from nexus.cortex.memory import Confidence, Domain, Memory, MemoryType
from nexus.service import approval
from nexus.service.api import projects
from nexus.service.api.streaming import daemon_of
from nexus.service.api.where import WhereBody, absolute, folder

router = APIRouter(prefix="/api")
router.include_router(projects.router)


class MemoryBody(BaseModel):
    """A new memory, in the words of seed 004's schema. `share` writes it into the project's folder."""

    model_config = ConfigDict(extra="forbid")
    learning: str
    context: str = Field(default="", max_length=4000)
    type: MemoryType = "factual"
    domain: Domain | None = None
    confidence: Confidence = "high"
    project: str = Field(default="", max_length=4096)
    share: bool = False


class MemoryChanges(BaseModel):
    """What to change of a memory; what is absent stays. An empty time takes the bound away."""

    model_config = ConfigDict(extra="forbid")
    learning: str | None = None
    context: str | None = Field(default=None, max_length=4000)
    type: MemoryType | None = None
    domain: Domain | None = None
    confidence: Confidence | None = None
    verified: bool | None = None
    project: str | None = Field(default=None, max_length=4096)
    valid_from: str | None = Field(default=None, max_length=40)
    valid_to: str | None = Field(default=None, max_length=40)


class SupersedeBody(BaseModel):
    """What is true now, or the id of the memory that says it."""

    model_config = ConfigDict(extra="forbid")
    learning: str
    context: str = Field(default="", max_length=4000)


class ApproveBody(BaseModel):
    """`keep_old` keeps what the proposal contradicts valid beside it."""

    model_config = ConfigDict(extra="forbid")
    keep_old: bool = False


class ListBody(WhereBody):
    """What to list, and in which order."""

    by: Literal["time", "regret"] = "time"


class PlaceBody(BaseModel):
    """An absolute path on this machine."""

    model_config = ConfigDict(extra="forbid")
    path: str = Field(max_length=4096)


@router.get("/memories")
async def list_memories(request: Request, body: Annotated[ListBody, Query()]) -> dict[str, Any]:
    """Memories and what waits for approval, newest first. Restrictions stand in the query.

    `by=regret` gives each memory the `regret` of losing it, least first, and says in `forgettable` and
    `why` what could go. Nothing is deleted.
    """
    cortex, where = daemon_of(request).cortex, body.filter()
    memories: Sequence[Memory | Judged]
    if body.by == "regret":
        memories = await asyncio.to_thread(cortex.keeping.judged, where)
    else:
        memories = await asyncio.to_thread(cortex.memories, where)
    proposals = await asyncio.to_thread(approval.waiting, cortex)
    if where.project:
        proposals = [p for p in proposals if p["project"] in ("", where.project)]
    return {"memories": [m.as_dict() for m in memories], "proposals": proposals}


@router.post("/memories", status_code=201)
async def remember(request: Request, body: MemoryBody) -> dict[str, Any]:
    """Store a memory; it is on disk and found when this returns. `contradicts` names what it denies."""
    cortex = daemon_of(request).cortex
    fields = body.model_dump(exclude={"learning"}) | {"project": folder(body.project)}
    memory = await asyncio.to_thread(lambda: cortex.remember(body.learning, **fields))
    return memory.as_dict()


@router.post("/memories/export")
async def export(request: Request, body: PlaceBody) -> dict[str, Any]:
    """Write all own memories to a folder, or to one file that ends in .jsonl."""
    target = absolute(body.path)
    written = await asyncio.to_thread(daemon_of(request).cortex.memories_of.export, target)
    return {"memories": written, "path": str(target)}


@router.post("/memories/import")
async def import_from(request: Request, body: PlaceBody) -> dict[str, Any]:
    """Take in what an export wrote; what is there already stays as it is."""
    source = absolute(body.path)
    report = await asyncio.to_thread(daemon_of(request).cortex.memories_of.import_from, source)
    return asdict(report)


@router.get("/memories/{memory_id}")
async def get_memory(request: Request, memory_id: str) -> dict[str, Any]:
    """One memory."""
    memory = await asyncio.to_thread(daemon_of(request).cortex.memory, memory_id)
    return memory.as_dict()


@router.patch("/memories/{memory_id}")
async def edit_memory(request: Request, memory_id: str, body: MemoryChanges) -> dict[str, Any]:
    """Change fields of a memory."""
    cortex = daemon_of(request).cortex
    changes = body.model_dump(exclude_none=True)
    if "project" in changes:
        changes["project"] = folder(changes["project"])
    memory = await asyncio.to_thread(lambda: cortex.edit(memory_id, **changes))
    return memory.as_dict()


@router.delete("/memories/{memory_id}")
async def forget_memory(request: Request, memory_id: str) -> dict[str, str]:
    """Delete a memory for good."""
    await asyncio.to_thread(daemon_of(request).cortex.forget, memory_id)
    return {"forgotten": memory_id}


@router.post("/memories/{memory_id}/supersede", status_code=201)
async def supersede(request: Request, memory_id: str, body: SupersedeBody) -> dict[str, Any]:
    """End a memory now and let another take its place. The old one stays readable."""
    cortex = daemon_of(request).cortex
    memory = await asyncio.to_thread(
        lambda: approval.supersede(cortex, memory_id, body.learning, context=body.context)
    )
    return memory.as_dict()


@router.get("/proposals")
async def list_proposals(request: Request) -> dict[str, Any]:
    """What waits for approval, newest day first, with the memories it contradicts."""
    return {"proposals": await asyncio.to_thread(approval.waiting, daemon_of(request).cortex)}


@router.post("/proposals/{proposal_id}/approve", status_code=201)
async def approve(request: Request, proposal_id: str, body: ApproveBody | None = None) -> dict[str, Any]:
    """Make a proposal a memory. What it contradicts is superseded unless that is to be kept."""
    cortex = daemon_of(request).cortex
    keep_old = bool(body and body.keep_old)
    memory = await asyncio.to_thread(lambda: cortex.approve(proposal_id, supersede=not keep_old))
    return memory.as_dict()


@router.post("/proposals/{proposal_id}/reject")
async def reject(request: Request, proposal_id: str) -> dict[str, str]:
    """Drop a proposal; it does not come back."""
    await asyncio.to_thread(daemon_of(request).cortex.reject, proposal_id)
    return {"rejected": proposal_id}
