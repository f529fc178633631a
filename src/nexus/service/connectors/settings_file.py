"""A settings file of an agent, and the parts of it that are ours.

Connecting puts parts in, disconnecting takes them out. Where nobody has edited the file since, it becomes
again what it was, byte for byte; where somebody has, only what is ours goes. Knows nothing of any agent.
Invariants: putting a part in twice is putting it in once; what is not ours keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from nexus.service.connectors.change import Change, mode_of, read
from nexus.service.connectors.record import Record, Records

_PRIVATE = 0o600


class Part(Protocol):
    """Something of ours in the text of a settings file."""

    @property
    def name(self) -> str:
        """What it is called among the parts of its file."""

    @property
    def private(self) -> bool:
        """Whether it holds a key, so that nobody else may read the file."""

    def present(self, text: str, place: str, before: Record | None) -> bool:
        """Whether `text` holds it, as this installation or another one of ours has put it in."""

    def put(self, text: str, place: str) -> str:
        """`text` with it. Raises `InvalidInputError`, naming `place`, for what is in the way."""

    def take(self, text: str, place: str, before: Record | None) -> str:
        """`text` without it, and with what `before` says the user had in its place."""


def settle(path: Path, parts: Sequence[Part], wanted: Collection[str], records: Records) -> Change:
    """The change after which `path` holds the parts named in `wanted`, and no other part of ours.

    Raises `InvalidInputError`, `StorageError`.
    """
    current, record, place = read(path), records.of(path), str(path)
    unedited = record is not None and record.new == current
    users = record.old if record and unedited else _without(parts, current, place, record)
    if not wanted:
        mode = record.mode if record and users is not None else None
        return Change(path, current, users, records, None, mode)
    text = (users if unedited else current) or ""
    for part in parts:
        text = part.put(text, place) if part.name in wanted else part.take(text, place, record)
    private = any(part.private for part in parts if part.name in wanted)
    usual = (
        record.mode if record and record.mode is not None else mode_of(path) if current is not None else None
    )
    mode = _PRIVATE if private else usual
    kept = usual if private and usual != _PRIVATE else None
    folders = record.folders if record else tuple(str(p) for p in path.parents if not p.exists())
    return Change(path, current, text, records, Record(place, users, text, kept, folders), mode)


def present(path: Path, parts: Sequence[Part], records: Records) -> set[str]:
    """The names of the parts that the file holds. Raises `InvalidInputError`, `StorageError`."""
    text, record = read(path), records.of(path)
    return {part.name for part in parts if text is not None and part.present(text, str(path), record)}


def _without(parts: Sequence[Part], current: str | None, place: str, record: Record | None) -> str | None:
    """The user's own text, as far as it can be told from what is there now."""
    if current is None:
        return None
    text = current
    for part in parts:
        text = part.take(text, place, record)
    empty = text.removeprefix("\ufeff").strip() in ("", "{}", "{\n}", "{\r\n}")
    if record and empty and text != current:
        # What the user had was as empty, or was not there.
        return record.old if not (record.old or "").strip("\ufeff{} \t\r\n") else text
    return text
