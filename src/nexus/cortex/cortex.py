"""Cortex: knowledge and memory behind one object.

    with Cortex.open() as cortex:
        cortex.remember("staging Postgres listens on port 6543")
        cortex.recall("which port does staging use?")

Invariant: what a method has returned from is on disk. Files and the ledger are the truth; opening
compares them with the index and repairs whatever a killed process left.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from nexus.core.errors import InvalidInputError, NotFoundError, StorageError
from nexus.core.paths import AnyPath, Home, resolved_paths
from nexus.core.settings import CortexSettings
from nexus.cortex import extractor, words
from nexus.cortex.approvals import Approvals
from nexus.cortex.assembler import Frame, Turn, asked, assemble
from nexus.cortex.chunker import ChunkSizes
from nexus.cortex.database import Database
from nexus.cortex.embedder import Embedder
from nexus.cortex.embedders import Embedders
from nexus.cortex.embedding_cache import EmbeddingCache
from nexus.cortex.expected import both
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import compare
from nexus.cortex.indexes import open_index
from nexus.cortex.ingest import Ingest
from nexus.cortex.keeping import Keeping
from nexus.cortex.ledger import KINDS, Ledger, ObjectKind
from nexus.cortex.listener import Listener
from nexus.cortex.listing import Listing
from nexus.cortex.memory import Memory, MemoryStore
from nexus.cortex.memory_index import MemoryIndex
from nexus.cortex.reader import ReadLimits
from nexus.cortex.recovered import Recovered, Verified
from nexus.cortex.remembering import ProposedMemory, Remembering
from nexus.cortex.reporting import AddReport, Progress
from nexus.cortex.retriever import Result, Retriever
from nexus.cortex.skipped import Skipped
from nexus.cortex.store import Store
from nexus.cortex.texts import Texts
from nexus.cortex.transcripts.turns import TurnSizes
from nexus.cortex.vectors import Vectors
from nexus.cortex.whereabouts import Find, Whereabouts, elsewhere

_log = logging.getLogger(__name__)
_FRAME_CANDIDATES = 24


class Cortex:
    """The composed room. Methods may be called from several threads."""

    def __init__(
        self,
        home: Home,
        settings: CortexSettings,
        embedder: Embedder | Embedders,
        *,
        repair: bool = True,
    ) -> None:
        """Open the stores of `home`. One embedder reads everything. Raises `StorageError`.

        With `repair` the index is complete on return. Without, it is used as it is found, and
        `repair` is to be called: embedding again after a change of the model may take long.
        """
        self.settings = settings
        self._closed = False
        self._let_go: Callable[[], None] = lambda: None
        embedders = embedder if isinstance(embedder, Embedders) else Embedders.both(embedder)
        self._embedders = embedders
        self._database = Database(home.store)
        self.ledger, self.listing = Ledger(self._database), Listing(self._database)
        self.skipped = Skipped(self._database)
        self._cache = EmbeddingCache(home.cache / "embeddings.db")
        self._vectors = Vectors(embedders, self._cache)
        self._index = open_index(home, settings, embedders)
        self._store = Store(self.ledger, self._index, self._vectors)
        sizes = ChunkSizes(settings.chunk_tokens, settings.chunk_minimum, settings.chunk_overlap)
        limits = ReadLimits(settings.max_file_mb * 2**20, settings.max_line_chars)
        self._listener = Listener(self.ledger, self._store, embedders.talk, TurnSizes())
        self._ingest = Ingest(self.ledger, self._store, self._listener, embedders.documents, sizes, limits)
        self.texts = Texts(self.ledger, self._store, self._index, self._vectors, embedders.documents, sizes)
        # Set by whoever gives such texts; what is recalled then says where they can be opened.
        self.whereabouts: Whereabouts | None = None
        self.memory_store = MemoryStore(home.memories)
        indexed = MemoryIndex(self.ledger, self._store, self._index, embedders.talk)
        approvals = Approvals(self._database)
        changed = indexed.put, indexed.drop, indexed.similar
        self._remembering = Remembering(self.memory_store, self.ledger, approvals, *changed, settings)
        self.keeping = Keeping(self._remembering, self.memory_store, approvals, self.ledger, self._vectors)
        self.retriever = Retriever(self.ledger, embedders, self._index, self._vectors, settings.scoring)
        count, problems, half_written = self._remembering.recover()
        self.recovered = Recovered(0, 0, count, problems, half_written)
        if repair:
            self.repair()

    @classmethod
    def open(cls, folder: str | os.PathLike[str] | None = None) -> Cortex:
        """The Cortex of your NEXUS_HOME, or of another folder, with its settings, for a program of your own.

        Models are those of NEXUS_HOME unless `models.folder` is set. The folder is this program's until
        `close`. Raises `AlreadyRunningError` while a service or another program has it, `ModelMissingError`
        with the command that fetches the model, `ConfigError`, `StorageError`.
        """
        from nexus.cortex.opening import opened

        return opened(folder)

    def close(self) -> None:
        """Flush and let go of all files. Calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        try:
            self._index.close()
            self._cache.close()
            self._database.close()
        finally:
            self._let_go()

    def on_close(self, let_go: Callable[[], None]) -> None:
        """Have something called when all files are let go of."""
        self._let_go = let_go

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # knowledge

    def add(
        self,
        paths: AnyPath | Sequence[AnyPath],
        on_progress: Callable[[Progress], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> AddReport:
        """Index a file or folder, or several; what has not changed is not embedded again.

        Words are found as soon as all files are read, meanings as their vectors follow.
        """
        resolved = resolved_paths(paths)
        report = self._ingest.add(resolved, on_progress, cancel)
        for path in resolved:
            self.ledger.follow(str(path))
        return self._noted(report, resolved)

    def refresh(self, root: Path, cancel: threading.Event | None = None) -> AddReport:
        """Bring a followed folder or file up to date after a change."""
        return self._noted(self._ingest.add([root], cancel=cancel), [root])

    def _noted(self, report: AddReport, roots: Sequence[Path]) -> AddReport:
        for root in () if report.cancelled else roots:
            self.skipped.note(str(root), report.files)
        return report

    def import_sessions(
        self,
        paths: AnyPath | Sequence[AnyPath],
        on_progress: Callable[[Progress], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> AddReport:
        """Take in sessions of Claude Code, Codex or SpecStory, files or folders of them."""
        return self._listener.import_sessions(resolved_paths(paths), on_progress, cancel)

    def hear(self, path: Path) -> int:
        """Bring one live session up to date. Returns how many new pieces of talk were stored."""
        return self._listener.hear(path)

    def forget_documents(self, path: Path) -> int:
        """Take a file, or all below a folder, out of the store. The files stay where they are."""
        rows = [row for row in self.ledger.objects(under=str(path)) if row.kind != "memory"]
        if not self.ledger.unfollow(str(path)) and not rows:
            raise NotFoundError(f"{path} is not known", hint="see `nexus index status` for what is")
        self.skipped.forget(str(path))
        for row in rows:
            if row.kind == "transcript":
                self.ledger.leave_out(row.path)
            self._store.drop(row.path)
        return len(rows)

    def roots(self) -> dict[str, int]:
        """The folders and files that were added and are followed, with how much each holds."""
        counts = dict.fromkeys(self.ledger.followed(), 0)
        for row in self.ledger.objects():
            # A session that came by itself lies in no folder that was added.
            if row.kind == "document" or (row.kind == "transcript" and row.root in counts):
                counts[row.root] = counts.get(row.root, 0) + 1
        return counts

    def followed(self) -> list[str]:
        """The folders and files that were added, by path."""
        return self.ledger.followed()

    def sessions(self) -> list[dict[str, str]]:
        """The sessions taken in, latest first: path, title, project."""
        names = ("path", "title", "project", "changed")
        return [dict(zip(names, row, strict=True)) for row in self.ledger.sessions()]

    # memory

    @property
    def memories_of(self) -> Remembering:
        """Everything about memories and proposals; the common calls are methods of their own below."""
        return self._remembering

    def remember(self, learning: str, **fields: Any) -> Memory:
        """Store a memory; durable and found by `recall` on return.

        The same words again give the memory that is there. Raises `SecretError`,
        `InvalidInputError`, `StorageError`.
        """
        return self._remembering.remember(learning, **fields)

    def memories(self, where: Filter | None = None) -> list[Memory]:
        """All readable memories, newest first, with their retrieval counts."""
        return self._remembering.memories(where or Filter())

    def memory(self, memory_id: str) -> Memory:
        """Raises `NotFoundError`."""
        return self._remembering.memory(memory_id)

    def edit(self, memory_id: str, **changes: Any) -> Memory:
        """Change a memory; durable and found by its new words on return."""
        return self._remembering.edit(memory_id, **changes)

    def forget(self, memory_id: str) -> None:
        """Delete a memory for good. Raises `NotFoundError`."""
        self._remembering.forget(memory_id)

    def consider(
        self, text: str, role: extractor.Role = "user", *, session: str = "", project: str = ""
    ) -> list[ProposedMemory]:
        """Queue what `text` seems to teach. Nothing is remembered before it is approved."""
        return self._remembering.consider(text, role, session=session, project=project)

    def shown(self, session: str, texts: Sequence[str]) -> None:
        """Note what was given to an agent, so that it is never taken for something new."""
        self._remembering.shown(session, texts)

    def proposals(self) -> list[ProposedMemory]:
        """What waits for approval, the newest day first (`nexus.cortex.proposal.in_order`)."""
        return self._remembering.proposals()

    def approve(self, proposal_id: str, *, supersede: bool | None = None) -> Memory:
        """Make a proposal a memory. Raises `NotFoundError`."""
        return self._remembering.approve(proposal_id, supersede=supersede)

    def reject(self, proposal_id: str) -> None:
        """Drop a proposal; the same words are not proposed again. Raises `NotFoundError`."""
        self._remembering.reject(proposal_id)

    # retrieval

    def recall(
        self,
        query: str,
        limit: int = 10,
        kinds: Sequence[ObjectKind] = KINDS,
        where: Filter | None = None,
        expected: str = "",
    ) -> list[Result]:
        """The best passages, memories and turns. Raises `InvalidInputError` when the query is empty.

        `expected` is how the answer may read, right or wrong: it finds what says it in other words.
        """
        return self._found(both(self.retriever.search, expected), query, limit, kinds, where)

    def relevant(
        self,
        query: str,
        limit: int = 10,
        kinds: Sequence[ObjectKind] = KINDS,
        where: Filter | None = None,
        expected: str = "",
    ) -> list[Result]:
        """As `recall`, but only what is about the question, or the expected, at all; may be empty."""
        return self._found(both(self.retriever.relevant, expected), query, limit, kinds, where)

    def _found(self, find: Find, query: str, *where: Any) -> list[Result]:
        if not query.strip():
            raise InvalidInputError("the query is empty", hint="say what to look for")
        return elsewhere(self.whereabouts, find, query, *where)

    def frame(
        self,
        prompt: str,
        history: Sequence[Turn] = (),
        *,
        count: Callable[[str], int] | None = None,
        most: int | None = None,
        where: Filter | None = None,
        budget: int | None = None,
        expected: str = "",
    ) -> Frame:
        """The context frame for a prompt. `count` measures text in the reading model's tokens.

        The frame may hold `budget` tokens (default `cortex.frame_tokens`) beside the prompt, and
        `most` in all; a prompt that does not fit in there raises `ContextOverflowError`.
        """
        relevant = self.relevant(asked(prompt, history), _FRAME_CANDIDATES, KINDS, where, expected)
        count = count or self._embedders.documents.count
        room = (budget or self.settings.frame_tokens) + count(prompt)
        room = min(room, most or room)
        frame = assemble(prompt, relevant, history, count, room, position=self.settings.position)
        self._count_hits([source.point for source in frame.sources])
        return frame

    def used(self, results: Sequence[Result]) -> None:
        """Note that these were given to somebody: what is often asked for ranks a little higher."""
        self._count_hits([result.chunk.point for result in results])

    def _count_hits(self, points: Sequence[str]) -> None:
        try:
            self.ledger.count_hits(points)
        except StorageError as error:
            # A full disk must not keep anybody from what is known: ranking loses one count.
            _log.warning("what was given is not counted: %s", error)

    # the index

    def counts(self) -> dict[str, int]:
        """Documents, memories, transcripts, chunks, open proposals."""
        return self.ledger.counts()

    @property
    def index_name(self) -> str:
        """Which index is in use."""
        return self._index.name

    def indexed(self) -> int:
        """How many points the index holds."""
        return self._index.count()

    def verify(self) -> Verified:
        """Compare files, ledger and index; changes nothing."""
        wanted = self.ledger.points()
        difference = compare(self._index, wanted)
        return Verified(
            len(wanted),
            len(difference.missing),
            len(difference.unembedded),
            len(difference.stale),
            tuple(f"the ledger: {line}" for line in self._database.check()),
        )

    def repair(self, on_step: Callable[[int, int], bool] = lambda done, total: True) -> Recovered:
        """Make the index hold exactly what the ledger says. Returns what opening and this found."""
        difference = self._store.repair(on_step)
        added, removed = len(difference.missing) + len(difference.unembedded), len(difference.stale)
        if added or removed:
            _log.info("index repaired: %d points added, %d removed", added, removed)
        self.recovered = self.recovered.with_points(added, removed)
        return self.recovered

    def rebuild(self, on_step: Callable[[int, int], bool] = lambda done, total: True) -> int:
        """Empty the index and fill it again from the ledger. Returns how many points it holds then."""
        held = list(self._index.points())
        for start in range(0, len(held), 1000):
            self._index.delete(held[start : start + 1000])
        self.repair(on_step)
        return self._index.count()

    @property
    def embedders(self) -> Embedders:
        """The models that read, for whoever wants vectors of texts that are not stored."""
        return self._embedders

    def unload_if_idle(self) -> bool:
        """Let go of the embedding model when nobody has needed it for a while. Whether it was let go."""
        return self._embedders.unload_if_idle(time.monotonic())

    def unload(self) -> bool:
        """Let go of the embedding models that nobody uses at this moment. Whether one was let go."""
        return self._embedders.unload_if_idle(math.inf)

    def give_back(self) -> None:
        """Give back what memory holds of files and words. Raises `MissingPartError` where it cannot be."""
        words.forget()
        self._remembering.files.clear()
        self._database.shrink()
        self._cache.shrink()
        self._index.release()

    def pack(self, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """As `VectorIndex.pack`; whether it did. After a `StorageError`, `repair` fills what is missing."""
        return self._index.pack(goes_on)
