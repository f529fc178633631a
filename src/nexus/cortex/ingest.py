"""Documents into the store: walk, read, cut, store, then embed, each file with its own outcome.

Invariant: a file is either wholly stored or not at all, and every file met is in the report exactly
once. All files are read before the first is embedded: their words are found within seconds.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nexus.core.errors import NotFoundError
from nexus.cortex.chunker import ChunkSizes, chunk
from nexus.cortex.embedder import Embedder
from nexus.cortex.entries import document_context
from nexus.cortex.ledger import Ledger, NewChunk
from nexus.cortex.reader import Document, Outcome, ReadLimits, display, read, walk
from nexus.cortex.store import NewObject, Store

Status = Literal["added", "updated", "unchanged", "removed", "skipped", "failed"]
# Chunks stored together; and the version of the way files are cut.
_GROUP = 64
_CUT = 2


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
    """How far an `add` has come: files while reading, chunks while embedding."""

    phase: Literal["reading", "embedding"]
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


class Ingest:
    """Adds files and folders. One `add` runs at a time."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        embedder: Embedder,
        sizes: ChunkSizes,
        limits: ReadLimits,
    ) -> None:
        self._ledger, self._store, self._embedder = ledger, store, embedder
        self._sizes, self._limits = sizes, limits
        self._one_at_a_time = threading.Lock()
        # Another chunking gives other chunks for the same bytes. Vectors are the index's affair.
        self._recipe = f"{_CUT}/{embedder.model_id}/{sizes.target}/{sizes.minimum}/{sizes.overlap}"

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
        fresh = self._read(found, report, on_progress, cancel)
        total = len(fresh)
        report.embedded = self._store.embed(
            fresh, lambda done: on_progress(Progress("embedding", done, total, total, "")), cancel
        )
        report.cancelled = cancel.is_set()
        if not report.cancelled:
            self._forget_vanished(paths, present, report)
        return report

    def _read(
        self,
        found: Sequence[tuple[Path, str]],
        report: AddReport,
        on_progress: Callable[[Progress], None],
        cancel: threading.Event,
    ) -> list[str]:
        """Read, cut and store; the words are found from then on. Returns the points without vectors."""
        fresh: list[str] = []
        group: list[tuple[NewObject, FileReport]] = []

        def store() -> None:
            fresh.extend(self._store.put([new for new, _ in group]))
            report.files.extend(outcome for _, outcome in group)
            group.clear()

        chunks = 0
        for number, (path, root) in enumerate(found, 1):
            if cancel.is_set():
                break
            prepared = self._prepare(path, root, report)
            if prepared:
                group.append(prepared)
                chunks += prepared[1].chunks
            if sum(outcome.chunks for _, outcome in group) >= _GROUP:
                store()
            on_progress(Progress("reading", number, len(found), chunks, str(path)))
        store()
        return fresh

    def _prepare(self, path: Path, root: str, report: AddReport) -> tuple[NewObject, FileReport] | None:
        name = str(path)
        known = self._ledger.get(name)
        if known and known.sha256.startswith(f"{self._recipe}:"):
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
        chunks = self._cut(document)
        new = NewObject(
            "document",
            name,
            chunks,
            root=root,
            sha256=self._stamp(document),
            size=document.size,
            mtime_ns=document.mtime_ns,
            title=path.name,
        )
        status: Status = "updated" if known else "added"
        return new, FileReport(display(path), status, len(chunks), _redactions(document))

    def _stamp(self, document: Document) -> str:
        return f"{self._recipe}:{document.sha256}"

    def _cut(self, document: Document) -> list[NewChunk]:
        path = document.path
        pieces = chunk(document.text, document.kind, self._embedder, self._sizes, name=path.name)
        return [
            NewChunk(
                "",
                piece.heading,
                piece.text,
                piece.start_line,
                piece.end_line,
                piece.tokens,
                document_context(str(path), piece.heading),
            )
            for piece in pieces
        ]

    def _refused(self, outcome: Outcome) -> FileReport:
        """A file that cannot be used any more must not answer from its old content either."""
        self._store.drop(str(outcome.path))
        status: Status = "failed" if outcome.status == "failed" else "skipped"
        return FileReport(display(outcome.path), status, 0, outcome.reason, outcome.hint)

    def _forget_vanished(self, paths: Sequence[Path], present: set[str], report: AddReport) -> None:
        for name in self._below(paths):
            if name not in present and not Path(name).exists():
                self._store.drop(name)
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
