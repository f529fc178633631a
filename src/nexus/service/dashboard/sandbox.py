"""The Sandbox view: what can run code on this machine, within which limits, and how runs have ended."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from nexus.service.dashboard.rendering import html

router = APIRouter()


@router.get("/sandbox")
def sandbox(request: Request) -> Response:
    """Backends, limits and grants, as a fragment."""
    return html("sandbox.html", said=request.app.state.daemon.sandbox.as_dict())
