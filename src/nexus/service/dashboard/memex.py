"""MemexFS in the Files view: how it goes, tags, what is new, what was found, older contents of a file.

Invariant: a fragment holds a bounded number of rows, however many files there are; nothing here waits for a
mount.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from nexus.core.errors import NexusError
from nexus.memexfs.desk import meant, version_shown
from nexus.service.dashboard.rendering import html
from nexus.service.memex import MemexRoom

_FOUND, _RECENT, _TAGS, _TAGGED, _VERSIONS = 20, 10, 60, 50, 50
_WEEK_NS = 7 * 86_400 * 10**9
router = APIRouter(prefix="/memex")
Text = Annotated[str, Query(max_length=10_000)]


@router.get("")
def state(request: Request) -> Response:
    """How it goes, the tags, and what was changed lately, as a fragment."""
    room = _room(request)
    said, tags, recent = room.as_dict(), [], []
    if room.state == "ready":
        store = room.desk.store
        tags = sorted(store.tags(), key=lambda tag: (-tag[1], tag[0]))
        recent = [room.desk.shown(row) for row in store.recent(time.time_ns() - _WEEK_NS, _RECENT)]
    return html(
        "memex.html",
        said=said,
        tags=tags[:_TAGS],
        more=max(0, len(tags) - _TAGS),
        files=[_row(file) for file in recent],
        now=time.time(),
    )


@router.get("/found")
def found(request: Request, q: Text = "", tag: Text = "") -> Response:
    """Files about a question, or with a tag, as a fragment."""
    room, rows, problem = _room(request), [], ""
    if tag:
        rows = [
            {**room.desk.shown(row), "parts": {}, "passage": ""}
            for row in room.desk.store.tagged([tag], _TAGGED)
        ]
    elif q.strip():
        memex = room.memex
        rows = room.results(memex.search(q, _FOUND))
        problem = memex.status()["search"]
    return html(
        "memex_found.html", rows=[_row(row) for row in rows], query=q.strip(), tag=tag, problem=problem
    )


@router.get("/versions")
def versions(request: Request, path: Annotated[str, Query(max_length=100_000)]) -> Response:
    """Older contents of a file, as a fragment."""
    try:
        kept = _room(request).desk.versions(meant(path))
    except NexusError:
        kept = []  # gone since it was listed
    shown = [version_shown(version) for version in kept[:_VERSIONS]]
    return html(
        "memex_versions.html", path=path, versions=shown, more=len(kept) - len(shown), now=time.time()
    )


def _room(request: Request) -> MemexRoom:
    room: MemexRoom = request.app.state.daemon.files
    return room


def _row(file: dict[str, Any]) -> dict[str, Any]:
    folder, _, name = file["path"].rpartition("/")
    return {**file, "name": name, "folder": folder}
