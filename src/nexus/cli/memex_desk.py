"""What `nexus memex` asks: the running service, or this home's store where none runs.

Turns what people type into paths under files/. Knows no command. Invariant: with and without the service the
same words give data of the same form.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexus.cli.client import Client
    from nexus.memexfs.desk import Desk

Data = dict[str, Any]
_ID = "user.memex.id"


def ask(online: Callable[[Client], Data], alone: Callable[[Desk], Data]) -> Data:
    """The answer of the service, or of the store itself while the service does not run."""
    from nexus.core.instance import running
    from nexus.core.paths import Home

    if running(Home.from_env()) is not None:
        from nexus.cli.client import Client

        return online(Client())
    desk = opened()
    try:
        return alone(desk)
    finally:
        desk.store.close()


def opened() -> Desk:
    """This home's desk; whoever asks closes its store. Raises `StorageError`."""
    from nexus.core.paths import Home
    from nexus.memexfs.desk import Desk
    from nexus.memexfs.store import Store

    home = Home.from_env()
    home.create()
    home.memex.mkdir(mode=0o700, exist_ok=True)
    return Desk(home.root, Store(home.memex))


def path_of(given: str) -> str:
    """The path under files/ of what was typed: a path on this machine, in any view of the mount, or one that
    is under files/ already."""
    from nexus.memexfs.desk import told

    desk = opened()
    try:
        if given.startswith(("/", "~", "./", "../")) or Path(given).exists():
            place = str(Path(given).expanduser())
            named = desk.named(place) or desk.named(os.path.realpath(place)) or _by_id(desk, place)
            if named is not None:
                return told(named)
        return given.removeprefix("files/")
    finally:
        desk.store.close()


def _by_id(desk: Desk, place: str) -> bytes | None:
    """The file of a result of search/ or tags/, which lies elsewhere."""
    with suppress(OSError, ValueError):
        row = desk.store.by_id(int(os.getxattr(place, _ID)))
        return row.path if row is not None else None
    return None
