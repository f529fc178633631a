"""Who may talk to the service: nothing a foreign web page could have sent, and nobody without the token.

"Local, so no password" is false: any page in the user's browser can reach loopback, by cross-site
requests and by DNS rebinding, and so can other users of the machine. `LocalGuard` refuses the first,
`TokenGate` the second. Both are pure ASGI, always on, and come before any routing or parsing.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
from functools import lru_cache
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from nexus.service.api import anthropic_errors, ollama_errors
from nexus.service.peer import owner_uid

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Paths that hold no data of the user: liveness for supervisors, and the dashboard's empty shell.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/dashboard", "/", "/favicon.ico"})
OPEN_PREFIX = "/dashboard/static/"
# What the user's own programs on this machine may do without the token: see the state and steer the learner
# (the lines of seed 002). Nothing here tells what is known or remembered.
OWN_PATHS = frozenset({"/api/status", "/api/metrics", "/api/control"})
# A proxy of the user's may speak for anybody.
_FORWARDED = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}
_SPEAKS_FOR = frozenset({b"authorization", b"x-api-key"} | _FORWARDED)
# Counters without names of the user's things: open to who reaches loopback, as collectors expect.
OPEN_ON_LOOPBACK = frozenset({"/metrics"})


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether binding to `host` keeps the service on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class LocalGuard:
    """Refuses foreign Host (421), foreign Origin or cross-site fetches (403), non-JSON writes (415)."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...] = ()) -> None:
        """`names` are host names beside loopback's that this service answers to, without port."""
        self._app = app
        self._names = ("127.0.0.1", "localhost", "[::1]", *names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        refusal = self._refusal(scope)
        if refusal is None:
            return await self._app(scope, receive, send)
        status, code, message = refusal
        return await refuse(send, scope, status, code, message, "use the address `nexus up` printed")

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        if scope["type"] != "http":
            return 403, "forbidden", "only HTTP is served"
        # The port that was really connected to: a Host with another one was meant for another service.
        port = (scope.get("server") or ("", 0))[1]
        hosts = {f"{name}:{port}" for name in self._names}
        if port == 80:
            hosts.update(self._names)
        sent = headers(scope, b"host")
        if len(sent) != 1 or sent[0].lower() not in hosts:
            return 421, "foreign_host", f"this service does not answer to Host {', '.join(sent)!r}"
        for origin in headers(scope, b"origin"):
            if origin.lower() not in {f"http://{host}" for host in hosts}:
                return 403, "foreign_origin", f"requests from {origin!r} are refused"
        for site in headers(scope, b"sec-fetch-site"):
            # same-site is another port of this machine: another program, possibly another user's.
            if site in ("cross-site", "same-site"):
                return 403, "cross_site", f"{site} requests are refused"
        if scope["method"] not in _READS:
            kinds = [k.split(";")[0].strip().lower() for k in headers(scope, b"content-type")]
            if kinds != ["application/json"]:
                return 415, "json_only", "the request must be sent as application/json"
        return None


class TokenGate:
    """Asks for the token but on `OPEN_PATHS`, and on `OWN_PATHS` where a program of the user's own asks.

    Both header styles lead through here.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._may(scope):
            return await self._app(scope, receive, send)
        return await refuse(
            send,
            scope,
            401,
            "unauthorized",
            "the token is missing or wrong",
            "`nexus token` prints it",
        )

    def _may(self, scope: Scope) -> bool:
        return self._is_open(scope) or self._has_token(scope) or self._is_own(scope)

    def _is_open(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if scope["method"] not in _READS:
            return False
        if path in OPEN_ON_LOOPBACK:
            return is_loopback((scope.get("server") or ("",))[0])
        return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)

    def _is_own(self, scope: Scope) -> bool:
        if scope["path"] not in OWN_PATHS or any(name in _SPEAKS_FOR for name, _ in scope["headers"]):
            return False
        client, server = scope.get("client"), scope.get("server")
        if not (client and server and is_loopback(client[0]) and is_loopback(server[0])):
            return False
        return owner_uid((client[0], client[1]), (server[0], server[1])) == os.getuid()

    def _has_token(self, scope: Scope) -> bool:
        keys = [k.strip() for k in headers(scope, b"x-api-key")]
        for value in headers(scope, b"authorization"):
            scheme, _, key = value.partition(" ")
            keys.append(key.strip() if scheme.lower() == "bearer" else "")
        # One wrong key beside a right one is an attempt, not a client.
        return bool(keys) and all(hmac.compare_digest(k.encode(), self._token) for k in keys)


def headers(scope: Scope, name: bytes) -> list[str]:
    """All values of a header; `name` is lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def refuse(send: Send, scope: Scope, status: int, code: str, message: str, hint: str) -> None:
    """Answer with our error envelope; each foreign interface gets what its clients read."""
    path = scope.get("path", "")
    told: dict[str, Any] = {"error": {"code": code, "message": message, "hint": hint}}
    if anthropic_errors.speaks(path):
        told = anthropic_errors.envelope(status, f"{message} ({hint})")
    elif ollama_errors.speaks(path):
        told = dict(ollama_errors.envelope(f"{message} ({hint})"))
    elif path.startswith("/v1"):
        told["error"] = {"message": f"{message} ({hint})", "type": "invalid_request_error", "code": code}
    body = json.dumps(told).encode()
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
