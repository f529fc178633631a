"""Jobs as HTTP responses: submit, stream its events, or wait for the last one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from fastapi import Request
from starlette.responses import StreamingResponse

from nexus.core.errors import NexusError, revived
from nexus.service.asker import is_background, project_of, session_of
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Event, Stream
from nexus.service.traffic import CALLER

SSE_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def daemon_of(request: Request) -> Daemon:
    """The daemon of the app that got this request."""
    daemon = request.app.state.daemon
    assert isinstance(daemon, Daemon)
    return daemon


def submit(
    request: Request, lane: Lane, priority: Priority, work: Callable[[Stream, Job], None]
) -> tuple[Stream, int]:
    """Queue `work`. Returns its stream and how many jobs go before it. Raises `BusyError`."""
    stream = Stream()

    def run(job: Job) -> None:
        try:
            work(stream, job)
        finally:
            stream.finish()

    scope = request.scope
    job = Job(
        lane,
        priority,
        run,
        stream.cancel,
        scope.get(CALLER),
        session_of(scope),
        project_of(scope),
        is_background(scope),
    )
    return stream, daemon_of(request).submit(job)


async def events(request: Request, stream: Stream) -> AsyncGenerator[Event]:
    """The events of a stream for as long as the client listens."""
    async with aclosing(stream.events(request.is_disconnected)) as coming:
        async for event in coming:
            yield event


def as_sse(request: Request, stream: Stream, ahead: int = 0) -> StreamingResponse:
    """Stream everything as server-sent events."""

    async def body() -> AsyncIterator[bytes]:
        if ahead:
            yield Event("queued", {"ahead": ahead}).sse()
        async for event in events(request, stream):
            yield event.sse()

    return StreamingResponse(body(), media_type="text/event-stream", headers=SSE_HEADERS)


async def collected(request: Request, stream: Stream) -> AsyncIterator[Event]:
    """All events until the end. Raises what the job reported, and when the end is missing."""
    last = ""
    async for event in events(request, stream):
        if event.name == "error":
            error = event.data["error"]
            raise revived(error["code"], error["message"], error["hint"])
        last = event.name
        yield event
    if last != "done":
        raise NexusError("the client left before the end")


async def collect(request: Request, stream: Stream) -> dict[str, dict[str, object]]:
    """Wait for the end. Returns the last event of each name. Raises what the job reported."""
    return {event.name: event.data async for event in collected(request, stream)}
