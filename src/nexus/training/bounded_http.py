"""HTTP with an end: what a server sends is cut off by size, by time and by a wish to stop.

Knows nothing of teachers. Invariant: however much or slowly a server answers, no more than
`most_bytes` are taken and no answer is waited for longer than `seconds`, plus one read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx

from nexus.core.errors import NexusError


class AnswerRefusedError(NexusError):
    """A server's answer is too long, too slow or packed; or nobody wants it any more."""

    code = "answer_refused"
    http_status = 502


class NotWantedError(AnswerRefusedError):
    """Whoever asked has something better to do; the server did nothing wrong."""

    code = "answer_not_wanted"


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, check: Callable[[int], None]) -> None:
        self._stream = stream
        self._check = check

    def __iter__(self) -> Iterator[bytes]:
        taken = 0
        for chunk in self._stream:
            taken += len(chunk)
            self._check(taken)
            yield chunk

    def close(self) -> None:
        self._stream.close()


class BoundedTransport(httpx.BaseTransport):
    """A transport for `httpx.Client`: each request has `seconds` and `most_bytes`; `stop()` ends it early.

    `stop` is asked whenever something arrives, so a silent server is left at the end of its time.
    """

    def __init__(self, seconds: float, most_bytes: int, stop: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._stop = stop
        self._inner = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + self._seconds
        # Packed, a few bytes could become gigabytes behind our counting.
        request.headers["accept-encoding"] = "identity"

        def check(taken: int) -> None:
            if taken > self._most_bytes:
                raise AnswerRefusedError(f"the answer is longer than {self._most_bytes} bytes")
            if time.monotonic() > deadline:
                raise AnswerRefusedError(f"the answer took longer than {self._seconds:g} s")
            if self._stop():
                raise NotWantedError("the answer is not wanted any more")

        response = self._inner.handle_request(request)
        packed = response.headers.get("content-encoding", "identity")
        if packed != "identity":
            response.close()
            raise AnswerRefusedError(f"the answer is packed ({packed}), which nobody asked for")
        check(0)
        assert isinstance(response.stream, httpx.SyncByteStream)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response.stream, check),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._inner.close()
