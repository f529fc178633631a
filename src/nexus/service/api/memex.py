"""Files by what they are about: search, tags, versions, folders in place, and the work behind it.

Paths are those under files/, as `nexus.memexfs.desk.told` writes them. Knows neither how files are found nor
how they are kept. What takes long runs on a thread of its own: no request waits for another one's file.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.memexfs.desk import meant, told, version_shown
from nexus.memexfs.fsck import check
from nexus.service.api.streaming import daemon_of
from nexus.service.memex import MemexRoom

router = APIRouter(prefix="/api/memex")
_LONGEST = 100_000
_DAY_NS = 86_400 * 10**9
Limit = Annotated[int, Query(ge=1, le=1000)]
PathText = Annotated[str, Query(max_length=_LONGEST)]
TagName = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchBody(_Body):
    """A question; `under` is a folder, `weights` are of the four blocks of a file's vector."""

    query: str = Field(max_length=10_000)
    limit: int = Field(default=10, ge=1, le=100)
    under: str = Field(default="", max_length=_LONGEST)
    weights: dict[Literal["name", "lead", "body", "tags"], float] | None = None


class SimilarBody(_Body):
    """A file to compare others with."""

    path: str = Field(max_length=_LONGEST)
    limit: int = Field(default=10, ge=1, le=100)


class TagBody(_Body):
    """Tags to give to a file and to take off it."""

    path: str = Field(max_length=_LONGEST)
    add: list[TagName] = Field(default=[], max_length=100)
    remove: list[TagName] = Field(default=[], max_length=100)


class RestoreBody(_Body):
    """A file, and which of its versions: 0 is the latest."""

    path: str = Field(max_length=_LONGEST)
    version: int = Field(default=0, ge=0, le=2**62)


class SourceBody(_Body):
    """A folder of this machine to show in place, under a name; its own where none is given."""

    folder: str = Field(max_length=4096)
    name: str = Field(default="", max_length=200)


class NameBody(_Body):
    """A folder in place by its name or its path, or a tag."""

    name: str = Field(min_length=1, max_length=4096)


class PauseBody(_Body):
    """Whether to index nothing for now."""

    paused: bool


class FsckBody(_Body):
    """Whether to mend what is found; needs the mount to be gone."""

    repair: bool = False


class ReindexBody(_Body):
    """A folder or a file; empty: everything."""

    under: str = Field(default="", max_length=_LONGEST)


def files_of(request: Request) -> MemexRoom:
    """The part of the daemon that has files."""
    return daemon_of(request).files


@router.post("/search")
async def search(request: Request, body: SearchBody) -> dict[str, Any]:
    """Files about something, best first; `parts` says why, `problem` that words alone were compared."""
    room = files_of(request)
    under = meant(body.under) if body.under else b""

    def find() -> dict[str, Any]:
        memex = room.memex
        weights = {str(block): weight for block, weight in (body.weights or {}).items()}
        found = memex.search(body.query, body.limit, under=under, weights=weights or None)
        return {"results": room.results(found), "problem": memex.status()["search"]}

    return await asyncio.to_thread(find)


@router.post("/similar")
async def similar(request: Request, body: SimilarBody) -> dict[str, Any]:
    """Files like one, without it."""
    room, path = files_of(request), meant(body.path)
    return await asyncio.to_thread(
        lambda: {"results": room.results(room.memex.similar(path, body.limit)), "problem": ""}
    )


@router.get("/files")
async def files(
    request: Request,
    under: PathText = "",
    tag: Annotated[list[str] | None, Query(max_length=20)] = None,
    days: Annotated[float, Query(ge=0, le=36_500)] = 0,
    after: PathText = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Files of a folder, with all these tags, or changed in the last `days`, the latest first. `next` is what
    to send as `after` for more files of a folder; empty at the end."""
    desk = files_of(request).desk

    def look() -> dict[str, Any]:
        store = desk.store
        if tag:
            return {"files": [desk.shown(row) for row in store.tagged(tag, limit)], "next": ""}
        if days:
            since = time.time_ns() - int(days * _DAY_NS)
            return {"files": [desk.shown(row) for row in store.recent(since, limit)], "next": ""}
        rows = store.files(meant(under) if under else b"", meant(after) if after else b"", limit)
        more = told(rows[-1].path) if len(rows) == limit else ""
        return {"files": [desk.shown(row) for row in rows], "next": more}

    return await asyncio.to_thread(look)


@router.get("/file")
async def file(request: Request, path: PathText) -> dict[str, Any]:
    """What is known of one file."""
    desk = files_of(request).desk
    return await asyncio.to_thread(lambda: desk.shown(desk.row(meant(path))))


@router.get("/tags")
async def tags(request: Request) -> dict[str, Any]:
    """All tags, and how many files have each."""
    desk = files_of(request).desk
    return {"tags": [{"name": n, "files": k} for n, k in await asyncio.to_thread(desk.store.tags)]}


@router.post("/tags")
async def change_tags(request: Request, body: TagBody) -> dict[str, Any]:
    """Give and take tags; returns those that the file has then."""
    room, path = files_of(request), meant(body.path)
    if not body.add and not body.remove:
        raise InvalidInputError("there is nothing to add and nothing to remove", hint="name a tag")
    found = await asyncio.to_thread(room.tag, path, body.add, body.remove)
    return {"path": told(path), "tags": found}


@router.delete("/tags")
async def drop_tag(request: Request, body: NameBody) -> dict[str, Any]:
    """Forget a tag, on all its files; the files stay."""
    desk = files_of(request).desk
    if not await asyncio.to_thread(desk.store.drop_tag, body.name):
        raise NotFoundError(f"there is no tag {body.name!r}", hint="`nexus memex tags` lists them")
    return {"dropped": body.name}


@router.get("/versions")
async def versions(request: Request, path: PathText) -> dict[str, Any]:
    """Older contents of a file, the latest first; also of one that was removed."""
    desk = files_of(request).desk
    found = await asyncio.to_thread(desk.versions, meant(path))
    return {"path": path, "versions": [version_shown(version) for version in found]}


@router.post("/restore")
async def restore(request: Request, body: RestoreBody) -> dict[str, Any]:
    """Bring an older content back; what the file holds now becomes a version."""
    desk, path = files_of(request).desk, meant(body.path)
    done = await asyncio.to_thread(desk.restore, path, body.version)
    return {"path": told(path), "restored": version_shown(done)}


@router.get("/sources")
async def sources(request: Request) -> dict[str, Any]:
    """Folders that are shown in place, by name."""
    desk = files_of(request).desk
    return {"sources": {n: str(p) for n, p in (await asyncio.to_thread(desk.store.sources)).items()}}


@router.post("/sources")
async def add_source(request: Request, body: SourceBody) -> dict[str, Any]:
    """Show and index a folder of this machine in place: nothing is copied."""
    room = files_of(request)
    folder = Path(body.folder)
    if not folder.is_absolute() or "\0" in body.folder:
        raise InvalidInputError(f"{body.folder!r} is not an absolute path", hint="start with /")

    def add() -> dict[str, Any]:
        name = room.desk.add_source(folder, body.name)
        room.compare(name)
        room.changed()
        return {"name": name, "folder": str(folder)}

    return await asyncio.to_thread(add)


@router.delete("/sources")
async def drop_source(request: Request, body: NameBody) -> dict[str, Any]:
    """Show a folder no more; its files stay as they are."""
    room = files_of(request)
    name = await asyncio.to_thread(room.desk.drop_source, body.name)
    room.changed()
    return {"name": name}


@router.get("/status")
async def status(request: Request) -> dict[str, Any]:
    """How it goes: files by state, what waits, the mount, folders in place."""
    return await asyncio.to_thread(files_of(request).as_dict)


@router.post("/pause")
async def pause(request: Request, body: PauseBody) -> dict[str, Any]:
    """Begin to read no file until it is resumed; what is found is found as before."""
    memex = files_of(request).memex
    (memex.pause if body.paused else memex.resume)()
    return {"paused": body.paused}


@router.post("/fsck")
async def fsck(request: Request, body: FsckBody) -> dict[str, Any]:
    """Whether what lies on the disk fits together. Reads every stored content."""
    room = files_of(request)
    _ = room.desk
    return await asyncio.to_thread(lambda: report(daemon_of(request).config.home.root, body.repair))


def report(home: Path, repair: bool) -> dict[str, Any]:
    """`nexus.memexfs.fsck.check` for JSON."""
    found = check(home, repair)
    return {
        "sound": found.sound,
        "problems": found.problems,
        "more": found.more,
        "notes": found.notes,
        "repaired": found.repaired,
        "files": found.files,
        "sealed": found.sealed,
        "objects": found.objects,
        "versions": found.versions,
    }


@router.post("/reindex")
async def reindex(request: Request, body: ReindexBody) -> dict[str, Any]:
    """Read files again, also those that were set aside."""
    memex, under = files_of(request).memex, meant(body.under) if body.under else b""
    return {"queued": await asyncio.to_thread(memex.reindex, under)}
