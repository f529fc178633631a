"""Members of ours in a JSON settings file: a server, or variables of an environment.

Invariant: a member that somebody else has put there, or has changed since, is not touched; where one of
the user's had to give way, it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.service.connectors.json_text import JsonText
from nexus.service.connectors.record import Record


def _nobody(value: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Member:
    """A value at a path. `ours` recognises one that another installation of ours has put there.

    With `replaces`, a value of the user's gives way until we leave; without, it is refused.
    """

    path: tuple[str, ...]
    value: Any
    ours: Callable[[Any], bool] = _nobody
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """A part made of members."""

    name: str
    members: Sequence[Member]
    private: bool = False

    def present(self, text: str, place: str, before: Record | None) -> bool:
        """Whether the first of them is there, as ours."""
        users, wrote = _sides(before, place)
        return _is_ours(JsonText(text, place), self.members[0], users, wrote)

    def put(self, text: str, place: str) -> str:
        """`text` with all of them."""
        document = JsonText(text, place)
        for member in self.members:
            _put(document, member, place)
        return document.text

    def take(self, text: str, place: str, before: Record | None) -> str:
        """`text` without those that are still ours."""
        document = JsonText(text, place)
        users, wrote = _sides(before, place)
        changed = False
        for member in reversed(self.members):
            if not _is_ours(document, member, users, wrote):
                continue
            changed = True
            if users and users.at(member.path) is not None:
                document.rewrite(member.path, users.written(member.path))
                continue
            document.remove(member.path)
            remove_empty(document, member.path[:-1], users)
        return document.text if changed else text


def remove_empty(document: JsonText, path: Sequence[str], users: JsonText | None) -> None:
    """Take out the object or list at `path`, and those around it, that are empty without us.

    One that was empty before is written again as it was.
    """
    while path and document.at(path) in ({}, []):
        if users and users.at(path) is not None:
            if users.at(path) in ({}, []):
                document.rewrite(path, users.written(path))
            return
        document.remove(path)
        path = path[:-1]


def _sides(before: Record | None, place: str) -> tuple[JsonText | None, JsonText | None]:
    """What the user had, and what we made of it."""
    return (JsonText(before.old or "", place), JsonText(before.new, place)) if before else (None, None)


def _is_ours(document: JsonText, member: Member, users: JsonText | None, wrote: JsonText | None) -> bool:
    found = document.at(member.path)
    if found is None or (users and found == users.at(member.path)):
        return False
    return found == member.value or member.ours(found) or bool(wrote and found == wrote.at(member.path))


def _put(document: JsonText, member: Member, place: str) -> None:
    for depth in range(len(member.path)):
        inside = document.at(member.path[:depth])
        if not isinstance(inside, dict):
            raise InvalidInputError(
                f"{place}: {'.'.join(member.path[:depth])} is not an object", hint="mend it first"
            )
        if member.path[depth] not in inside:
            value = member.value
            for name in reversed(member.path[depth + 1 :]):
                value = {name: value}
            document.add(member.path[:depth], member.path[depth], value)
            return
    found = document.at(member.path)
    if found == member.value:
        return
    if not member.replaces and not member.ours(found):
        raise InvalidInputError(
            f"{place} has another {'.'.join(member.path)}", hint="rename it, or take it out, and try again"
        )
    document.replace(member.path, member.value)
