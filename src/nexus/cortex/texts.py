"""Documents that come as text, under a path of the giver's own: `memex:/notes/plan.md`.

Who gives them has read them (from a PDF, from a tree of its own) and says when they are gone; Cortex cuts,
embeds and finds them like every document. Knows nothing of files. Invariants: a text is wholly stored or
not at all, without the credentials in it; its words are found when `put` returns and its meanings when
`embed` has been given its points, which the next start makes up for; moving embeds nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nexus.cortex import fusion, secrets, words
from nexus.cortex.candidates import Asked, Gatherer, Pool
from nexus.cortex.chunker import ChunkSizes, Kind, chunk
from nexus.cortex.embedder import Embedder, Question
from nexus.cortex.entries import passage_of
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import Scope, VectorIndex
from nexus.cortex.ledger import ChunkRow, Ledger, NewChunk, ObjectRow
from nexus.cortex.store import NewObject, Store
from nexus.cortex.vectors import Vectors

# A search of everything costs half of one with a condition; it is kept where so many of what it found
# lie in the folder.
_ENOUGH = 60
_MOST_PASSAGES = 300
_CUT = 1


class Passage(NamedTuple):
    """A passage that belongs to a question. `score` orders the passages of one answer and no others;
    `cosine` is to the question, nan where the passage is not embedded yet; `words` is its BM25 as a share of
    what a passage has that holds each word of the question once, at most 1."""

    path: str
    point: str
    score: float
    cosine: float
    words: float


class Texts:
    """The documents under paths that begin with a scheme. Threads may search while one changes."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        index: VectorIndex,
        vectors: Vectors,
        embedder: Embedder,
        sizes: ChunkSizes,
    ) -> None:
        """`embedder` reads documents; `sizes` are in its tokens."""
        self._ledger, self._store, self._vectors = ledger, store, vectors
        self._index, self._embedder, self._sizes = index, embedder, sizes
        self._gatherer = Gatherer(ledger, index, vectors)
        self._changing = threading.Lock()
        self.recipe = f"{_CUT}/{sizes.target}/{sizes.minimum}/{sizes.overlap}"
        """How texts are cut: another one gives other passages for the same text."""

    @property
    def embedder(self) -> Embedder:
        """What reads them, for whoever needs vectors that can be compared with theirs."""
        return self._embedder

    def put(
        self, path: str, text: str, kind: Kind, *, name: str, sha256: str, size: int = 0, mtime_ns: int = 0
    ) -> list[str]:
        """Store `text` in place of what `path` had. Returns the points that need vectors.

        `name` is the document's own, which every passage is searched with; its ending tells the language of
        code. `sha256` says which content this is, `size` and `mtime_ns` are the file's. A blank text leaves
        nothing. Raises `StorageError`.
        """
        clean = secrets.blacked_out(text)
        chunks = [
            passage_of(piece, name) for piece in chunk(clean, kind, self._embedder, self._sizes, name=name)
        ]
        with self._changing:
            if not chunks:
                self._store.drop(path)
                return []
            return self._store.put([self._object(path, chunks, name, sha256, size, mtime_ns)])

    def embed(
        self,
        points: Sequence[str],
        on_group: Callable[[int], None] = lambda done: None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Give these points their vectors, as `Store.embed`."""
        return self._store.embed(points, on_group, cancel)

    def drop(self, path: str) -> bool:
        """Take out what is stored for `path`. Whether there was something."""
        with self._changing:
            return self._store.drop(path) > 0

    def move(self, old: str, new: str) -> bool:
        """What is stored for `old` is `new`'s from now on, in place of what that had. Whether there was any.

        The passages keep the name that they were read with: they are the same texts, and their vectors are
        at hand.
        """
        with self._changing:
            row = self._ledger.get(old)
            if row is None or old == new:
                return row is not None
            chunks = [_again(held) for held in self._ledger.chunks_of(old)]
            moved = self._object(new, chunks, row.title, row.sha256, row.size, row.mtime_ns)
            # The old one goes last: killed between the two, both are there, and moving again is harmless.
            self._store.embed(self._store.put([moved]))
            self._store.drop(old)
        return True

    def get(self, path: str) -> ObjectRow | None:
        """What is known of the document stored for `path`."""
        return self._ledger.get(path)

    def paths(self, under: str) -> list[str]:
        """The paths of all documents at and below `under`."""
        return [row.path for row in self._ledger.objects("document", under)]

    def passages_of(self, path: str) -> list[ChunkRow]:
        """The passages of one document in order."""
        return self._ledger.chunks_of(path)

    def vectors_of(self, rows: Sequence[ChunkRow]) -> NDArray[np.float32]:
        """Their unit vectors, shape (n, d); those that are not made yet are made now."""
        return self._vectors.of(rows)[0]

    def rows(self, points: Sequence[str]) -> dict[str, ChunkRow]:
        """The passages of these points."""
        return self._ledger.chunks(points)

    def question(self, text: str) -> Question:
        """A question as `search` takes it, so that it is read by the model once."""
        return self._embedder.question(text)

    def search(self, text: str, asked: Question, under: str) -> list[Passage]:
        """Passages at and below `under` that `text` may be about, best first, a hundred or two of them."""
        numbers = tuple(words.number(word) for word in words.question(text))
        found = self._found(Asked(asked, numbers), Filter(), under)
        if len(found) < _ENOUGH:
            found = self._found(Asked(asked, numbers), Filter(path=under), under)
        return found

    def nearest(self, asked: Question, paths: Sequence[str]) -> dict[str, float]:
        """The greatest cosine of a passage of each of these documents; those without vectors are absent.

        Documents of more than a few hundred passages are absent, too: what is near of them, `search` finds.
        """
        points = self._ledger.points_of(paths, _MOST_PASSAGES)
        best: dict[str, float] = {}
        scope = Scope("document", points=tuple(points))
        for point, cosine in self._index.nearest(asked.vector, len(points), scope) if points else ():
            path = points[point]
            best[path] = max(cosine, best.get(path, -1.0))
        return best

    def holding(self, text: str, paths: Sequence[str]) -> set[str]:
        """Which of these documents hold every word of `text`, in any of their passages."""
        wanted = {words.number(word) for word in words.question(text)}
        found = set()
        for path in paths if wanted else ():
            missing = wanted.copy()
            for terms in self._ledger.terms_of(path):
                missing.difference_update(terms)
                if not missing:
                    found.add(path)
                    break
        return found

    def _found(self, asked: Asked, where: Filter, under: str) -> list[Passage]:
        if not self._ledger.frequencies("document", ())[0]:
            return []
        pool = self._gatherer.gather(asked, "document", where)
        if not len(pool):
            return []
        return self._ranked(pool, under)

    def _ranked(self, pool: Pool, under: str) -> list[Passage]:
        scores = fusion.scores(pool)
        paths = self._ledger.paths({place.object for place in pool.places})
        prefix = under.rstrip("/") + "/"
        most = sum(pool.rarity.values()) or 1.0
        found = [
            Passage(
                path, point, float(scores[i]), float(pool.meaning[i]), min(1.0, float(pool.context[i]) / most)
            )
            for i, (point, place) in enumerate(zip(pool.points, pool.places, strict=True))
            if (path := paths.get(place.object, "")) == under or path.startswith(prefix)
        ]
        return sorted(found, key=lambda passage: (-passage.score, passage.point))

    @staticmethod
    def _object(
        path: str, chunks: Sequence[NewChunk], name: str, sha256: str, size: int, mtime_ns: int
    ) -> NewObject:
        root = path.partition(":")[0] + ":"
        return NewObject(
            "document", path, chunks, root=root, sha256=sha256, size=size, mtime_ns=mtime_ns, title=name
        )


def _again(row: ChunkRow) -> NewChunk:
    """A stored passage as one about to be stored. Its point is made anew: it depends on the path."""
    return replace(
        NewChunk("", row.heading, row.text, row.start_line, row.end_line, row.tokens),
        context=row.context,
    )
