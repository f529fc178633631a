"""The tools of an agent that are about files: finding them by what they are about, and tagging them.

Knows nothing of MCP. Invariants: what comes out of files is quoted (`nexus.service.quoting`); a reply is
bounded in tokens; no tool here changes the bytes of a file.
"""

from __future__ import annotations

from pydantic import Field

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.memexfs.desk import meant, told
from nexus.service.agent_reply import Arguments, Reply
from nexus.service.daemon import Daemon
from nexus.service.memex import MemexRoom
from nexus.service.quoting import block, one_line, quotation, tokens_of

_TOKENS = 1500
_PASSAGE_CHARS = 400


class FindFiles(Arguments):
    """Arguments of the tool `find_files`."""

    about: str = Field(default="", max_length=10_000)
    like: str = Field(default="", max_length=100_000)
    limit: int = Field(default=8, ge=1, le=25)


class TagFile(Arguments):
    """Arguments of the tool `tag_file`."""

    path: str = Field(min_length=1, max_length=100_000)
    add: tuple[str, ...] = Field(default=(), max_length=50)
    remove: tuple[str, ...] = Field(default=(), max_length=50)


def find_files(daemon: Daemon, wanted: FindFiles, project: str) -> Reply:
    """Files about something or like one. Raises `InvalidInputError` where neither is asked for, or both."""
    if bool(wanted.about.strip()) == bool(wanted.like):
        raise InvalidInputError("find_files: name either `about` or `like`", hint="see the tool's schema")
    room = daemon.files
    if wanted.like:
        found = room.memex.similar(_path(room, wanted.like), wanted.limit)
    else:
        found = room.memex.search(wanted.about, wanted.limit)
    rows = room.results(found)
    parts: list[str] = []
    for number, row in enumerate(rows, 1):
        label = f"[{number}] {one_line(row['opens'] or row['path'])}"
        tags = f" tags: {one_line(', '.join(row['tags']))}" if row["tags"] else ""
        said = " ".join(str(row["passage"] or row["summary"]).split())[:_PASSAGE_CHARS]
        entry = f"{label}{tags}\n{quotation(said)}".rstrip()
        if tokens_of("\n".join((*parts, entry))) > _TOKENS:
            parts.append(f"({len(rows) - number + 1} more not shown)")
            break
        parts.append(entry)
    shown = [
        {"path": row["opens"] or row["path"], "score": row["score"], "tags": row["tags"]} for row in rows
    ]
    return Reply(block("\n".join(parts)) if parts else "No file was found.", {"files": shown})


def tag_file(daemon: Daemon, wanted: TagFile, project: str) -> Reply:
    """Give and take tags. Raises `NotFoundError`, `InvalidInputError`."""
    if not wanted.add and not wanted.remove:
        raise InvalidInputError("tag_file: nothing to add and nothing to remove", hint="name a tag")
    room = daemon.files
    path = _path(room, wanted.path)
    tags = room.tag(path, wanted.add, wanted.remove)
    return Reply(
        f"{one_line(told(path))} has the tags: {one_line(', '.join(tags)) or 'none'}", {"tags": tags}
    )


def _path(room: MemexRoom, given: str) -> bytes:
    """The path under files/ of a path as `find_files` gives it, or of one under files/."""
    if not given.startswith("/"):
        return meant(given.removeprefix("files/"))
    named = room.desk.named(given)
    if named is None:
        raise NotFoundError(f"{given} is not a file of MemexFS", hint="find_files gives their paths")
    return named
