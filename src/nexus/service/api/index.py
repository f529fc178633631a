"""The index: its state, whether it is sound, filling it anew."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from nexus.cortex.cortex import Cortex
from nexus.service.api.ingesting import Tell, as_job
from nexus.service.api.streaming import daemon_of

router = APIRouter(prefix="/index")


@router.get("")
async def get_index(request: Request) -> dict[str, Any]:
    """What is known, what the index holds of it, and the folders it comes from."""
    daemon = daemon_of(request)
    cortex, settings = daemon.cortex, daemon.config.settings.cortex

    def state() -> dict[str, Any]:
        return {
            "counts": cortex.counts(),
            "index": cortex.index_name,
            "points": cortex.indexed(),
            "embedder": settings.embedder,
            "talk_embedder": settings.talk_embedder,
            "repairing": list(daemon.repairing) if daemon.repairing else None,
            "followed": settings.watch,
            "problem": daemon.watcher.problem,
            "roots": [{"path": path, "documents": n} for path, n in sorted(cortex.roots().items())],
        }

    return await asyncio.to_thread(state)


@router.post("/verify")
async def verify(request: Request) -> dict[str, Any]:
    """Compare files, ledger and index. Changes nothing."""
    found = await asyncio.to_thread(daemon_of(request).cortex.verify)
    return {"sound": found.sound, **asdict(found)}


@router.post("/rebuild")
async def rebuild(request: Request) -> StreamingResponse:
    """Fill the index anew from the ledger: `progress` events, then `done` with the points it holds.

    Stopping leaves an index without some of its points; the next start or rebuild adds them.
    """

    def work(cortex: Cortex, tell: Tell, cancel: threading.Event) -> dict[str, Any]:
        def step(done: int, total: int) -> bool:
            tell({"done": done, "total": total})
            return not cancel.is_set()

        return {"points": cortex.rebuild(step), "cancelled": cancel.is_set()}

    return as_job(request, work)
