"""Documents into the ledger: walk, read, cut, embed, store, each file with its own outcome.

Invariant: a file is either wholly stored or not at all, and every file met is in the report exactly
once. Files are embedded in groups, so that the batches are full, and stored one by one.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from nexus.core import ids
from nexus.core.errors import NotFoundError
from nexus.cortex.chunker import ChunkSizes, chunk
from nexus.cortex.embedder import Embedder, Matrix
from nexus.cortex.embedding_cache import EmbeddingCache
from nexus.cortex.indexer import VectorIndex
from nexus.cortex.ledger import Ledger, NewChunk, ObjectKind
from nexus.cortex.reader import Document, Outcome, ReadLimits, display, read, walk

Status = Literal["added", "updated", "unchanged", "removed", "skipped", "failed"]
# Chunks embedded together: full batches for the model, a progress bar that moves every second or two.
_GROUP = 48


@dataclass(frozen=True, slots=True)
class FileReport:
    """What happened to one file."""

    path: str
    status: Status
    chunks: int = 0
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an `add` has come. `total` is known once the folders are walked."""

    done: int
    total: int
    chunks: int
    path: str


@dataclass(slots=True)
class AddReport:
    """The sum of an `add`."""

    files: list[FileReport] = field(default_factory=list)
    embedded: int = 0
    cancelled: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many files had each outcome."""
        return dict(Counter(f.status for f in self.files))


@dataclass(frozen=True, slots=True)
class _Pending:
    document: Document
    root: str
    chunks: list[NewChunk]
    known: bool


def embed_text(kind: ObjectKind, path: str, heading: Sequence[str], text: str) -> str:
    """What is embedded for a chunk.

    The words around a passage say what it is about, so file and headings go in front; a memory
    stands for itself.
    """
    if kind == "memory":
        return text
    return f"{Path(path).stem} > {' > '.join(heading)}\n{text}"


class Ingest:
    """Adds files and folders. One `add` runs at a time."""

    def __init__(
        self,
        ledger: Ledger,
        embedder: Embedder,
        cache: EmbeddingCache,
        index: VectorIndex,
        sizes: ChunkSizes,
        limits: ReadLimits,
    ) -> None:
        self._ledger, self._embedder, self._cache, self._index = ledger, embedder, cache, index
        self._sizes, self._limits = sizes, limits
        self._one_at_a_time = threading.Lock()
        # Another chunking or model gives other chunks for the same bytes.
        self._recipe = f"{embedder.model_id}/{sizes.target}/{sizes.minimum}/{sizes.overlap}"

    def add(
        self,
        paths: Sequence[Path],
        on_progress: Callable[[Progress], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> AddReport:
        """Bring the store up to date with these files and folders. Raises `NotFoundError`."""
        for path in paths:
            if not path.exists() and self._ledger.get(str(path)) is None:
                raise NotFoundError(f"{path} does not exist", hint="name a file or a folder")
        with self._one_at_a_time:
            return self._add(paths, on_progress, cancel or threading.Event())

    def vectors(self, texts: Sequence[str]) -> tuple[Matrix, int]:
        """Vectors of these embed texts, shape (n, d), and how many had to be made now."""
        keys = [self.embed_key(text) for text in texts]
        known = self._cache.get(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            fresh = self._embedder.passages(list(missing.values()))
            self._cache.put(dict(zip(missing, fresh, strict=True)))
            # Read back, so that a rebuilt index is given the very same numbers.
            known.update(self._cache.get(list(missing)))
        matrix = np.zeros((len(texts), self._embedder.dimensions), np.float32)
        for row, key in enumerate(keys):
            matrix[row] = known[key]
        return matrix, len(missing)

    def embed_key(self, embed_text: str) -> str:
        """The cache key of a text: the same text under the same model."""
        return ids.content_hash(f"{self._embedder.model_id}\0{embed_text}".encode())

    def _add(
        self,
        paths: Sequence[Path],
        on_progress: Callable[[Progress], None],
        cancel: threading.Event,
    ) -> AddReport:
        report = AddReport()
        found: list[tuple[Path, str]] = []
        for path in paths:
            root = str(path)
            for item in walk(path):
                if isinstance(item, Outcome):
                    report.files.append(self._refused(item))
                else:
                    found.append((item, root))
        present = {str(path) for path, _ in found}
        group: list[_Pending] = []
        for number, (path, root) in enumerate(found, 1):
            if cancel.is_set():
                report.cancelled = True
                break
            pending = self._prepare(path, root, report)
            if pending:
                group.append(pending)
            if sum(len(p.chunks) for p in group) >= _GROUP:
                self._store(group, report)
                group = []
            chunks = sum(f.chunks for f in report.files)
            on_progress(Progress(number, len(found), chunks, str(path)))
        self._store(group, report)
        if not report.cancelled:
            self._forget_vanished(paths, present, report)
        return report

    def _prepare(self, path: Path, root: str, report: AddReport) -> _Pending | None:
        name = str(path)
        known = self._ledger.get(name)
        if known and known.sha256.startswith(self._recipe):
            try:
                now = path.stat()
            except OSError:
                now = None
            if now and (now.st_size, now.st_mtime_ns) == (known.size, known.mtime_ns):
                report.files.append(FileReport(name, "unchanged"))
                return None
        document = read(path, self._limits)
        if isinstance(document, Outcome):
            report.files.append(self._refused(document))
            return None
        if known and known.sha256 == self._stamp(document):
            self._ledger.touch(name, document.size, document.mtime_ns)
            report.files.append(FileReport(name, "unchanged"))
            return None
        return _Pending(document, root, self._cut(document), known is not None)

    def _stamp(self, document: Document) -> str:
        return f"{self._recipe}:{document.sha256}"

    def _cut(self, document: Document) -> list[NewChunk]:
        name = document.path.name
        pieces = chunk(document.text, document.kind, self._embedder, self._sizes, name=name)
        return [
            self.new_chunk(
                str(document.path),
                number,
                piece.heading,
                piece.text,
                (piece.start_line, piece.end_line),
                piece.tokens,
            )
            for number, piece in enumerate(pieces)
        ]

    def new_chunk(
        self,
        path: str,
        number: int,
        heading: tuple[str, ...],
        text: str,
        lines: tuple[int, int],
        tokens: int,
    ) -> NewChunk:
        """A chunk with its point: equal content at an equal place has an equal point."""
        point = ids.point_id(path, str(number), *heading, text)
        return NewChunk(point, heading, text, lines[0], lines[1], tokens)

    def _store(self, group: Sequence[_Pending], report: AddReport) -> None:
        if not group:
            return
        vectors, made = self.vectors(
            [embed_text("document", str(p.document.path), c.heading, c.text) for p in group for c in p.chunks]
        )
        report.embedded += made
        start = 0
        for pending in group:
            document, end = pending.document, start + len(pending.chunks)
            stale = self._ledger.put(
                "document",
                str(document.path),
                pending.chunks,
                root=pending.root,
                sha256=self._stamp(document),
                size=document.size,
                mtime_ns=document.mtime_ns,
            )
            # The ledger is the truth: dying here leaves a difference that the next start repairs.
            if stale:
                self._index.delete(stale)
            if pending.chunks:
                points = [c.point for c in pending.chunks]
                self._index.upsert(points, ["document"] * len(points), vectors[start:end])
            status: Status = "updated" if pending.known else "added"
            name = display(document.path)
            report.files.append(FileReport(name, status, len(pending.chunks), _redactions(document)))
            start = end

    def _refused(self, outcome: Outcome) -> FileReport:
        """A file that cannot be used any more must not answer from its old content either."""
        stale = self._ledger.drop(str(outcome.path))
        if stale:
            self._index.delete(stale)
        status: Status = "failed" if outcome.status == "failed" else "skipped"
        return FileReport(display(outcome.path), status, 0, outcome.reason, outcome.hint)

    def _forget_vanished(self, paths: Sequence[Path], present: set[str], report: AddReport) -> None:
        for name in self._below(paths):
            if name not in present and not Path(name).exists():
                stale = self._ledger.drop(name)
                if stale:
                    self._index.delete(stale)
                report.files.append(FileReport(name, "removed", 0, "the file is gone"))

    def _below(self, paths: Sequence[Path]) -> Iterator[str]:
        for path in paths:
            for row in self._ledger.objects("document", str(path)):
                yield row.path


def _redactions(document: Document) -> str:
    """What was blacked out before the file was cut, for the report; empty for nothing."""
    if not document.redacted:
        return ""
    places = ", ".join(f"{finding.kind} in line {finding.line}" for finding in document.redacted)
    return f"stored without its example credentials: {places}"
