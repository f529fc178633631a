"""What WebDAV clients note about a file (dead properties), kept as an extended attribute of the file itself.

So it goes wherever the file goes, without a database. The methods are those of WsgiDAV's property managers.
Invariant: what is answered for is stored; what the file cannot hold is refused.
"""

from __future__ import annotations

import errno
import json
from typing import Any
from urllib.parse import unquote

from nexus.memexfs.dav_stream import answered
from nexus.memexfs.pathwise import Path, Pathwise

ATTRIBUTE = b"user.dav.properties"


class Properties:
    """Properties by the quoted URL of a resource and their name as `{namespace}name`; values are XML.

    `names_of` gives the names that a path means.
    """

    def __init__(self, tree: Pathwise, names_of: Any) -> None:
        self._tree = tree
        self._names_of = names_of

    @answered
    def get_properties(self, norm_url: str, environ: Any = None) -> list[str]:
        """The names of what a resource has."""
        return list(self._load(self._path(norm_url)))

    @answered
    def get_property(self, norm_url: str, name: str, environ: Any = None) -> str | None:
        """The value of one, None where there is none."""
        return self._load(self._path(norm_url)).get(name)

    @answered
    def write_property(
        self,
        norm_url: str,
        name: str,
        property_value: bytes | str,
        dry_run: bool = False,
        environ: Any = None,
    ) -> None:
        """Set one; `dry_run` only looks whether it may be."""
        path = self._path(norm_url)
        value = property_value.decode() if isinstance(property_value, bytes) else property_value
        if not dry_run:
            self._store(path, {**self._load(path), name: value})

    @answered
    def remove_property(self, norm_url: str, name: str, dry_run: bool = False, environ: Any = None) -> None:
        """Take one away; nothing happens where there is none."""
        path = self._path(norm_url)
        known = self._load(path)
        if known.pop(name, None) is not None and not dry_run:
            self._store(path, known)

    def remove_properties(self, norm_url: str, environ: Any = None) -> None:
        """They are gone with the file."""

    @answered
    def copy_properties(self, src_url: str, dest_url: str, environ: Any = None) -> None:
        """Give a copy what its original has."""
        known = self._load(self._path(src_url))
        if known:
            self._store(self._path(dest_url), known)

    def move_properties(self, src_url: str, dest_url: str, with_children: bool, environ: Any = None) -> None:
        """They move with the file."""

    def _path(self, url: str) -> Path:
        found: Path = self._names_of(self._tree, unquote(url))
        return found

    def _load(self, path: Path) -> dict[str, str]:
        try:
            with self._tree.at(path) as found:
                data = self._tree.filesystem.getxattr(found.node, ATTRIBUTE)
        except OSError as error:
            if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT):
                return {}
            raise
        try:
            known = json.loads(data)
        except ValueError:  # somebody else wrote it
            return {}
        if not isinstance(known, dict):
            return {}
        return {name: value for name, value in known.items() if isinstance(value, str)}

    def _store(self, path: Path, known: dict[str, str]) -> None:
        with self._tree.at(path) as found:
            if known:
                data = json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()
                self._tree.filesystem.setxattr(found.node, ATTRIBUTE, data, 0, self._tree.caller())
            else:
                self._tree.filesystem.removexattr(found.node, ATTRIBUTE, self._tree.caller())
