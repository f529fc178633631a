"""The Remembered view: what waits for the user's word, and what is remembered, a page at a time.

Invariant: a fragment holds a bounded number of rows, and reads as many files of memories, however many are
remembered; only what could go first is judged from all of them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request, Response

from nexus.core import clock
from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.cortex import Cortex
from nexus.cortex.filters import Filter
from nexus.cortex.keeping import Judged
from nexus.cortex.memory import Confidence, Domain, Memory
from nexus.service import approval
from nexus.service.dashboard.paging import PageNumber, PageOf, last_page
from nexus.service.dashboard.rendering import cortex_of, html

_MEMORIES, _PROPOSALS, _CLOSEST = 50, 50, 3
_log = logging.getLogger(__name__)
router = APIRouter()
Words = Annotated[str, Query(max_length=10_000)]


@router.get("/queue")
def queue(request: Request) -> Response:
    """The first of what waits for the user's word, beside what it contradicts, as a fragment."""
    cortex = cortex_of(request)
    proposals = approval.waiting(cortex, _PROPOSALS)
    return html("queue.html", proposals=proposals, total=cortex.counts()["proposals"])


@router.get("/memories")
def memories(
    request: Request, q: Words = "", ended: bool = False, regret: bool = False, page: PageNumber = 0
) -> Response:
    """One page of what is remembered, as a fragment; `q` narrows it down, `ended` adds what was superseded.

    With `regret` what would be missed least comes first, with the reason.
    """
    cortex = cortex_of(request)
    if regret:
        total, known, page, judged = _judged(cortex, q, page, ended=ended)
        shown = [j.memory for j in judged]
    else:
        total, known, page, shown = _newest(cortex, q, page, ended=ended)
        judged = []
    return html(
        "memories.html",
        query=q.strip(),
        known=known,
        memories=shown,
        closest=_closest(cortex, q) if known and not total else [],
        page=PageOf(page, _MEMORIES, total),
        judged={j.memory.id: j for j in judged},
        ended=ended,
        now=clock.now(),
        domains=get_args(Domain),
        confidences=get_args(Confidence),
    )


def _newest(cortex: Cortex, words: str, page: int, *, ended: bool) -> tuple[int, int, int, list[Memory]]:
    """How many have the words, how many there are, the number of the page, and what is on it."""
    list_them = cortex.listing.memories
    total, known, rows = list_them(words, page * _MEMORIES, _MEMORIES, ended=ended)
    if not rows and page:  # some were forgotten meanwhile
        page = last_page(total, _MEMORIES)
        total, known, rows = list_them(words, page * _MEMORIES, _MEMORIES, ended=ended)
    shown = []
    for row in rows:
        try:
            memory = cortex.memories_of.read(Path(row.path))
        except (InvalidInputError, NotFoundError) as error:
            _log.warning("%s", error)  # gone or damaged since it was indexed
            continue
        shown.append(replace(memory, retrieval_count=row.hits))
    return total, known, page, shown


def _judged(cortex: Cortex, words: str, page: int, *, ended: bool) -> tuple[int, int, int, list[Judged]]:
    """The same for what would be missed least."""
    known = cortex.keeping.judged(Filter(include_expired=ended))
    found = [j for j in known if _has_words(j.memory, words)]
    page = min(page, last_page(len(found), _MEMORIES))
    return len(found), len(known), page, found[page * _MEMORIES :][:_MEMORIES]


def _closest(cortex: Cortex, query: str) -> list[Memory]:
    """What is nearest in meaning, where nothing has the words."""
    near = cortex.recall(query, _CLOSEST, kinds=("memory",))
    found = []
    for result in near:
        try:
            found.append(cortex.memories_of.read(Path(result.chunk.path)))
        except (InvalidInputError, NotFoundError) as error:
            _log.warning("%s", error)
    return found


def _has_words(memory: Memory, query: str) -> bool:
    """Whether each word of `query` occurs in the memory; true for no words."""
    text = " ".join((memory.learning, memory.context, memory.domain, *memory.keywords))
    return all(word in text.lower() for word in query.lower().split())
