"""`by/`: files by what they are: `type/pdf/`, `author/Ada Lovelace/`, `date/2026-11/`.

Knows the database's fields, not how they were filled. Files of which nothing is known are not listed.
Invariant: nothing below here changes or removes a file; `mv` to a real folder moves the real file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nexus.memexfs.results import LISTED, Choice, Results
from nexus.memexfs.virtual import Fixed, Scene

if TYPE_CHECKING:
    from nexus.memexfs.store import Field


class Having(Results):
    """Files that have `value` in `field`, the latest changed first."""

    def __init__(self, scene: Scene, path: bytes, field: Field, value: str) -> None:
        super().__init__(scene, path)
        self._field, self._value = field, value

    def ask(self) -> Sequence[bytes]:
        return [row.path for row in self.scene.store.having(self._field, self._value, LISTED + 1)]


class By(Choice):
    """A folder for each value of `field`."""

    def __init__(self, scene: Scene, path: bytes, field: Field) -> None:
        super().__init__(scene, path)
        self._field = field

    def values(self) -> Sequence[str]:
        return [value for value, _ in self.scene.store.values(self._field)]

    def results(self, name: bytes, value: str) -> Having:
        return Having(self.scene, self.below(name), self._field, value)


def by(scene: Scene, path: bytes) -> Fixed:
    """The folder `by/`."""
    fields: tuple[tuple[bytes, Field], ...] = ((b"type", "kind"), (b"author", "author"), (b"date", "month"))
    return Fixed(scene, path, [(name, By(scene, path + b"/" + name, field)) for name, field in fields])
