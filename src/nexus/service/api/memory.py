"""Memories and proposals: list, add, edit, approve, forget."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from nexus.cortex.memory import Confidence, Domain, MemoryType
from nexus.service.api.streaming import daemon_of

router = APIRouter(prefix="/api")


class MemoryBody(BaseModel):
    """A new memory, in the words of seed 004's schema."""

    model_config = ConfigDict(extra="forbid")
    learning: str
    context: str = Field(default="", max_length=4000)
    type: MemoryType = "factual"
    domain: Domain | None = None
    confidence: Confidence = "high"
    project: str = Field(default="", max_length=4096)


class MemoryChanges(BaseModel):
    """What to change of a memory; what is absent stays."""

    model_config = ConfigDict(extra="forbid")
    learning: str | None = None
    context: str | None = Field(default=None, max_length=4000)
    type: MemoryType | None = None
    domain: Domain | None = None
    confidence: Confidence | None = None
    verified: bool | None = None


@router.get("/memories")
async def list_memories(request: Request) -> dict[str, Any]:
    """All memories and what waits for approval, newest first."""
    cortex = daemon_of(request).cortex
    memories = await asyncio.to_thread(cortex.memories)
    return {
        "memories": [m.as_dict() for m in memories],
        "proposals": [p.as_dict() for p in cortex.proposals()],
    }


@router.post("/memories", status_code=201)
async def remember(request: Request, body: MemoryBody) -> dict[str, Any]:
    """Store a memory; it is on disk and found when this returns."""
    cortex = daemon_of(request).cortex
    fields = body.model_dump(exclude={"learning"})
    memory = await asyncio.to_thread(lambda: cortex.remember(body.learning, **fields))
    return memory.as_dict()


@router.get("/memories/{memory_id}")
async def get_memory(request: Request, memory_id: str) -> dict[str, Any]:
    """One memory."""
    return daemon_of(request).cortex.memory(memory_id).as_dict()


@router.patch("/memories/{memory_id}")
async def edit_memory(request: Request, memory_id: str, body: MemoryChanges) -> dict[str, Any]:
    """Change fields of a memory."""
    cortex = daemon_of(request).cortex
    changes = body.model_dump(exclude_none=True)
    memory = await asyncio.to_thread(lambda: cortex.edit(memory_id, **changes))
    return memory.as_dict()


@router.delete("/memories/{memory_id}")
async def forget_memory(request: Request, memory_id: str) -> dict[str, str]:
    """Delete a memory for good."""
    await asyncio.to_thread(daemon_of(request).cortex.forget, memory_id)
    return {"forgotten": memory_id}


@router.post("/proposals/{proposal_id}/approve", status_code=201)
async def approve(request: Request, proposal_id: str) -> dict[str, Any]:
    """Make a proposal a memory."""
    memory = await asyncio.to_thread(daemon_of(request).cortex.approve, proposal_id)
    return memory.as_dict()


@router.post("/proposals/{proposal_id}/reject")
async def reject(request: Request, proposal_id: str) -> dict[str, str]:
    """Drop a proposal; it does not come back."""
    await asyncio.to_thread(daemon_of(request).cortex.reject, proposal_id)
    return {"rejected": proposal_id}
