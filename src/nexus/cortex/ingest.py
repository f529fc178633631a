"""Documents into the store: walk, read, cut, store, then embed, each file with its own outcome.

Invariant: a file is either wholly stored or not at all, and every file met is in the report exactly
once. All files are read before the first is embedded: their words are found within seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from nexus.core.errors import NexusError, NotFoundError
from nexus.cortex import grammar_process, includes
from nexus.cortex.chunker import ChunkSizes, chunk
from nexus.cortex.embedder import Embedder
from nexus.cortex.entries import passage_of
from nexus.cortex.ledger import Ledger, NewChunk
from nexus.cortex.listener import Listener, told
from nexus.cortex.reader import Document, Outcome, ReadLimits, display, places, read, walk
from nexus.cortex.reporting import AddReport, FileReport, Progress, Status
from nexus.cortex.shown_files import ShownFiles
from nexus.cortex.store import NewObject, Store

# Chunks stored together; and the version of the way files are cleaned and cut.
_GROUP = 64
_CUT = 4


class Ingest:
    """Adds files and folders. One `add` runs at a time."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        listener: Listener,
        embedder: Embedder,
        sizes: ChunkSizes,
        limits: ReadLimits,
    ) -> None:
        self._ledger, self._store, self._listener, self._embedder = ledger, store, listener, embedder
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
            try:
                return self._add(paths, on_progress, cancel or threading.Event())
            finally:
                # The parsers of code keep 40 MB that nobody needs between two additions.
                grammar_process.shared().close()

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
        fresh = self._read(found, present, report, on_progress, cancel)
        if not cancel.is_set():
            self._forget_vanished(paths, present, report)
            fresh = list(dict.fromkeys(fresh + self._read_again(found, present, report, cancel)))
        total = len(fresh)
        report.embedded = self._store.embed(
            fresh, lambda done: on_progress(Progress("embedding", done, total, total, "")), cancel
        )
        report.cancelled = cancel.is_set()
        return report

    def _read(
        self,
        found: Sequence[tuple[Path, str]],
        present: AbstractSet[str],
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
            prepared = self._prepare(path, root, present, report)
            if prepared:
                group.append(prepared)
                chunks += prepared[1].chunks
            if sum(outcome.chunks for _, outcome in group) >= _GROUP:
                store()
            on_progress(Progress("reading", number, len(found), chunks, str(path)))
        store()
        return fresh

    def _read_again(
        self,
        found: Sequence[tuple[Path, str]],
        present: AbstractSet[str],
        report: AddReport,
        cancel: threading.Event,
    ) -> list[str]:
        """Read once more the pages that show a file which has come, gone or changed since."""
        outdated = set(self._ledger.outdated())
        pages = [(path, root) for path, root in found if str(path) in outdated]
        if not pages:
            return []
        names = {display(path) for path, _ in pages}
        before = {file.path: file.status for file in report.files if file.path in names}
        report.files = [file for file in report.files if file.path not in names]
        fresh = self._read(pages, present, report, lambda _: None, cancel)
        report.files = [
            replace(file, status="added") if before.get(file.path) == "added" else file
            for file in report.files
        ]
        return fresh

    def _prepare(
        self, path: Path, root: str, present: AbstractSet[str], report: AddReport
    ) -> tuple[NewObject, FileReport] | None:
        name = str(path)
        if self._listener.unchanged(path):
            report.files.append(FileReport(name, "unchanged"))
            return None
        known = self._ledger.get(name)
        if known and known.sha256.startswith(f"{self._recipe}:"):
            try:
                now = path.stat()
            except OSError:
                now = None
            if now and (now.st_size, now.st_mtime_ns) == (known.size, known.mtime_ns):
                report.files.append(FileReport(name, "unchanged"))
                return None
        if self._listener.hears(path):
            return self._session(path, root, report)
        document = read(path, self._limits)
        if isinstance(document, Outcome):
            report.files.append(self._refused(document))
            return None
        if known and known.sha256 == self._stamp(document.sha256):
            self._ledger.touch(name, document.size, document.mtime_ns)
            report.files.append(FileReport(name, "unchanged"))
            return None
        chunks, stamps = self._cut(document, root, present)
        new = NewObject(
            "document",
            name,
            chunks,
            root=root,
            sha256=self._stamp(document.sha256),
            size=document.size,
            mtime_ns=document.mtime_ns,
            title=path.name,
            includes=stamps,
        )
        status: Status = "updated" if known else "added"
        return new, FileReport(display(path), status, len(chunks), _redactions(document))

    def _session(self, path: Path, root: str, report: AddReport) -> tuple[NewObject, FileReport] | None:
        """Among documents may lie sessions of agents; what was said in them is turns, not pages."""
        name = str(path)
        if self._ledger.left_out(name):
            report.files.append(FileReport(display(path), "skipped", 0, "the session was forgotten"))
            return None
        try:
            new, problems = self._listener.prepare(path, root)
        except NexusError as error:
            report.files.append(FileReport(display(path), "failed", 0, error.message, error.hint))
            return None
        return new, told(display(path), new, problems, known=self._ledger.get(name) is not None)

    def _stamp(self, sha256: str) -> str:
        return f"{self._recipe}:{sha256}" if sha256 else ""

    def _cut(
        self, document: Document, root: str, present: AbstractSet[str]
    ) -> tuple[list[NewChunk], dict[str, str]]:
        """The passages, and the files that a page shows with their stamps. Lines are those of the page."""
        path, text = document.path, document.text
        lines: Sequence[int] = ()
        stamps: dict[str, str] = {}
        if document.kind == "markdown":
            files = self._shown_in(str(path), root, present)
            page = includes.expanded(text, files.text)
            stamps = {name: self._stamp(sha256) for name, sha256 in files.found.items()}
            if any(stamps.values()):
                text, lines = page.text, page.lines
        pieces = chunk(text, document.kind, self._embedder, self._sizes, name=path.name)
        if lines:
            pieces = [
                replace(p, start_line=lines[p.start_line - 1], end_line=lines[p.end_line - 1]) for p in pieces
            ]
        return [passage_of(piece, str(path)) for piece in pieces], stamps

    def _shown_in(self, page: str, root: str, present: AbstractSet[str]) -> ShownFiles:
        """What a page may show: documents that are taken in with it, or came with the same folder."""
        known = self._ledger.get(page)
        if known and page.startswith(f"{known.root}/"):
            root = known.root

        def may_show(name: str) -> bool:
            row = None if name in present else self._ledger.get(name)
            taken_in = name in present or (row is not None and row.kind == "document" and row.root == root)
            return taken_in and not self._listener.hears(Path(name))

        return ShownFiles(page, root, may_show, self._limits)

    def _refused(self, outcome: Outcome) -> FileReport:
        """A file that cannot be used any more must not answer from its old content either."""
        known = self._ledger.get(str(outcome.path))
        if known and known.kind == "document":
            self._store.drop(known.path)
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
    return f"blacked out: {places(document.redacted)}" if document.redacted else ""
