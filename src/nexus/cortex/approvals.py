"""What waits for a person's word, and what has got it: proposals, approved content, texts once shown.

Knows nothing of memories; keys and bodies are the callers'. Invariant: every list here is bounded, so
that the file does not grow with what has passed through.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nexus.core import clock
from nexus.cortex.database import Database

_PROPOSALS = 1000
_SHOWN = 100_000


class Approvals:
    """The queue of proposals and the marks beside it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put_proposal(self, key: str, body: dict[str, Any]) -> bool:
        """Queue a proposed memory. False when it is queued or was rejected already."""
        with self._db.transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO proposals VALUES (?, 'open', ?, ?)",
                (key, clock.iso(clock.now()), json.dumps(body, ensure_ascii=False)),
            )
            # What nobody has looked at for a thousand proposals is not going to be.
            db.execute(
                "DELETE FROM proposals WHERE id NOT IN"
                " (SELECT id FROM proposals ORDER BY created DESC, rowid DESC LIMIT ?)",
                (_PROPOSALS,),
            )
            return cursor.rowcount == 1

    def proposals(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Open proposals, newest first: key, when, body."""
        rows = self._db.rows(
            "SELECT id, created, body FROM proposals WHERE state = 'open' ORDER BY created DESC, rowid DESC"
        )
        return [(row[0], row[1], json.loads(row[2])) for row in rows]

    def note_on_proposal(self, key: str, **notes: Any) -> bool:
        """Write `notes` into the body of an open proposal. False when there is none."""
        with self._db.transaction() as db:
            row = db.execute("SELECT body FROM proposals WHERE id = ? AND state = 'open'", (key,)).fetchone()
            if row is None:
                return False
            body = json.dumps({**json.loads(row[0]), **notes}, ensure_ascii=False)
            db.execute("UPDATE proposals SET body = ? WHERE id = ?", (body, key))
        return True

    def close_proposal(self, key: str, *, rejected: bool) -> bool:
        """Take a proposal off the queue; a rejected one is remembered so that it does not return."""
        sql = (
            "UPDATE proposals SET state = 'rejected' WHERE id = ? AND state = 'open'"
            if rejected
            else "DELETE FROM proposals WHERE id = ? AND state = 'open'"
        )
        with self._db.transaction() as db:
            return db.execute(sql, (key,)).rowcount == 1

    def approve_content(self, sha256: str, path: str) -> None:
        """Note that a person has approved exactly this content."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO approved VALUES (?, ?, ?)", (sha256, path, clock.iso(clock.now()))
            )

    def approved_content(self, sha256: str) -> bool:
        """Whether exactly this content was approved."""
        return bool(self._db.rows("SELECT 1 FROM approved WHERE sha256 = ?", (sha256,)))

    def withdraw_content(self, sha256: str) -> bool:
        """Take an approval back. False when there was none."""
        with self._db.transaction() as db:
            return db.execute("DELETE FROM approved WHERE sha256 = ?", (sha256,)).rowcount == 1

    def note_shown(self, hashes: Sequence[str]) -> None:
        """Note that texts with these hashes were shown to an agent."""
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO shown (hash) VALUES (?)", [(h,) for h in hashes])
            db.execute("DELETE FROM shown WHERE number <= (SELECT max(number) FROM shown) - ?", (_SHOWN,))

    def was_shown(self, hashes: Sequence[str]) -> set[str]:
        """Which of these were shown."""
        found: set[str] = set()
        for start in range(0, len(hashes), 500):
            part = hashes[start : start + 500]
            marks = ",".join("?" * len(part))
            found.update(r[0] for r in self._db.rows(f"SELECT hash FROM shown WHERE hash IN ({marks})", part))
        return found
