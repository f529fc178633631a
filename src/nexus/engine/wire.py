"""HTTP to one model server, over TCP or a Unix socket: JSON in and out, and event streams.

Knows nothing of chat. Every failure becomes an `EngineError` that names the server and the
remedy. Connections are not kept open: llama.cpp closes them after a stream without saying so,
and the next request on one would fail for no reason. A machine that vanishes without a word is
noticed by the kernel's own questions (keep-alive) long before `read_seconds`.
"""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx

from nexus.core.errors import ContextOverflowError, EngineError
from nexus.engine.cancel import CancelWatch
from nexus.engine.sse import EventStream

CONNECT_SECONDS = 5.0
CONNECT_WAITS = (0.0, 0.2, 0.6)
# A pulled cable ends an answer after so many seconds; a server that thinks for longer answers the kernel.
GONE_SECONDS = 25
MAX_REPLY_BYTES = 64 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ConnectionLostError(EngineError):
    """The server could not be reached, or went away before the answer was complete."""


class ServerRefusedError(EngineError):
    """The server answered with an HTTP error; `status` is its number, 0 inside a stream, `fields` what it
    said."""

    def __init__(
        self, message: str, *, hint: str = "", status: int, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.fields = fields or {}


class Wire:
    """One server. `url` is where paths are appended; `label` names the server in errors.

    `read_seconds` is the longest silence allowed, None for no limit.
    """

    def __init__(
        self,
        url: str,
        *,
        label: str,
        api_key: str = "",
        uds: Path | None = None,
        read_seconds: float | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.label = label
        self._url = url
        tls = ssl.create_default_context() if parts.scheme == "https" else _no_trust()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        # A proxy set for the internet must not be asked for a server on this machine.
        proxies = uds is None and parts.hostname not in _LOOPBACK and bool(urllib.request.getproxies())
        transport = None
        if uds is not None:
            transport = httpx.HTTPTransport(uds=str(uds), limits=limits)
        elif not proxies:  # with a transport of ours httpx asks none
            transport = httpx.HTTPTransport(verify=tls, limits=limits, socket_options=_kept_alive())
        self._http = httpx.Client(
            transport=transport,
            verify=tls,
            limits=limits,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(CONNECT_SECONDS, read=read_seconds, write=60.0),
            trust_env=proxies,
        )

    def close(self) -> None:
        """Give back sockets. The wire is unusable afterwards."""
        self._http.close()

    def get(self, path: str, *, seconds: float = 10.0) -> dict[str, Any]:
        """The JSON object at `path`. Raises `EngineError`."""
        return self._json("GET", path, None, seconds)

    def post(self, path: str, body: Mapping[str, Any], *, seconds: float = 30.0) -> dict[str, Any]:
        """The JSON object that answers `body`. Raises `EngineError`."""
        return self._json("POST", path, body, seconds)

    def stream(self, path: str, body: Mapping[str, Any], cancel: Event) -> Generator[str, None, None]:
        """Yield the data of each event. Returns early and silently when `cancel` is set.

        Connects anew when that fails; once the request has been sent it is never repeated, as the
        model may already be working on it.
        """
        with self._unclosed(), CancelWatch(cancel) as watch:
            for attempt, wait in enumerate(CONNECT_WAITS, start=1):
                if cancel.wait(wait) if wait else cancel.is_set():
                    return
                try:
                    with closing(self._events(path, body, watch)) as events:
                        yield from events
                    return
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    if attempt == len(CONNECT_WAITS) and not cancel.is_set():
                        raise self._lost(error) from error
                except (httpx.HTTPError, httpx.StreamError) as error:
                    if cancel.is_set():
                        return
                    raise self._lost(error) from error

    def _events(self, path: str, body: Mapping[str, Any], watch: CancelWatch) -> Generator[str, None, None]:
        extensions = {"trace": watch.trace}
        url = self._url + path
        with self._http.stream("POST", url, json=body, extensions=extensions) as response:
            if response.status_code != 200:
                raise self._refusal(response.status_code, _read(response))
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise EngineError(
                    f"{self.label} answered with {kind or 'no content type'}, not with a stream",
                    hint="check that the URL is that of an OpenAI-compatible API",
                )
            stream = EventStream()
            for chunk in response.iter_bytes():
                yield from stream.feed(chunk)
            yield from stream.close()

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float) -> dict[str, Any]:
        timeout = httpx.Timeout(CONNECT_SECONDS, read=seconds, write=seconds)
        url = self._url + path
        try:
            with (
                self._unclosed(),
                self._http.stream(method, url, json=body, timeout=timeout) as response,
            ):
                text = _read(response)
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        if response.status_code != 200:
            raise self._refusal(response.status_code, text)
        try:
            value = json.loads(text)
        except ValueError as error:
            raise EngineError(
                f"{self.label} answered {path} with something that is not JSON",
                hint="check that the URL is that of an OpenAI-compatible API",
            ) from error
        if not isinstance(value, dict):
            raise EngineError(f"{self.label} answered {path} with a JSON {type(value).__name__}")
        return value

    @contextmanager
    def _unclosed(self) -> Iterator[None]:
        """Whoever ends a server closes its wire, also between two lines of who asks there."""
        try:
            yield
        except RuntimeError as error:  # what httpx says of a closed client
            if not self._http.is_closed:
                raise
            raise ConnectionLostError(
                f"the connection to {self.label} was closed", hint="try again"
            ) from error

    def _lost(self, error: Exception) -> ConnectionLostError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return ConnectionLostError(
                f"{self.label} cannot be reached: {error or type(error).__name__}",
                hint="start the server or correct engine.url",
            )
        if isinstance(error, httpx.TimeoutException):
            return ConnectionLostError(
                f"{self.label} was silent for too long ({type(error).__name__})",
                hint="the server may be overloaded; try again",
            )
        return ConnectionLostError(
            f"the connection to {self.label} broke: {error or type(error).__name__}",
            hint="try again; if it happens often, read the server's log",
        )

    def _refusal(self, status: int, text: str) -> EngineError | ContextOverflowError:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if isinstance(value, dict) and "error" in value:
            value = value["error"]
        return refusal(self.label, status, value)


def refusal(label: str, status: int, error: Any) -> EngineError | ContextOverflowError:
    """The error to raise for what a server said went wrong; `status` 0 inside a stream."""
    fields = error if isinstance(error, dict) else {}
    said = str(fields.get("message") or fields.get("detail") or error).strip()[:500]
    code = status or fields.get("code") or 0
    status = code if isinstance(code, int) else 0
    kind = f"{fields.get('type')} {fields.get('code')}"
    if "exceed_context_size" in kind or "context_length_exceeded" in kind:
        prompt, window = fields.get("n_prompt_tokens"), fields.get("n_ctx")
        numbers = f" (prompt {prompt} tokens, window {window})" if prompt and window else ""
        return ContextOverflowError(
            f"{label} says that the prompt does not fit its window{numbers}: {said}",
            hint="shorten the prompt or raise the server's context length",
        )
    hints = {
        401: "set engine.api_key to a key this server accepts",
        403: "set engine.api_key to a key this server accepts",
        404: "check engine.url and engine.model",
        429: "the server limits requests; wait and try again",
        503: "the server is loading or full; wait and try again",
    }
    number = f" ({status})" if status else ""
    return ServerRefusedError(
        f"{label} refused{number}: {said or 'no reason given'}",
        hint=hints.get(status, ""),
        status=status,
        fields=fields,
    )


def _read(response: httpx.Response) -> str:
    """The body, bounded: a wrong URL may answer with a disk image."""
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_REPLY_BYTES:
            raise EngineError(f"{response.url} answered with over {MAX_REPLY_BYTES} bytes")
    return data.decode("utf-8", "replace")


def _kept_alive() -> list[tuple[int, int, int]]:
    """Options of a socket with which the kernel asks a silent peer whether it is there."""
    wanted = {
        "TCP_KEEPIDLE": 10,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": 1000 * GONE_SECONDS,  # of what was sent and nobody has confirmed
    }
    known = [(getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)]
    return [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, option, value) for option, value in known),
    ]


def _no_trust() -> ssl.SSLContext:
    """For plain HTTP: loading the system's certificates would cost 20 ms for nothing."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
