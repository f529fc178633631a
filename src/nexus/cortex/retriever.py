"""Which chunks and memories belong to a question.

Two lists of candidates, by words (BM25) and by meaning (vectors), are scaled to 0..1 and added. Rank
fusion (RRF) throws the scores away and measured worse. Two small bounded bonuses follow, recency and
frequency (seed 004). Every result says how its score came about.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nexus.core import clock
from nexus.cortex.embedder import Embedder
from nexus.cortex.indexer import VectorIndex
from nexus.cortex.ledger import ChunkRow, Ledger, ObjectKind

BOTH: tuple[ObjectKind, ObjectKind] = ("document", "memory")
_CANDIDATES = 100
_RECENCY, _RECENCY_HALF_LIFE_DAYS = 0.03, 30.0
_FREQUENCY, _FREQUENCY_HALF = 0.03, 10.0
_COVERED, _TOUCHED, _SURE = 0.8, 0.25, 0.12
# A memory is a sentence: it shares less with a question than a passage that explains.
_SHORTER = 0.05
_WORD = re.compile(r"\w+", re.UNICODE)
STOP_WORDS = frozenset(
    "a about an and any are as at be been but by can could did do does for from get had has have how i if"
    " in into is it its me my no not of on or our please should so some tell than that the their them"
    " then there these they this to too up us use using was we were what when where which who why will"
    " with would you your".split()
)


@dataclass(frozen=True, slots=True)
class Scores:
    """The parts of a score. `words` and `meaning` are scaled to 0..1 within the candidates."""

    words: float
    meaning: float
    recency: float
    frequency: float
    cosine: float
    coverage: float

    @property
    def total(self) -> float:
        """What the results are ordered by."""
        return self.words + self.meaning + self.recency + self.frequency


@dataclass(frozen=True, slots=True)
class Result:
    """A retrieved chunk."""

    chunk: ChunkRow
    scores: Scores


class Retriever:
    """Hybrid search over the ledger and the vector index."""

    def __init__(self, ledger: Ledger, embedder: Embedder, index: VectorIndex) -> None:
        self._ledger, self._embedder, self._index = ledger, embedder, index

    def search(self, query: str, limit: int = 10, kinds: Sequence[ObjectKind] = BOTH) -> list[Result]:
        """The best chunks for `query`, best first, repeated text left out. Empty for no words."""
        words = query_words(query)
        if not query.strip():
            return []
        vector = self._embedder.query(query)
        by_meaning = dict(self._index.search(vector, _CANDIDATES, kinds))
        expression = " OR ".join(f'"{word}"' for word in words)
        by_words = dict(self._ledger.keyword_search(expression, _CANDIDATES, kinds)) if words else {}
        rows = self._ledger.chunks(list({**by_meaning, **by_words}))
        scaled_words, scaled_meaning = _scale(by_words), _scale(by_meaning)
        weights = self._word_weights(words)
        results = [
            Result(
                row,
                Scores(
                    words=scaled_words.get(point, 0.0),
                    meaning=scaled_meaning.get(point, 0.0),
                    recency=_recency(row.changed),
                    frequency=_FREQUENCY * row.hits / (row.hits + _FREQUENCY_HALF),
                    cosine=by_meaning.get(point, 0.0),
                    coverage=_coverage(weights, row),
                ),
            )
            for point, row in rows.items()
        ]
        results.sort(key=lambda r: (-r.scores.total, r.chunk.path, r.chunk.start_line))
        return _distinct(results)[:limit]

    def is_relevant(self, result: Result, query: str) -> bool:
        """Whether a result is about the question at all: by its meaning and its words.

        The bounds part the questions of bench/answers.py that a manual answers from those it does
        not. "How does X charge for GPU hours?" is near all that is said about X; that the passage
        holds none of the telling words gives it away.
        """
        scores, least = result.scores, self._embedder.relevant
        if result.chunk.kind == "memory":
            return scores.cosine >= least - _SHORTER or scores.coverage >= _COVERED
        if scores.cosine >= least + _SURE:
            return True
        if scores.cosine >= least and scores.coverage >= _TOUCHED:
            return True
        # One shared word says little; nearly all of several say much, whatever the vectors think.
        return scores.coverage >= _COVERED and len(query_words(query)) > 1

    def _word_weights(self, words: Sequence[str]) -> dict[str, float]:
        """How telling each word is here: its inverse document frequency."""
        total, counts = self._ledger.document_frequencies([f'"{w}"' for w in words])
        return {w: math.log(1 + (total - n + 0.5) / (n + 0.5)) for w, n in zip(words, counts, strict=True)}


def query_words(query: str) -> list[str]:
    """The words of a question worth looking for, lower case; all words if only stop words remain."""
    words = list(dict.fromkeys(w for w in _WORD.findall(query.lower())))[:64]
    return [w for w in words if w not in STOP_WORDS] or words


def _scale(scores: dict[str, float]) -> dict[str, float]:
    """Min-max to 0..1; the worst candidate keeps a little, for it is still a candidate."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high <= low:
        return dict.fromkeys(scores, 1.0)
    return {k: (v - low) / (high - low) for k, v in scores.items()}


def _recency(changed: str) -> float:
    age = clock.now() - datetime.fromisoformat(changed.replace("Z", "+00:00"))
    days = max(0.0, age.total_seconds() / 86400)
    return _RECENCY * math.pow(0.5, days / _RECENCY_HALF_LIFE_DAYS)


def _coverage(weights: dict[str, float], row: ChunkRow) -> float:
    """The share of the question's telling words that the chunk holds, weighted by how telling.

    Compares word beginnings, as the index compares stems: "declares" covers "declare".
    """
    total = sum(weights.values())
    if not total:
        return 0.0
    text = " ".join((*row.heading, row.text)).lower()
    stems = {w[: max(4, len(w) - 3)] for w in _WORD.findall(text)} | set(_WORD.findall(text))
    held = sum(v for w, v in weights.items() if w in stems or w[: max(4, len(w) - 3)] in stems)
    return held / total


def _distinct(results: Sequence[Result]) -> list[Result]:
    """The same text from two files is one result: the better one."""
    seen: set[str] = set()
    kept = []
    for result in results:
        key = " ".join(result.chunk.text.split())
        if key not in seen:
            seen.add(key)
            kept.append(result)
    return kept
