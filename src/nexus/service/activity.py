"""Tells the governor when somebody is being served.

Knows nothing of what is asked. Invariant: what a page or a supervisor asks by itself, again and again, is
no activity, nor is what background work asks; else the service would never be idle.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from nexus.service.guard import headers
from nexus.training import BACKGROUND_HEADER

# Looking is not using: the dashboard looks once a second.
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_ACTIVITY = frozenset({"/api/control"})


class Activity:
    """ASGI middleware: a request counts from its first byte to the last of the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        daemon = getattr(scope["app"].state, "daemon", None) if scope["type"] == "http" else None
        if daemon is None or not counts(scope):
            return await self._app(scope, receive, send)
        with daemon.resources.serving():
            return await self._app(scope, receive, send)


def counts(scope: Scope) -> bool:
    """Whether this request is somebody's who waits for it."""
    if scope["method"] in _LOOKS or scope["path"] in _NOT_ACTIVITY:
        return False
    return not headers(scope, BACKGROUND_HEADER.encode())
