"""HTTP on the worker's private Unix socket: what llama.cpp's server offers its parent, and no more.

Knows nothing of models: `Desk` does the work. Invariants: a request without the key is refused before it
is read; a client that goes away cancels its answer.
"""

from __future__ import annotations

import hmac
import json
import logging
import socket
import socketserver
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from nexus.core.errors import ContextOverflowError, InvalidInputError, NexusError

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 256 << 20
_DRAINED_BYTES = 64 << 10
GONE_SECONDS = 0.05


class Desk(Protocol):
    """What stands behind the server. All may be called from several threads at once."""

    def properties(self) -> Mapping[str, Any]:
        """The window and what else the parent wants to know."""

    def tokenize(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"tokens": [...]}` of `content`."""

    def count(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"input_tokens": n}` of a whole chat."""

    def chat(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        """The chunks of an answer; raises before the first one what is wrong with the request."""

    def complete(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        """The same for a `prompt` that is continued as it stands; the chunks are those of a chat."""

    def score(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """How likely a `continuation` is behind a `prompt`."""

    def manage(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask about or change what is stored: `{"action": ..., ...}`."""


class WorkerServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves `desk` on `path` until `shutdown`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, key: str, desk: Desk) -> None:
        self.desk = desk
        self.key = key
        with suppress(FileNotFoundError):
            Path(path).unlink()
        super().__init__(path, _Handler)
        Path(path).chmod(0o600)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WorkerServer

    def do_GET(self) -> None:
        self._serve({"/props": lambda _: self.server.desk.properties()})

    def do_POST(self) -> None:
        desk = self.server.desk
        streams = {"/v1/chat/completions": desk.chat, "/v1/completions": desk.complete}
        if self.path in streams:
            self._stream(streams[self.path])
            return
        self._serve(
            {
                "/tokenize": desk.tokenize,
                "/v1/chat/completions/input_tokens": desk.count,
                "/score": desk.score,
                "/manage": desk.manage,
            }
        )

    def address_string(self) -> str:
        return "parent"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        log.debug(format, *args)

    def _serve(self, routes: Mapping[str, Any]) -> None:
        try:
            body = self._body()
            if body is None:
                return
            answer = routes.get(self.path)
            if answer is None:
                self._json(404, {"error": {"message": f"there is no {self.path}", "code": 404}})
                return
            status, value = 200, answer(body)
        except Exception as error:  # the boundary of the process: the parent gets an answer in any case
            status, value = _refusal(error)
        self._json(status, value)

    def _stream(self, work: Callable[[Mapping[str, Any], Event], Iterator[Mapping[str, Any]]]) -> None:
        cancel = Event()
        self.close_connection = True
        try:
            body = self._body()
            if body is None:
                return
            # From the beginning: a client may also go while its answer waits in the line.
            Thread(target=self._watch, args=(cancel,), name="engine-client", daemon=True).start()
            chunks = work(body, cancel)
            first = next(chunks, None)
        except Exception as error:
            cancel.set()
            self._json(*_refusal(error))
            return
        try:
            with closing(chunks):  # type: ignore[type-var]
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                while first is not None:
                    self._event(first)
                    first = next(chunks, None)
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:  # the client has gone
            return
        except Exception as error:
            with suppress(OSError):
                self._event(_refusal(error)[1])
        finally:
            cancel.set()

    def _watch(self, cancel: Event) -> None:
        """Set `cancel` when the client closes its side: it is not going to say anything more."""
        while not cancel.is_set():
            try:
                self.connection.settimeout(None)
                gone = self.connection.recv(1, socket.MSG_PEEK) == b""
            except OSError:
                gone = True
            if gone:
                cancel.set()
                return
            cancel.wait(GONE_SECONDS)

    def _body(self) -> Any:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.key}".encode()):
            # What is left of its body would be taken for the next request; closing with unread bytes would
            # take the answer away from the client.
            self.close_connection = True
            with suppress(ValueError):
                self.rfile.read(max(0, min(int(self.headers.get("Content-Length", "")), _DRAINED_BYTES)))
            self._json(401, {"error": {"message": "wrong key", "code": 401}})
            return None
        if self.command == "GET":
            return {}
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= MOST_BODY_BYTES:
            self.close_connection = True
            raise InvalidInputError(
                f"a request of {size} bytes", hint=f"send its length, at most {MOST_BODY_BYTES}"
            )
        try:
            value = json.loads(self.rfile.read(size))
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"the request is not JSON: {error}", hint="send a JSON object") from None
        if not isinstance(value, dict):
            raise InvalidInputError(f"the request is a {type(value).__name__}", hint="send a JSON object")
        return value

    def _json(self, status: int, value: Mapping[str, Any]) -> None:
        data = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if self.close_connection:  # else the client may send its next request into a closing socket
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the client has gone
            self.close_connection = True

    def _event(self, value: Mapping[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n")
        self.wfile.flush()


def _refusal(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and body, in the words that `nexus.engine.wire.refusal` understands."""
    if isinstance(error, RecursionError):  # templates and grammars go down into what a client sent
        error = InvalidInputError("the request is nested too deeply", hint="make its schemas simpler")
    if not isinstance(error, NexusError):
        log.error("a request failed", exc_info=error)
        text = f"the engine has a fault: {type(error).__name__}: {error}"
        return 500, {"error": {"message": text, "type": "server_error", "code": 500}}
    kind = "exceed_context_size_error" if isinstance(error, ContextOverflowError) else error.code
    status = error.http_status
    text = f"{error.message}; {error.hint}" if error.hint else error.message
    # `nexus` is for a parent that can say it again in our own words.
    known = {"code": error.code, "message": error.message, "hint": error.hint}
    return status, {"error": {"message": text, "type": kind, "code": status, "nexus": known}}
