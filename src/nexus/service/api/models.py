"""Models: which there are, fetch one, remove one. What `nexus models` does, over HTTP.

Invariants: only what the catalog names is fetched, checked as the installer checks it; one at a time, in a
lane of its own; a model that the service reads from is not removed; what is stopped goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from nexus.core.errors import BusyError, NexusError
from nexus.core.models.catalog import find
from nexus.core.models.installer import Installer
from nexus.cortex.conversions import CONVERTERS
from nexus.service.answer import run
from nexus.service.api.streaming import as_sse, daemon_of, submit
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.model_shelf import refuse_used, shelf, store_of
from nexus.service.stream import Stream

router = APIRouter(prefix="/api/models")


class StoppedError(NexusError):
    """The client has left, or the service ends; what has arrived stays."""

    code = "stopped"
    http_status = 409


@router.get("")
async def list_models(request: Request) -> dict[str, Any]:
    """The catalog and the store, what is in use and what is loaded."""
    return await asyncio.to_thread(shelf, daemon_of(request))


@router.post("/{name}/pull")
async def pull(request: Request, name: str) -> StreamingResponse:
    """Install a model: `progress` and `note` events, then `done`. Ends when the client leaves."""
    daemon = daemon_of(request)
    find(name)

    def start(stream: Stream, job: Job) -> None:
        run(daemon, stream, job, lambda: _install(daemon, name, stream, job))

    return as_sse(request, *submit(request, Lane.DOWNLOAD, Priority.INGEST, start))


@router.delete("/{name}")
async def remove(request: Request, name: str) -> dict[str, int]:
    """Delete a model, and what an interrupted download left of it."""
    daemon = daemon_of(request)
    refuse_used(daemon, name)
    return {"freed": await asyncio.to_thread(store_of(daemon).remove, name)}


def _install(daemon: Daemon, name: str, stream: Stream, job: Job) -> dict[str, Any]:
    settings = daemon.config.settings.models
    installer = Installer(
        store_of(daemon), search_path=settings.search_path, order=settings.sources, converters=CONVERTERS
    )

    def arrived(done: int, total: int | None) -> None:
        if job.cancel.is_set():
            raise StoppedError(f"fetching {name} was stopped", hint="what has arrived is kept")
        stream.emit("progress", {"done": done, "total": total})

    def tell(text: str) -> None:
        stream.emit("note", {"text": text})

    done = installer.pull(name, progress=arrived, notify=tell)
    with contextlib.suppress(BusyError):  # it is tried again with the next question
        daemon.load_model()
    return {"name": name, "fetched": done.fresh, "notes": list(done.notes)}
