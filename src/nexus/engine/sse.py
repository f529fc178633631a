"""Server-sent events out of a byte stream, as the WHATWG HTML standard (9.2.6) defines them.

Knows nothing of JSON or chat. Invariant: how the bytes are split into chunks never changes the
events. Lines are cut as bytes and decoded whole, so a character split over two chunks survives.
Two liberties: only `data` fields are kept, and an event that the end of the stream leaves without
its blank line is still delivered, as servers that close right after `[DONE]` need it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nexus.core.errors import EngineError

MAX_EVENT_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


class EventStream:
    """Feed it chunks, get the data of each complete event."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._line = bytearray()
        self._data: list[str] = []
        self._size = 0
        self._after_cr = False
        self._first_line = True

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the data of every event that `chunk` completes.

        Raises `EngineError` when one event grows over `max_event_bytes`: the server is broken or
        hostile, and its bytes would fill our memory.
        """
        start = 0
        for position, byte in enumerate(chunk):
            if byte not in b"\r\n":
                self._after_cr = False
                continue
            # CR, LF and CRLF each end one line; a LF after a CR belongs to it, even when the
            # two arrive in different chunks.
            if byte == 0x0A and self._after_cr:
                self._after_cr = False
                start = position + 1
                continue
            self._after_cr = byte == 0x0D
            self._line += chunk[start:position]
            start = position + 1
            yield from self._end_line()
        self._line += chunk[start:]
        self._check(len(self._line))

    def close(self) -> Iterator[str]:
        """Yield the event that the end of the stream left open, if any."""
        if self._line:
            yield from self._end_line()
        yield from self._dispatch()

    def _end_line(self) -> Iterator[str]:
        line = bytes(self._line)
        self._line.clear()
        if self._first_line:
            line = line.removeprefix(_BOM)
            self._first_line = False
        self._check(len(line))
        if not line:
            yield from self._dispatch()
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._size += len(value) + 1
            self._check(0)
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))

    def _dispatch(self) -> Iterator[str]:
        if self._data:
            data = "\n".join(self._data)
            self._data = []
            self._size = 0
            yield data

    def _check(self, extra: int) -> None:
        if self._size + extra > self._max:
            raise EngineError(f"the model server sent one event of over {self._max} bytes")
