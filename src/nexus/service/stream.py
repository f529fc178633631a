"""Events from a worker thread to one HTTP response.

The worker emits and never waits; the response reads in the event loop. When the reader goes away the
job's `cancel` is set, so the work stops. Invariant: what waits for a reader that is slow, or reads
nothing at all, is the text itself and a bounded number of events: pieces of text become one piece, and of
reports on progress the latest stays.
"""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

_POLL_SECONDS = 0.25
# So many events wait one by one; a reader that keeps up sees each.
_APART = 64
_TEXTS = frozenset({"token", "thinking", "output"})
_STATES = frozenset({"progress"})


class Event(NamedTuple):
    """A named piece of JSON."""

    name: str
    data: dict[str, Any]

    def sse(self) -> bytes:
        """The event as server-sent text."""
        return f"event: {self.name}\ndata: {json.dumps(self.data, ensure_ascii=False)}\n\n".encode()


class _Text:
    """Pieces of text that wait together. Costs what the text does, not what events do."""

    def __init__(self, first: Event) -> None:
        self._like = Event(first.name, {**first.data, "text": ""})
        self._text = io.StringIO()

    def add(self, event: Event) -> bool:
        """Take the event's text, unless it says anything else than the first did."""
        fits = event.name == self._like.name and {**event.data, "text": ""} == self._like.data
        if fits:
            self._text.write(event.data["text"])
        return fits

    def event(self) -> Event:
        return Event(self._like.name, {**self._like.data, "text": self._text.getvalue()})


class Emitter(Protocol):
    """Takes events."""

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Hand an event on."""


class Stream:
    """One producer thread, one reader in the event loop that made the stream."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Event | _Text | None] = deque()
        self._arrived = asyncio.Event()
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

    async def events(self, gone: Callable[[], Awaitable[bool]]) -> AsyncGenerator[Event]:
        """All events up to `finish`. `gone` says whether the client has left."""
        look = self._loop.time() + _POLL_SECONDS
        try:
            while True:
                if self._loop.time() >= look:
                    # By the clock: a client may also leave while events come without a pause.
                    if await gone():
                        return
                    look = self._loop.time() + _POLL_SECONDS
                if not self._waiting:
                    self._arrived.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._arrived.wait(), _POLL_SECONDS)
                    continue
                event = self._waiting.popleft()
                if event is None:
                    return
                yield event.event() if isinstance(event, _Text) else event
        finally:
            self.cancel.set()
            self._waiting.clear()

    def _put(self, event: Event | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._take_in, event)

    def _take_in(self, event: Event | None) -> None:
        if event is not None and len(self._waiting) >= _APART:
            last = self._waiting[-1]
            if event.name in _TEXTS:
                if not isinstance(last, _Text) or not last.add(event):
                    text = _Text(event)
                    text.add(event)
                    self._waiting.append(text)
                return
            if event.name in _STATES and isinstance(last, Event) and last.name == event.name:
                self._waiting[-1] = event
                return
        self._waiting.append(event)
        self._arrived.set()


class _Part:
    """Events of the answer `index` among several."""

    def __init__(self, stream: Stream, index: int) -> None:
        self._stream, self._index = stream, index

    def emit(self, name: str, data: dict[str, Any]) -> None:
        self._stream.emit(name, {"index": self._index, **data})
