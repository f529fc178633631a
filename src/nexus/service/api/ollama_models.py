"""Ollama's lists: which models there are, what one is, which are loaded; and what is not done here.

Knows nothing of answers. Invariant: a client that wants to fetch, make or delete a model is told the
command that does it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

import nexus
from nexus.core.errors import InvalidInputError
from nexus.service.api.fields import count_unknown
from nexus.service.api.ollama_answer import moment
from nexus.service.api.ollama_cards import Card, cards
from nexus.service.api.ollama_embed import embedders_of
from nexus.service.api.ollama_fields import Body, not_found, plain_name
from nexus.service.api.openai_body import WITH_MEMORY
from nexus.service.api.streaming import daemon_of
from nexus.service.daemon import Daemon

router = APIRouter()
# Clients compare it with the first Ollama that could what they need, so it names the one whose interface
# this is; ours stands beside it.
SPOKEN = "0.11.11"
# Models stay loaded as long as the service runs; this is Ollama's own word for that.
_NEVER = timedelta(days=365 * 100)


class ShowBody(Body):
    """`POST /api/show`. Older clients say `name`."""

    model: str | None = None
    name: str | None = None


class PullBody(Body):
    """The bodies of pull, push, create, copy and delete, of which only a name is read."""

    model: str | None = None
    name: str | None = None
    source: str | None = None


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def root(request: Request) -> Response:
    """The words that clients look for; a browser, which asks for a page, is led to the dashboard."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/dashboard")
    return PlainTextResponse("Ollama is running")


@router.get("/api/version")
async def version() -> dict[str, str]:
    """The Ollama whose interface is spoken, and who speaks it."""
    return {"version": SPOKEN, "nexus": nexus.__version__}


@router.get("/api/tags")
async def tags(request: Request) -> dict[str, Any]:
    """All models."""
    known = await asyncio.to_thread(cards, daemon_of(request))
    return {"models": [card.row() for card in known]}


@router.post("/api/show")
async def show(request: Request, body: ShowBody) -> dict[str, Any]:
    """One model."""
    count_unknown(request, body)
    name = plain_name(body.model or body.name or "")
    if not name:
        raise InvalidInputError("model is missing", hint="send the name of a model")
    known = await asyncio.to_thread(cards, daemon_of(request))
    for card in known:
        if card.name == name:
            return card.shown()
    raise not_found(name, [card.name for card in known])


@router.get("/api/ps")
async def running(request: Request) -> dict[str, Any]:
    """The models that are in memory."""
    return {"models": await asyncio.to_thread(_loaded, daemon_of(request))}


@router.post("/api/pull")
@router.post("/api/push")
@router.post("/api/create")
@router.post("/api/copy")
@router.delete("/api/delete")
async def not_here(request: Request, body: PullBody) -> Response:
    """Refused, with the command."""
    what = request.url.path.rpartition("/")[2]
    model = plain_name(body.model or body.name or body.source or "") or "NAME"
    command = f"nexus models rm {model}" if what == "delete" else f"nexus models pull {model}"
    raise InvalidInputError(
        f"{what} is not done over this interface",
        hint=f"run `{command}`; `nexus models pull` without a name installs all that is needed",
    )


@router.api_route("/api/blobs/{digest}", methods=["POST", "HEAD"], include_in_schema=False)
async def no_blobs(digest: str) -> Response:
    """Refused, with the command."""
    raise InvalidInputError("files are not uploaded over this interface", hint="run `nexus models pull NAME`")


def check_model(daemon: Daemon, name: str) -> None:
    """Raise `NotFoundError` for a name that is not one of those that answer."""
    known = [WITH_MEMORY, daemon.engine.name]
    if name not in known:
        raise not_found(name, known)


def _loaded(daemon: Daemon) -> list[dict[str, Any]]:
    health = daemon.engine.health()
    talking = {WITH_MEMORY, daemon.engine.name} if health.state == "ready" else set()
    embedding = {name for name, embedder in embedders_of(daemon).items() if embedder.loaded}
    rows = []
    for card in cards(daemon):
        if card.name in talking:
            rows.append(_in_memory(card, health.rss_bytes or card.size))
        elif card.name in embedding:
            rows.append(_in_memory(card, card.size))
    return rows


def _in_memory(card: Card, size: int) -> dict[str, Any]:
    until = moment(datetime.now(UTC) + _NEVER)
    more = {"size": size, "size_vram": 0, "expires_at": until, "context_length": card.window}
    return {**card.identity(), **more}
