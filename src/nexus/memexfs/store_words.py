"""Files found by words: their names, titles, summaries and passages, by BM25 of FTS5.

Knows nothing of meaning. Invariant: no question is an error, whatever characters are in it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from nexus.memexfs.store_rows import Rows

_WORD = re.compile(r"\w+")
_MOST_WORDS = 32
_DEPTH = 20_000  # passages looked at, when those of other folders are passed over
_LOOKED_AT = 2000  # passages otherwise: one file may have hundreds of them
_NAMES = "bm25(named, 4.0, 3.0, 1.0)"  # label, title, summary
_TEXTS = "bm25(said, 2.0, 1.0)"  # heading, text


class Match(NamedTuple):
    """A file and how well it fits: more is better, comparable within one answer. `passage` is the text in it
    that fits best, "" where only its name does."""

    path: bytes
    score: float
    passage: str


class Words(Rows):
    """The search that needs no model."""

    def matching(self, text: str, limit: int, under: bytes = b"") -> list[Match]:
        """Files (below the folder `under`) with any of the words of `text`, best first."""
        question = asked(text)
        if not question or limit < 1:
            return []
        with self._database.reading() as db:
            known: dict[int, bytes] = {}
            below = under + b"/" if under else b""
            names: dict[int, bytes] = {}
            scores: dict[int, float] = {}
            best: dict[int, int] = {}

            def fits(file: int) -> bool:
                if file not in names:
                    sql = "SELECT folder, name FROM files WHERE id = ? AND gone = 0"
                    row = db.execute(sql, (file,)).fetchone()
                    names[file] = self._path(db, row[0], known) + row[1] if row else b""
                return bool(names[file]) and (names[file].startswith(below) or names[file] == under)

            wanted = max(4 * limit, 100)
            rows = db.execute(
                f"SELECT rowid, -{_NAMES} FROM named WHERE named MATCH ? ORDER BY 2 DESC LIMIT ?",
                (question, _DEPTH if under else wanted),
            )
            for file, score in rows:
                if fits(file):
                    scores[file] = score
                    if len(scores) >= wanted:
                        break
            rows = db.execute(
                "SELECT best.passage, best.score, p.file FROM"
                f" (SELECT rowid AS passage, -{_TEXTS} AS score FROM said WHERE said MATCH ?"
                " ORDER BY 2 DESC LIMIT ?) best JOIN passages p ON p.id = best.passage"
                " ORDER BY best.score DESC",
                (question, _DEPTH if under else max(_LOOKED_AT, wanted)),
            )
            for passage, score, file in rows:
                if file not in best and fits(file):
                    best[file] = passage
                    scores[file] = scores.get(file, 0.0) + score
                    if len(best) >= wanted:
                        break
            ranked = sorted(scores, key=lambda file: (-scores[file], names[file]))[:limit]
            sql = "SELECT text FROM passages WHERE id = ?"
            return [
                Match(
                    names[file],
                    scores[file],
                    db.execute(sql, (best[file],)).fetchone()[0] if file in best else "",
                )
                for file in ranked
            ]


def asked(text: str) -> str:
    """The words of a question as FTS5 is asked for them: any of them. Those that say nothing are left out
    unless there are no others; "" where there is no word at all."""
    from nexus.cortex.words import STOP_WORDS  # brings NumPy, which who never searches does without

    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(text.replace("_", " "))))
    telling = [word for word in words if word not in STOP_WORDS] or words
    return " OR ".join(f'"{word}"' for word in telling[:_MOST_WORDS])
