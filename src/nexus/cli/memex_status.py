"""What `nexus memex status` says, from the service or, while it does not run, from the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexus.memexfs.desk import Desk


def alone(desk: Desk) -> dict[str, Any]:
    """The status without the service: as that of `/api/memex/status`, less what only it knows."""
    mount = desk.mounted()
    return {
        "state": "the service does not run",
        "problem": "nothing is read or indexed: nexus up --detach",
        "mount": {**mount._asdict(), "point": str(mount.point)} if mount else None,
        "files": dict(desk.store.count()),
        "work": {"waiting": desk.store.waiting()},
        "sources": {name: str(path) for name, path in desk.store.sources().items()},
        "tags": len(desk.store.tags()),
        "rebuilt": desk.store.rebuilt,
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """For people."""
    mount = found["mount"]
    if mount is None:
        yield "mount     none: nexus mount"
    else:
        again = f", restarted {mount['restarts']} times" if mount["restarts"] else ""
        yield f"mount     {mount['point']} (process {mount['pid']}{again})"
    yield f"index     {found['state']}"
    if found["problem"]:
        yield f"problem   {found['problem']}"
    if "files" not in found:
        return
    states = ", ".join(f"{count} {state}" for state, count in sorted(found["files"].items())) or "none"
    yield f"files     {states}"
    work = found["work"]
    now = f", now {work['now']}" if work.get("now") else ""
    yield f"waiting   {work['waiting']}{now}{', paused: nexus memex resume' if work.get('paused') else ''}"
    if work.get("problem"):
        yield f"problem   {work['problem']}"
    if found.get("search"):
        yield f"search    by words only: {found['search']}"
    yield f"tags      {found['tags']}"
    for name, path in found["sources"].items():
        yield f"in place  files/{name} is {path}"
    if found["rebuilt"]:
        yield f"rebuilt   {found['rebuilt']}"
