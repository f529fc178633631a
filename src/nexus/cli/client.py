"""Talking to the running service: its address from the lock file, its token, its errors."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from nexus.core.config import load
from nexus.core.errors import EngineError, NexusError, NotRunningError, revived
from nexus.core.instance import running
from nexus.core.paths import Home


class Event(NamedTuple):
    """A server-sent event."""

    name: str
    data: dict[str, Any]


class Client:
    """A connection to the service of this NEXUS_HOME."""

    def __init__(self) -> None:
        """Raises `NotRunningError`."""
        home = Home.from_env()
        service = running(home)
        if service is None:
            raise NotRunningError("NexusOS is not running", hint="start it with `nexus up --detach`")
        self.url = service.url
        token = load().settings.service.token or home.token_file.read_text(encoding="ascii").strip()
        self._http = httpx.Client(
            base_url=service.url,
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(None, connect=5),
            trust_env=False,  # a proxy has no business between us and loopback
            # Plain HTTP: to load the system's certificates would cost each command 50 ms of CPU.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send JSON, get JSON. Raises what the service reported, or `NotRunningError`."""
        json_body = body if body is not None or method == "GET" else {}
        with self._reachable():
            reply = self._http.request(method, path, json=json_body)
            _check(reply)
            return reply.json()

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[Event]:
        """Send JSON, get events. An `error` event is raised."""
        with self._reachable(), self._http.stream("POST", path, json=body) as reply:
            if reply.status_code >= 400:
                reply.read()
            _check(reply)
            name = ""
            for line in reply.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    data = json.loads(line[6:])
                    if name == "error":
                        raise _revived(data["error"])
                    yield Event(name, data)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise NotRunningError(
                f"NexusOS does not answer at {self.url}", hint="see `nexus status`"
            ) from error
        except httpx.HTTPError as error:
            raise EngineError(
                f"the service ended the connection: {error}", hint="see `nexus status`"
            ) from error


def _check(reply: httpx.Response) -> None:
    if reply.status_code < 400:
        return
    try:
        error = reply.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = {"message": f"the service answered with status {reply.status_code}"}
    raise _revived(error)


def _revived(error: dict[str, Any]) -> NexusError:
    return revived(error.get("code", ""), error.get("message", "an unknown error"), error.get("hint", ""))
