"""The link between the tree's process and the one that holds models and vectors: the side that asks.

JSON, a line each, over a Unix socket. A connection begins with a question (`search`, `similar`, `retagged`),
or with `news`, after which a line comes whenever files are found differently. `nexus.memexfs.link_server` is
the other side. Knows neither the tree nor the search. Invariants: nobody else's answer is believed; a line
has a bound, a question a deadline; without the service words are asked, and `problem` says so.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nexus.core.errors import BusyError, InvalidInputError, MissingPartError, NexusError, revived
from nexus.memexfs.finding import Finder, Found

SOCKET = "memex.sock"
DEADLINE_SECONDS = 2.0
QUIET_SECONDS = 20.0
"""A connection that is silent for so long is of nobody; news are followed by a sign of life before."""
_LONGEST_LINE = 4 * 2**20
_CREDENTIALS = struct.Struct("=iII")
_LONGEST_PATH = 100


class LinkFinder:
    """A `Finder` in the tree's process. Any thread may ask."""

    def __init__(self, path: Path, words: Finder) -> None:
        """`words` finds files by their words alone: it answers while nobody else does."""
        self._path, self._words = path, words
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self.problem = ""
        """Why the last answer came from words alone; empty when it did not."""

    def search(
        self, text: str, limit: int = 50, *, under: bytes = b"", weights: Mapping[str, float] | None = None
    ) -> list[Found]:
        """See `Finder.search`."""
        request = {"ask": "search", "text": text, "limit": limit, "path": as_text(under)}
        if weights is not None:
            request["weights"] = dict(weights)
        try:
            found = self._ask(request)
        except (MissingPartError, BusyError) as error:
            self.problem = str(error)
            return self._words.search(text, limit, under=under, weights=weights)
        self.problem = ""
        return found

    def similar(self, path: bytes, limit: int = 50) -> list[Found]:
        """See `Finder.similar`."""
        try:
            found = self._ask({"ask": "similar", "path": as_text(path), "limit": limit})
        except (MissingPartError, BusyError) as error:
            self.problem = str(error)
            return self._words.similar(path, limit)
        self.problem = ""
        return found

    def retagged(self, path: bytes) -> None:
        """Say that the tags of a file have changed. Without the service nothing is said: the next reading of
        the file takes them in."""
        with suppress(NexusError):
            self._ask({"ask": "retagged", "path": as_text(path)})

    def news(self, stop: threading.Event) -> Iterator[list[bytes] | None]:
        """Files that are found differently, as they are told, until `stop`; None for "all may be". Connects
        again by itself, and says None then."""
        while not stop.is_set():
            with suppress(OSError, ValueError, TypeError, NexusError), self._connected() as connection:
                connection.settimeout(QUIET_SECONDS)
                connection.sendall(line({"ask": "news"}))
                yield None
                for held in lines(connection):
                    told = parsed(held)
                    if stop.is_set():
                        return
                    if told.get("all"):
                        yield None
                    elif "changed" in told:
                        yield [as_bytes(path) for path in told["changed"]]
            stop.wait(1.0)

    def close(self) -> None:
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _ask(self, request: Mapping[str, Any]) -> list[Found]:
        """One question. A connection that lay idle may be of a service that is gone: then a new one."""
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            try:
                return _told(self._exchange(kept, request))
            except TimeoutError as error:
                raise BusyError(
                    f"the service did not answer within {DEADLINE_SECONDS:g} s", hint="see `nexus status`"
                ) from error
            except (OSError, ValueError) as error:
                if kept is None:
                    raise MissingPartError(
                        "the service does not run: files are found by their words only", hint="nexus up"
                    ) from error

    def _exchange(self, kept: socket.socket | None, request: Mapping[str, Any]) -> dict[str, Any]:
        connection = kept
        if connection is None:
            with self._connected(close=False) as connection:
                pass
        try:
            connection.settimeout(DEADLINE_SECONDS)
            connection.sendall(line(request))
            reply = parsed(next(lines(connection), b""))
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return reply

    @contextmanager
    def _connected(self, *, close: bool = True) -> Iterator[socket.socket]:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(DEADLINE_SECONDS)
            with reachable(self._path) as address:
                connection.connect(address)
            if not is_us(connection):
                raise OSError(f"{self._path} is another user's")
        except BaseException:
            connection.close()
            raise
        try:
            yield connection
        finally:
            if close:
                connection.close()


def _told(reply: Mapping[str, Any]) -> list[Found]:
    """The files of an answer. Raises the error that it is, and `ValueError` where it is no answer."""
    if "error" in reply:
        raise revived(str(reply["error"]), str(reply.get("message", "")), str(reply.get("hint", "")))
    try:
        return [
            Found(as_bytes(path), float(score), {str(k): float(v) for k, v in parts.items()}, str(passage))
            for path, score, parts, passage in reply.get("found", ())
        ]
    except (TypeError, AttributeError, OverflowError, InvalidInputError) as error:
        raise ValueError(f"no answer: {error}") from error


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Whole lines as they come. Raises `ValueError` for one that is too long."""
    held = bytearray()
    while piece := connection.recv(2**16):
        at = len(held)
        held += piece
        while (end := held.find(b"\n", at)) >= 0:
            yield bytes(held[:end])
            del held[: end + 1]
            at = 0
        if len(held) > _LONGEST_LINE:
            raise ValueError("a line is too long")


def parsed(line: bytes) -> dict[str, Any]:
    """The object in a line. Raises `ValueError`."""
    try:
        held = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(held, dict):
        raise ValueError("no object")
    return held


def line(held: Mapping[str, Any]) -> bytes:
    """An object as a line."""
    return json.dumps(held).encode() + b"\n"


def as_text(path: bytes) -> str:
    """A path as JSON can hold it."""
    return path.decode("utf-8", "surrogateescape")


def as_bytes(path: object) -> bytes:
    """The path again. Raises `InvalidInputError`."""
    try:
        return str(path).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{path!r} is no path") from error


def is_us(connection: socket.socket) -> bool:
    """Whether the other side is a process of this user, as the kernel knows it."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1]) == os.getuid()


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """An address of at most so many bytes as the kernel takes, however long the path is."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
