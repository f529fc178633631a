"""Tags as names of folders: which there are, and making, renaming and dropping them.

Knows the store and the listings, no files. Invariant: a name that no tag may have is EINVAL, never another
tag, and what was changed here is seen by the next call.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from nexus.core.errors import NexusError
from nexus.memexfs.listings import Listing
from nexus.memexfs.node import failure
from nexus.memexfs.results import FRESH, refused
from nexus.memexfs.store_tags import checked
from nexus.memexfs.virtual import Scene


def all_tags(scene: Scene) -> list[str]:
    """All tags, by name."""

    def ask() -> Listing:
        with answering():
            return Listing({name.encode(): b"" for name in sorted(name for name, _ in scene.store.tags())})

    return [name.decode() for name in scene.listings.get("tags", ask, FRESH).names]


def known_tag(scene: Scene, name: bytes) -> str | None:
    """The tag of this name; None where there is none."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    with answering():
        return text if scene.store.has_tag(text) else None


def make_tag(scene: Scene, name: bytes) -> str:
    """Make it; EEXIST where there is one, EINVAL where it cannot be a tag's name."""
    tag = tag_name(name)
    if known_tag(scene, name):
        raise failure(errno.EEXIST)
    with answering():
        scene.store.make_tag(tag)
    scene.listings.drop()
    return tag


def drop_tag(scene: Scene, tag: str) -> None:
    """Take a tag from every file, and its folder away."""
    with answering():
        scene.store.drop_tag(tag)
    scene.listings.drop()


def rename_tag(scene: Scene, old: str, new: str) -> None:
    """Raises EEXIST where `new` is a tag already."""
    if known_tag(scene, new.encode()):
        raise failure(errno.EEXIST)
    with answering():
        scene.store.rename_tag(old, new)
    scene.listings.drop()


def tag_name(name: bytes) -> str:
    """The name as a tag; EINVAL where it cannot be one."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise failure(errno.EINVAL) from None
    if not text.isprintable():
        raise failure(errno.EINVAL)
    with answering():
        return checked(text)


@contextmanager
def answering() -> Iterator[None]:
    """What the store refuses, as the errno that a program is to see."""
    try:
        yield
    except NexusError as error:
        raise refused(error) from error
