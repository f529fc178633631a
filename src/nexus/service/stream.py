"""Events from a lane's thread to an HTTP response, and the news of a lost client back.

`Stream.emit` is called in the thread that works; `Stream.events` is read in the event loop. When the
reader goes away the job's `cancel` is set, so the work stops.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

_POLL_SECONDS = 0.25


class Event(NamedTuple):
    """A named piece of JSON."""

    name: str
    data: dict[str, Any]

    def sse(self) -> bytes:
        """The event as server-sent text."""
        return f"event: {self.name}\ndata: {json.dumps(self.data, ensure_ascii=False)}\n\n".encode()


class Emitter(Protocol):
    """Takes events."""

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Hand an event on."""


class Stream:
    """One producer thread, one reader in the event loop that made the stream."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.cancel = threading.Event()

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Hand an event to the reader. Harmless after the reader or the loop has gone."""
        self._put(Event(name, data))

    def part(self, index: int) -> Emitter:
        """The same stream for one of several answers: its events say which one."""
        return _Part(self, index)

    def finish(self) -> None:
        """No more events follow."""
        self._put(None)

    async def events(self, gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[Event]:
        """All events up to `finish`. `gone` says whether the client has left."""
        try:
            while True:
                try:
                    event = await asyncio.wait_for(self._queue.get(), _POLL_SECONDS)
                except TimeoutError:
                    if await gone():
                        return
                    continue
                if event is None:
                    return
                yield event
        finally:
            self.cancel.set()

    def _put(self, event: Event | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)


class _Part:
    """Events of the answer `index` among several."""

    def __init__(self, stream: Stream, index: int) -> None:
        self._stream, self._index = stream, index

    def emit(self, name: str, data: dict[str, Any]) -> None:
        self._stream.emit(name, {"index": self._index, **data})
