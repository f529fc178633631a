"""The Models view: the catalog and what is on the disk. Fetching and removing are calls of the interface."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from nexus.service.dashboard.rendering import html
from nexus.service.model_shelf import shelf

router = APIRouter()


@router.get("/models")
def models(request: Request) -> Response:
    """Every model, as a fragment."""
    return html("models.html", **shelf(request.app.state.daemon))
