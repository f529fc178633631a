"""The pages of the dashboard: one shell without data, its static files, and the HTML fragments in it.

The shell and the static files hold nothing of the user and are served without the token; the fragments
are data, and the token gate in front of the application guards them like any other path. Knows nothing
of streams: the page's own modules read those from the JSON interface.

Invariants: every text of the user or of a document reaches HTML through Jinja2's escaping, and the page
may run no script and load no style but the files in `static` (`rendering.CONTENT_SECURITY_POLICY`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from nexus.core.errors import NotFoundError
from nexus.service.dashboard import agents, files, memex, models, remembered, sandbox
from nexus.service.dashboard.rendering import HEADERS, cortex_of, html

# Not `mimetypes`: what that says depends on the machine, and a module of a wrong type is not run.
_MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
router = APIRouter(prefix="/dashboard", include_in_schema=False)
for part in (remembered, files, memex, agents, sandbox, models):
    router.include_router(part.router)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page, in memory: there are a dozen, and no request can name any other."""

    content: bytes
    media_type: str
    etag: str


@cache
def static_files() -> dict[str, StaticFile]:
    """All files below `static`, by their path in the URL."""
    files: dict[str, StaticFile] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for item in folder.iterdir():
            name = prefix + item.name
            if item.is_dir():
                walk(item, name + "/")
            else:
                content = item.read_bytes()
                kind = _MEDIA_TYPES.get(item.name.rpartition(".")[2], "text/plain")
                digest = hashlib.sha256(content).hexdigest()[:16]
                files[name] = StaticFile(content, kind, f'"{digest}"')

    walk(resources.files(__package__) / "static", "")
    return files


@router.get("")
def shell() -> Response:
    """The page. It holds no data: its modules fetch that with the token."""
    return html("dashboard.html", caching="no-cache")


@router.get("/static/{name:path}")
def static(name: str, request: Request) -> Response:
    """A style sheet, module or picture. Raises `NotFoundError`."""
    file = static_files().get(name)
    if file is None:
        raise NotFoundError(f"the dashboard has no file {name!r}")
    # Revalidated each time: after an update no page mixes old modules with new ones.
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": file.etag}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get("/index")
def index(request: Request) -> Response:
    """What the index holds, as a fragment."""
    daemon, cortex = request.app.state.daemon, cortex_of(request)
    return html(
        "index.html",
        counts=cortex.counts(),
        points=cortex.indexed(),
        index=cortex.index_name,
        embedder=cortex.settings.embedder,
        talk_embedder=cortex.settings.talk_embedder,
        repairing=daemon.repairing,
    )
