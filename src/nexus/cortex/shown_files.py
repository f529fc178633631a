"""The files that one page shows, read as they are now.

Knows no ledger: who makes one says which files may be shown. Invariant: what is given has passed the reader,
as if it were added itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nexus.cortex import includes
from nexus.cortex.reader import Outcome, ReadLimits, read

# Bytes read for one page, and of one file: a page of a few lines must not cost the reading of a disk.
_MOST_READ, _LARGEST = 4 * 2**20, 2**20


class ShownFiles:
    """Finds what a page names, once each.

    `found` has the SHA-256 of every file that was looked for, by path: "" for one that cannot be shown, or is
    not there yet.
    """

    def __init__(self, page: str, root: str, may_show: Callable[[str], bool], limits: ReadLimits) -> None:
        self._page, self._root, self._may_show, self._limits = page, root, may_show, limits
        self._texts: dict[str, str] = {}
        self._left = _MOST_READ
        self.found: dict[str, str] = {}

    def text(self, path: str) -> str | None:
        """The text of the file that the page names so; None where there is none that may be shown."""
        for name in includes.candidates(path, self._page, self._root):
            if name not in self.found:
                self.found[name] = self._read(name)
            if self.found[name]:
                return self._texts[name]
        return None

    def _read(self, name: str) -> str:
        if not self._may_show(name):
            return ""
        try:
            size = Path(name).stat().st_size
        except OSError:
            return ""
        if size > min(self._left, _LARGEST):
            return ""
        self._left -= size
        document = read(Path(name), self._limits)
        if isinstance(document, Outcome):
            return ""
        self._texts[name] = document.text
        return document.sha256
