"""The Files view: what was added, each document by name, its passages, and what was left out.

Invariant: a fragment holds one page of rows, however many documents there are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from nexus.cortex.reader import display
from nexus.cortex.skipped import MOST
from nexus.memexfs.naming import SCHEME
from nexus.service.dashboard.paging import PageNumber, PageOf, last_page
from nexus.service.dashboard.rendering import cortex_of, html

_DOCUMENTS, _PASSAGES, _SKIPPED = 50, 20, 50
_LONGEST_PATH = 4096
router = APIRouter()
PathText = Annotated[str, Query(max_length=_LONGEST_PATH)]


@router.get("/knowledge")
def knowledge(request: Request) -> Response:
    """The folders and files that were added, as a fragment."""
    cortex, daemon = cortex_of(request), request.app.state.daemon
    roots = cortex.listing.roots()
    return html(
        "knowledge.html",
        roots=roots,
        gone={root.path for root in roots if not Path(root.path).exists()},
        skipped=cortex.skipped.counts(),
        memex=SCHEME,
        names={root.path: display(root.path) for root in roots},
        most=MOST,
        documents=sum(root.documents for root in roots),
        watching=cortex.settings.watch,
        problem=daemon.watcher.problem,
    )


@router.get("/documents")
def documents(request: Request, q: PathText = "", page: PageNumber = 0) -> Response:
    """One page of the documents whose path holds the words, as a fragment."""
    total, rows = cortex_of(request).listing.documents(q, page * _DOCUMENTS, _DOCUMENTS)
    if not rows and page:  # some were removed meanwhile
        page = last_page(total, _DOCUMENTS)
        total, rows = cortex_of(request).listing.documents(q, page * _DOCUMENTS, _DOCUMENTS)
    split = [(row, *os.path.split(row.path)) for row in rows]
    return html("documents.html", rows=split, query=q.strip(), page=PageOf(page, _DOCUMENTS, total))


@router.get("/passages")
def passages(request: Request, path: PathText, page: PageNumber = 0) -> Response:
    """One page of a document's passages as they are stored, as a fragment."""
    total, rows = cortex_of(request).listing.passages(path, page * _PASSAGES, _PASSAGES)
    return html("passages.html", rows=rows, path=path, page=PageOf(page, _PASSAGES, total))


@router.get("/skipped")
def skipped(request: Request, root: PathText, page: PageNumber = 0) -> Response:
    """One page of what was left out below a folder, and why, as a fragment."""
    notes = cortex_of(request).skipped
    total = notes.counts().get(display(root), 0)
    rows = notes.of(root, page * _SKIPPED, _SKIPPED)
    return html("skipped.html", rows=rows, root=root, page=PageOf(page, _SKIPPED, total))
