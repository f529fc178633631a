"""Work on the index as a stream of events: `progress` as it goes, then `done` with the report.

Knows nothing of what is read or rebuilt. One such job runs at a time; the others wait in its lane.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import Request
from starlette.responses import StreamingResponse

from nexus.cortex.cortex import Cortex
from nexus.cortex.reporting import AddReport, Progress
from nexus.service.answer import run
from nexus.service.api.streaming import as_sse, daemon_of, submit
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Stream

Tell = Callable[[dict[str, Any]], None]
Work = Callable[[Cortex, Tell, threading.Event], dict[str, Any]]
Reading = Callable[[Cortex, Callable[[Progress], None], threading.Event], AddReport]


def as_job(request: Request, work: Work) -> StreamingResponse:
    """Queue `work(cortex, tell, cancel)`; what it tells are the `progress` events, its result is `done`."""
    daemon = daemon_of(request)

    def start(stream: Stream, job: Job) -> None:
        def tell(progress: dict[str, Any]) -> None:
            stream.emit("progress", progress)

        run(daemon, stream, job, lambda: work(daemon.cortex, tell, job.cancel))

    return as_sse(request, *submit(request, Lane.KNOWLEDGE, Priority.INGEST, start))


def reading(request: Request, read: Reading) -> StreamingResponse:
    """Queue what reads files; ends with one line a file."""

    def work(cortex: Cortex, tell: Tell, cancel: threading.Event) -> dict[str, Any]:
        report = read(cortex, lambda progress: tell(asdict(progress)), cancel)
        return {
            "counts": report.counts,
            "embedded": report.embedded,
            "cancelled": report.cancelled,
            "files": [asdict(file) for file in report.files],
        }

    return as_job(request, work)
