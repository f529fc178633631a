"""Files by meaning and by words: the answer to a question, from three lists that each know something.

The vectors of whole files, the passages in Cortex and the words in FTS5 each name candidates; every candidate
is then given its scores by all three, which are added (the weights were chosen on bench/memexfs_search.py).
Without a model the words answer alone. Invariant: a file that FTS5 has among its first ten and that holds
every word of the question is among the first ten here: meaning is never had at the price of exact words.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nexus.core.errors import InvalidInputError, NexusError, NotFoundError
from nexus.cortex import words
from nexus.cortex.embedder import Question
from nexus.cortex.texts import Passage, Texts
from nexus.memexfs import blocks, naming
from nexus.memexfs.finding import Found
from nexus.memexfs.shard import FileVectors
from nexus.memexfs.space import Space

_log = logging.getLogger(__name__)
# What each list counts for. A passage and a file about the question have about 1 each, as has a passage that
# holds each word of the question once.
PASSAGE, FILE, WORDS = 0.5, 0.5, 0.75
# What a file has more that holds every word: something, and as much as FTS5 makes of it beside its best.
EXACT, EXACT_RANKED = 0.1, 1.0
# How many each list contributes, and how many of FTS5's are looked at for whether they hold every word.
_LISTED, _MATCHED, _LOOKED_AT = 100, 50, 40
_FIRST = 10
_COMPLETED = 30
# Below both of these a file is not about the question at all.
_ABOUT, _SAID = 0.4, 0.2
# In a folder of more files than this the best so many of all are looked through instead of the folder: its
# passages are found in any case.
_FOLDER, _WIDE = 1000, 500


class Row(Protocol):
    """A file as the store knows it."""

    @property
    def id(self) -> int:
        """Its number, for `Known.by_ids`."""

    @property
    def path(self) -> bytes:
        """Where it lies, in the tree's own bytes."""


class Match(Protocol):
    """A file that FTS5 found; a greater `score` is better."""

    @property
    def path(self) -> bytes:
        """The file."""

    @property
    def score(self) -> float:
        """FTS5's, turned round."""

    @property
    def passage(self) -> str:
        """The words around what was found."""


class Known(Protocol):
    """What is asked of the store (`nexus.memexfs.store`)."""

    def file(self, path: bytes) -> Row | None:
        """The file at a path, or None."""

    def by_ids(self, files: list[int]) -> Sequence[Row]:
        """The files with these numbers, those that are still there."""

    def files(self, under: bytes = b"", after: bytes = b"", limit: int = 1000) -> Sequence[Row]:
        """Those below a folder, by path, of which `after` is the last one told."""

    def matching(self, text: str, limit: int, under: bytes = b"") -> Sequence[Match]:
        """The best of those that hold words of `text`, below a folder."""


@dataclass(slots=True)
class _Candidate:
    """What the lists say of one file: see the weights above."""

    path: bytes
    matched: float = 0.0  # by FTS5, as a share of its best
    said: str = ""
    words: float = 0.0
    passage: float | None = None
    point: str = ""
    near: Mapping[str, float] = field(default_factory=dict)
    exact: bool = False

    def total(self) -> float:
        whole = self.near.get("total")
        part = self.passage if self.passage is not None else whole
        score = (
            WORDS * self.words
            + PASSAGE * (part or 0.0)
            + FILE * (whole if whole is not None else part or 0.0)
        )
        return score + (EXACT + EXACT_RANKED * self.matched if self.exact else 0.0)

    def fits(self) -> bool:
        """Whether it is about the question at all."""
        meaning = max(self.passage or 0.0, self.near.get("total", 0.0))
        return self.exact or meaning >= _ABOUT or self.words >= _SAID


class Search:
    """A `Finder`. Any thread may ask."""

    def __init__(self, store: Known, texts: Texts, space: Space, vectors: FileVectors) -> None:
        self._store, self._texts, self._space, self._vectors = store, texts, space, vectors
        self.problem = ""
        """Why the last answer came without vectors, or without those of files; empty when it did not."""

    def search(
        self, text: str, limit: int = 50, *, under: bytes = b"", weights: Mapping[str, float] | None = None
    ) -> list[Found]:
        """See `Finder.search`. Raises `InvalidInputError` for an empty question and for wrong weights."""
        if not text.strip():
            raise InvalidInputError("the question is empty", hint="say what to look for")
        share = blocks.weights(weights)
        candidates = self._by_words(text, under)
        order = list(candidates)
        exact = self._exact(text, order[:_LOOKED_AT])
        for path in exact:
            candidates[path].exact = True
        try:
            problem = self._by_meaning(text, under, share, candidates)
        except NexusError as error:
            # Words are better than nothing; whoever shows the answer can say so.
            self._note(str(error))
            for candidate in candidates.values():
                candidate.words = candidate.matched
            return self._told([candidates[path] for path in order[:limit]])
        self._note(problem)
        ranked = sorted((c for c in candidates.values() if c.fits()), key=lambda c: (-c.total(), c.path))
        ranked = _lifted(ranked, [path for path in order[:_FIRST] if path in exact])
        return self._told(ranked[: max(0, limit)])

    def similar(self, path: bytes, limit: int = 50) -> list[Found]:
        """See `Finder.similar`."""
        row = self._store.file(path)
        shown = path.decode("utf-8", "backslashreplace")
        if row is None:
            raise NotFoundError(f"no file files/{shown} is known", hint="`nexus memex files` lists what is")
        near = self._space.like(self._vectors, row.id, limit)
        if not near and self._vectors.get(row.id) is None:
            raise NotFoundError(f"files/{shown} is not indexed", hint="`nexus memex files` says why")
        rows = {other.id: other.path for other in self._store.by_ids(list(near))}
        return [
            Found(rows[file], min(1.0, max(0.0, parts["total"])), _rounded(parts))
            for file, parts in near.items()
            if file in rows
        ]

    def _by_words(self, text: str, under: bytes) -> dict[bytes, _Candidate]:
        """What FTS5 finds, best first."""
        candidates: dict[bytes, _Candidate] = {}
        matches = self._store.matching(text, _MATCHED, under)
        best = max((match.score for match in matches), default=0.0)
        for match in matches:
            if match.path not in candidates:
                share = match.score / best if best > 0 else 0.0
                candidates[match.path] = _Candidate(match.path, share, match.passage)
        return candidates

    def _exact(self, text: str, paths: Sequence[bytes]) -> set[bytes]:
        """Which of these hold every word, in their texts or their names."""
        wanted = {words.number(word) for word in words.question(text)}
        named = {path for path in paths if wanted and wanted <= set(words.terms(blocks.name_text(path)))}
        held = self._texts.holding(text, [naming.document(path) for path in paths if path not in named])
        return named | {path for name in held if (path := naming.file(name)) is not None}

    def _by_meaning(
        self, text: str, under: bytes, share: Mapping[str, float], candidates: dict[bytes, _Candidate]
    ) -> str:
        """Complete the candidates, and add those of the other two lists. Returns why the vectors of files
        could not be asked, or nothing."""
        asked = self._texts.question(text)
        reader = self._texts.embedder
        band = reader.relevant - reader.unrelated
        for passage in self._texts.search(text, asked, naming.document(under)):
            _add(passage, (passage.cosine - reader.unrelated) / band, candidates)
        problem = ""
        try:
            self._by_files(text, asked, under, share, candidates)
        except NexusError as error:
            problem = str(error)
        alone = {naming.document(c.path): c for c in candidates.values() if c.passage is None}
        for name, cosine in self._texts.nearest(asked, list(alone)).items():
            alone[name].passage = (cosine - reader.unrelated) / band
        most = max((c.words for c in candidates.values()), default=0.0) or 1.0
        for candidate in candidates.values():
            if not candidate.point:
                candidate.words = candidate.matched * most
        return problem

    def _by_files(
        self,
        text: str,
        asked: Question,
        under: bytes,
        share: Mapping[str, float],
        candidates: dict[bytes, _Candidate],
    ) -> None:
        """What the vectors of whole files say, of the candidates and of more."""
        among = self._below(under)
        limit = _WIDE if under and among is None else _LISTED
        near = self._space.candidates(self._vectors, text, asked, share, limit, among)
        ids = {
            row.id: row.path
            for row in self._store.by_ids(near)
            if not under or row.path == under or row.path.startswith(under + b"/")
        }
        for path in _promising(candidates) - set(ids.values()):
            if known := self._store.file(path):
                ids[known.id] = path
        for path in candidates.keys() - set(ids.values()):
            del candidates[path]  # gone since, or not worth the time to look
        for file, parts in self._space.near(self._vectors, text, asked, share, list(ids)).items():
            candidates.setdefault(ids[file], _Candidate(ids[file])).near = parts

    def _note(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("files are not found by all that they mean: %s", problem)
        self.problem = problem

    def _below(self, under: bytes) -> list[int] | None:
        """The ids of the files below a folder; None for all, or where they are too many to be named."""
        if not under:
            return None
        rows = self._store.files(under, limit=_FOLDER + 1)
        return None if len(rows) > _FOLDER else [row.id for row in rows]

    def _told(self, ranked: Sequence[_Candidate]) -> list[Found]:
        texts = self._texts.rows([c.point for c in ranked if c.point])
        return [_found(c, texts[c.point].text if c.point in texts else c.said) for c in ranked]


def _promising(candidates: Mapping[bytes, _Candidate]) -> set[bytes]:
    """The candidates that the rest is found out of: the first ones of each list."""
    orders: tuple[Callable[[_Candidate], float], ...] = (
        lambda candidate: candidate.passage or 0.0,
        lambda candidate: candidate.words,
        lambda candidate: candidate.matched,
    )
    first = (heapq.nlargest(_COMPLETED, candidates.values(), key=order) for order in orders)
    return {c.path for part in first for c in part} | {c.path for c in candidates.values() if c.exact}


def _add(passage: Passage, meaning: float, candidates: dict[bytes, _Candidate]) -> None:
    """Note a passage with its file: the nearest one is the one that is shown."""
    path = naming.file(passage.path)
    if path is None:
        return
    found = candidates.setdefault(path, _Candidate(path))
    found.words = max(found.words, passage.words)
    if not math.isnan(meaning) and (found.passage is None or meaning > found.passage):
        found.passage, found.point = meaning, passage.point
    found.point = found.point or passage.point


def _lifted(ranked: list[_Candidate], exact: Sequence[bytes]) -> list[_Candidate]:
    """The same with all of `exact` (at most ten) among the first ten, in the place of the last others."""
    first, rest = ranked[:_FIRST], ranked[_FIRST:]
    wanted = set(exact)
    for candidate in [c for c in rest if c.path in wanted]:
        last = max(place for place, held in enumerate(first) if held.path not in wanted)
        rest.remove(candidate)
        rest.insert(0, first.pop(last))
        first.append(candidate)
    return first + rest


def _found(candidate: _Candidate, passage: str) -> Found:
    total = max(0.0, candidate.total())
    parts = {name: value for name, value in candidate.near.items() if name != "total"}
    if candidate.passage is not None:
        parts["passage"] = candidate.passage
    parts |= {"words": candidate.words, "exact": float(candidate.exact)}
    return Found(candidate.path, total / (1 + total), _rounded(parts), passage)


def _rounded(parts: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in parts.items()}
