"""Files that were met and not taken in, and why: what the last reading of each added folder said.

Knows nothing of reading. Invariant: of one folder at most `MOST` files are kept, and a note is replaced by
what the next whole reading says, so that a mended file is not complained about for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nexus.cortex.database import Database
from nexus.cortex.reader import display
from nexus.cortex.reporting import FileReport

MOST = 1000


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """One file; `hint` says what would mend it, where something would."""

    path: str
    status: str
    reason: str
    hint: str


class Skipped:
    """The notes, one for each root and file."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(self, root: str, reports: Sequence[FileReport]) -> None:
        """Keep what a whole reading of `root` left out. Writes nothing where that has not changed."""
        shown = display(root)
        prefix = shown.rstrip("/") + "/"
        found = [
            (f.path, shown, f.status, f.reason, f.hint)
            for f in reports
            if f.status in ("skipped", "failed") and (f.path == shown or f.path.startswith(prefix))
        ][:MOST]
        columns = "SELECT path, root, status, reason, hint FROM skipped WHERE root = ?"
        if sorted(found) == sorted(self._db.rows(columns, (shown,))):
            return
        with self._db.transaction() as db:
            db.execute("DELETE FROM skipped WHERE root = ?", (shown,))
            db.executemany("INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?, ?)", found)

    def forget(self, root: str) -> None:
        """Drop the notes on a path, and on what lies below it."""
        shown = display(root)
        prefix = shown.rstrip("/") + "/"
        sql = "DELETE FROM skipped WHERE path = ? OR root = ? OR substr(path, 1, length(?)) = ?"
        with self._db.transaction() as db:
            db.execute(sql, (shown, shown, prefix, prefix))

    def counts(self) -> dict[str, int]:
        """How many files of each root were left out, by the root as it is displayed."""
        return dict(self._db.rows("SELECT root, count(*) FROM skipped GROUP BY root"))

    def of(self, root: str, offset: int, limit: int) -> list[SkippedFile]:
        """Files of a root by path."""
        sql = "SELECT path, status, reason, hint FROM skipped WHERE root = ? ORDER BY path LIMIT ? OFFSET ?"
        return [SkippedFile(*row) for row in self._db.rows(sql, (display(root), limit, offset))]
