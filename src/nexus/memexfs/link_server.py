"""The side of the link that answers: in the service, beside the models and vectors (`nexus.memexfs.link`).

Knows neither the tree nor the search. Invariants: only this user is answered; at most `_OPEN` connections are
open, one more is closed at once; telling news never waits for whoever reads them.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from nexus.core.errors import InvalidInputError, NexusError, StorageError
from nexus.memexfs.finding import Finder
from nexus.memexfs.link import (
    DEADLINE_SECONDS,
    QUIET_SECONDS,
    as_bytes,
    as_text,
    is_us,
    line,
    lines,
    parsed,
    reachable,
)

_log = logging.getLogger(__name__)
_OPEN = 32
_MOST_FOUND = 1000
# News that somebody does not read are dropped, and "all may be different" is said instead.
_UNREAD = 1000


class Answers(Finder, Protocol):
    """Who answers: a `Finder` that also hears of tags."""

    def retagged(self, path: bytes) -> None:
        """The tags of this file have changed."""


class LinkServer:
    """Listens from `start` to `stop`."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path, self._answers = path, answers
        self._room = threading.BoundedSemaphore(_OPEN)
        self._lock = threading.Lock()
        self._listening: set[queue.Queue[list[str] | None]] = set()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._listen, name="nexus-memex-link", daemon=True)

    def start(self) -> None:
        """Make the socket, readable by its owner only. Raises `StorageError`."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The lock of this home is ours, so a socket that is there is a killed service's.
            self._path.unlink(missing_ok=True)
            with reachable(self._path) as address:
                listener.bind(address)
            self._path.chmod(0o600)
            listener.listen(_OPEN)
        except OSError as error:
            listener.close()
            raise StorageError.from_os(error, self._path) from error
        self._listener = listener
        self._thread.start()

    def stop(self) -> None:
        """Close; questions that are being answered get no answer. Calling it twice is harmless."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self._thread.join(DEADLINE_SECONDS)
        with self._lock:
            for news in self._listening:
                news.put(None)
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._path.unlink(missing_ok=True)

    def changed(self, paths: Sequence[bytes]) -> None:
        """Tell whoever listens that these files are found differently now. Returns at once."""
        told = [as_text(path) for path in paths]
        with self._lock:
            for news in self._listening:
                if news.qsize() < _UNREAD:
                    news.put(told)
                elif news.qsize() == _UNREAD:
                    news.put([])

    def _listen(self) -> None:
        while (listener := self._listener) is not None:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if self._listener is not None:
                    _log.error("the tree is not heard any more: %s", error)
                return
            if not self._room.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, self._kept(connection):
                connection.settimeout(QUIET_SECONDS)
                if not is_us(connection):
                    _log.warning("another user tried to use %s", self._path)
                    return
                for held in lines(connection):
                    request = parsed(held)
                    if request.get("ask") == "news":
                        self._tell(connection)
                        return
                    connection.sendall(line(self._reply(request)))
        except (OSError, ValueError) as error:
            _log.debug("the tree was not answered: %s", error)
        except Exception:
            _log.exception("the tree was not answered")
        finally:
            self._room.release()

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        """Known while it is open, so that `stop` can end it."""
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)

    def _reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._answer(request)
        except NexusError as error:
            return {"error": error.code, "message": error.message, "hint": error.hint}

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        ask, path = request.get("ask"), as_bytes(request.get("path", ""))
        limit = request.get("limit", 50)
        if not isinstance(limit, int) or not 0 <= limit <= _MOST_FOUND:
            raise InvalidInputError(f"a limit of {limit!r}", hint=f"from 0 to {_MOST_FOUND}")
        if ask == "search":
            weights = request.get("weights")
            if weights is not None and not _is_weights(weights):
                raise InvalidInputError(f"weights {weights!r}", hint="a number for each block")
            text = str(request.get("text", ""))
            found = self._answers.search(text, limit, under=path, weights=weights)
        elif ask == "similar":
            found = self._answers.similar(path, limit)
        elif ask == "retagged":
            self._answers.retagged(path)
            return {}
        else:
            raise InvalidInputError(f"{ask!r} is no question", hint="search, similar, retagged or news")
        return {"found": [[as_text(f.path), f.score, dict(f.parts), f.passage] for f in found]}

    def _tell(self, connection: socket.socket) -> None:
        news: queue.Queue[list[str] | None] = queue.Queue()
        with self._lock:
            self._listening.add(news)
        try:
            while self._listener is not None:
                try:
                    told = news.get(timeout=QUIET_SECONDS / 2)
                except queue.Empty:
                    connection.sendall(b"{}\n")  # so that the end of the other side is noticed
                    continue
                if told is None:
                    return
                connection.sendall(line({"changed": told} if told else {"all": True}))
        finally:
            with self._lock:
                self._listening.discard(news)


def _is_weights(weights: object) -> bool:
    return isinstance(weights, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in weights.values()
    )
