"""What is known of a file, as its extended attributes `user.memex.*`.

    user.memex.id state kind title summary problem     what was found in it
    user.memex.tags          `a, b`; setting it sets exactly these tags
    user.memex.score         how well it fitted the last question that it was an answer to

Knows the store, not the files. Invariant: only the tags can be set; nothing else here is a program's to say.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nexus.memexfs.node import failure
from nexus.memexfs.tag_names import answering

if TYPE_CHECKING:
    from nexus.memexfs.scores import Scores
    from nexus.memexfs.store import Store

PREFIX = b"user.memex."
TAGS = b"user.memex.tags"
_TAG = re.compile(r"(?:\\.|[^,\\\n])+")


class StoreDescriber:
    """A `Describer` over the store. Paths are those under files/; failures are `OSError`."""

    def __init__(
        self, store: Store, scores: Scores, retagged: Callable[[bytes], object] = lambda path: None
    ) -> None:
        """`retagged` is told of each file whose tags were set."""
        self._store, self._scores, self._retagged = store, scores, retagged

    def get(self, path: bytes) -> Mapping[bytes, bytes]:
        """The attributes that have a value, by their full names."""
        values = {"score": self._scores.of(path)}
        with answering():
            row = self._store.file(path)
            if row is not None:
                values |= {
                    "id": str(row.id),
                    "state": row.state,
                    "kind": row.kind,
                    "title": row.title,
                    "summary": row.summary,
                    "problem": row.problem or self._store.problem_of(path),
                    "tags": joined(self._store.tags_of(row.id)),
                }
        return {
            PREFIX + name.encode(): value.encode("utf-8", "replace")
            for name, value in values.items()
            if value
        }

    def set(self, path: bytes, name: bytes, value: bytes) -> None:
        """EPERM for all but the tags, EINVAL for what cannot be tags."""
        if name != TAGS:
            raise failure(errno.EPERM)
        try:
            wanted = split(value.decode())
        except UnicodeDecodeError:
            raise failure(errno.EINVAL) from None
        with answering():
            self._store.set_tags(self._store.ensure(path), wanted)
        self._retagged(path)

    def remove(self, path: bytes, name: bytes) -> None:
        """Takes all tags off; EPERM for anything else."""
        self.set(path, name, b"")


def joined(tags: list[str]) -> str:
    """`a, b`; a comma or backslash within a tag has a backslash before it."""
    return ", ".join(re.sub(r"([,\\])", r"\\\1", tag) for tag in tags)


def split(text: str) -> list[str]:
    """The tags in `a, b`, lines counting as commas."""
    found = (re.sub(r"\\(.)", r"\1", part).strip() for part in _TAG.findall(text))
    return [tag for tag in found if tag]
