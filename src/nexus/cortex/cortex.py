"""Cortex: knowledge and memory behind one object.

    with Cortex.open(home, settings, models_folder) as cortex:
        cortex.add([Path("docs")])
        cortex.remember("staging Postgres listens on port 6543")
        cortex.recall("which port is the staging database on?")

Invariant: what a method has returned from is on disk. Files and the ledger are the truth; opening
compares them with the vector index and repairs whatever a killed process left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nexus.core import ids
from nexus.core.errors import InvalidInputError, NotFoundError, SecretError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex import extractor, secrets
from nexus.cortex.assembler import Frame, Turn, assemble
from nexus.cortex.chunker import ChunkSizes
from nexus.cortex.embedder import Embedder, Matrix
from nexus.cortex.embedding_cache import EmbeddingCache
from nexus.cortex.indexer import ExactIndex, VectorIndex, synchronise
from nexus.cortex.ingest import AddReport, Ingest, Progress, embed_text
from nexus.cortex.ledger import ChunkRow, Ledger, ObjectKind
from nexus.cortex.memory import Memory, MemoryStore, MemoryType, parse
from nexus.cortex.qdrant import QdrantIndex
from nexus.cortex.reader import ReadLimits
from nexus.cortex.retriever import BOTH, Result, Retriever

_log = logging.getLogger(__name__)
_FRAME_CANDIDATES = 24
_MEMORY_TYPES: dict[str, MemoryType] = {
    "verified_fix": "experiential",
    "discovery": "experiential",
    "requirement": "procedural",
    "rule": "procedural",
}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What opening found and repaired."""

    points_added: int
    points_removed: int
    memories_indexed: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProposedMemory:
    """A learning that waits for the user's word."""

    id: str
    learning: str
    category: str
    confidence: str
    reason: str
    created: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Cortex:
    """The composed room. Methods may be called from several threads."""

    def __init__(self, home: Home, settings: CortexSettings, embedder: Embedder) -> None:
        """Open the stores of `home` and repair the index. Raises `StorageError`."""
        self.settings = settings
        self._embedder = embedder
        self._ledger = Ledger(home.store)
        self._cache = EmbeddingCache(home.cache / "embeddings.db")
        self._index: VectorIndex = (
            QdrantIndex(home.shard, embedder.model_id, embedder.dimensions)
            if settings.index == "qdrant"
            else ExactIndex(embedder.dimensions)
        )
        sizes = ChunkSizes(settings.chunk_tokens, settings.chunk_minimum, settings.chunk_overlap)
        limits = ReadLimits(settings.max_file_mb * 2**20, settings.max_line_chars)
        self._ingest = Ingest(self._ledger, embedder, self._cache, self._index, sizes, limits)
        self._memories = MemoryStore(home.memories)
        self._remembering = threading.Lock()
        self._retriever = Retriever(self._ledger, embedder, self._index)
        self.recovered = self._recover()

    def close(self) -> None:
        """Flush and let go of all files."""
        self._index.close()
        self._cache.close()
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # knowledge

    def add(
        self,
        paths: Sequence[Path],
        on_progress: Callable[[Progress], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> AddReport:
        """Index files and folders; what has not changed is not embedded again."""
        return self._ingest.add([p.resolve() for p in paths], on_progress, cancel)

    def forget_documents(self, path: Path) -> int:
        """Take a file, or all below a folder, out of the store. The files stay where they are."""
        rows = self._ledger.objects("document", str(path))
        if not rows:
            raise NotFoundError(f"{path} is not known", hint="see `nexus status` for what is")
        for row in rows:
            self._index.delete(self._ledger.drop(row.path))
        return len(rows)

    def roots(self) -> dict[str, int]:
        """The folders and files that were added, with how many documents each holds."""
        counts: dict[str, int] = {}
        for row in self._ledger.objects("document"):
            counts[row.root] = counts.get(row.root, 0) + 1
        return counts

    # memory

    def remember(self, learning: str, **fields: Any) -> Memory:
        """Store a memory; durable and found by `recall` on return.

        The same words again give the memory that is there. Raises `SecretError`,
        `InvalidInputError`, `StorageError`.
        """
        _refuse_secrets(learning, str(fields.get("context", "")))
        with self._remembering:
            for path, text, _ in self._ledger.memories():
                if _normal(text) == _normal(learning) and Path(path).is_file():
                    return parse(Path(path))
            memory = self._memories.add(learning, **fields)
            self._index_memory(self._memories.path(memory.id))
        return memory

    def memories(self) -> list[Memory]:
        """All readable memories, newest first, with their retrieval counts."""
        hits = {path: count for path, _, count in self._ledger.memories()}
        found = []
        for path in self._memories.files():
            try:
                found.append(replace(parse(path), retrieval_count=hits.get(str(path), 0)))
            except InvalidInputError as error:
                _log.warning("%s", error)
        return found[::-1]

    def memory(self, memory_id: str) -> Memory:
        """Raises `NotFoundError`."""
        return self._memories.get(memory_id)

    def edit(self, memory_id: str, **changes: Any) -> Memory:
        """Change a memory; durable and found by its new words on return."""
        _refuse_secrets(*(str(value) for value in changes.values()))
        memory = self._memories.update(memory_id, **changes)
        self._index_memory(self._memories.path(memory_id))
        return memory

    def forget(self, memory_id: str) -> None:
        """Delete a memory for good. Raises `NotFoundError`."""
        path = self._memories.path(memory_id)
        self._memories.remove(memory_id)
        self._index.delete(self._ledger.drop(str(path)))

    # proposals

    def consider(self, text: str, role: extractor.Role = "user") -> list[ProposedMemory]:
        """Queue what `text` seems to teach. Nothing is remembered before it is approved."""
        known = {_normal(text) for _, text, _ in self._ledger.memories()}
        fresh = set()
        for proposal in extractor.propose(text, role):
            normal = _normal(proposal.learning)
            if normal not in known:
                fresh.add(normal)
                key = f"NEW-{ids.content_hash(normal.encode())[:10]}"
                names = ("learning", "category", "confidence", "reason")
                self._ledger.put_proposal(key, {name: getattr(proposal, name) for name in names})
        return [p for p in self.proposals() if _normal(p.learning) in fresh] if fresh else []

    def proposals(self) -> list[ProposedMemory]:
        """What waits for approval, newest first."""
        return [
            ProposedMemory(id=key, created=created, **body) for key, created, body in self._ledger.proposals()
        ]

    def approve(self, proposal_id: str) -> Memory:
        """Make a proposal a memory. Raises `NotFoundError`."""
        proposal = next((p for p in self.proposals() if p.id == proposal_id), None)
        if proposal is None:
            raise NotFoundError(f"no proposal {proposal_id}", hint="see `nexus memories list`")
        memory = self.remember(
            proposal.learning,
            confidence=proposal.confidence,
            type=_MEMORY_TYPES.get(proposal.category, "factual"),
            context=f"proposed: {proposal.reason}",
            source="conversation",
        )
        self._ledger.close_proposal(proposal_id, rejected=False)
        return memory

    def reject(self, proposal_id: str) -> None:
        """Drop a proposal; the same words are not proposed again. Raises `NotFoundError`."""
        if not self._ledger.close_proposal(proposal_id, rejected=True):
            raise NotFoundError(f"no proposal {proposal_id}", hint="see `nexus memories list`")

    # retrieval

    def recall(self, query: str, limit: int = 10, kinds: Sequence[ObjectKind] = BOTH) -> list[Result]:
        """The best chunks and memories for a question. Raises `InvalidInputError` when empty."""
        if not query.strip():
            raise InvalidInputError("the query is empty", hint="say what to look for")
        return self._retriever.search(query, limit, kinds)

    def frame(
        self,
        prompt: str,
        history: Sequence[Turn] = (),
        *,
        count: Callable[[str], int] | None = None,
        most: int | None = None,
    ) -> Frame:
        """The context frame for a prompt. `count` measures text in the reading model's tokens.

        The frame may hold `cortex.frame_tokens` beside the prompt, and `most` in all; a prompt that
        does not fit in there raises `ContextOverflowError`.
        """
        question = prompt
        if history and len(prompt.split()) < 6:
            # "and for paths?" means nothing without what was asked before.
            earlier = [t.content for t in history if t.role == "user"][-1:]
            question = " ".join([*earlier, prompt])
        results = self.recall(question, _FRAME_CANDIDATES)
        relevant = [r for r in results if self._retriever.is_relevant(r, question)]
        count = count or self._embedder.count
        budget = self.settings.frame_tokens + count(prompt)
        frame = assemble(prompt, relevant, history, count, min(budget, most or budget))
        self._ledger.count_hits([source.point for source in frame.sources])
        return frame

    def counts(self) -> dict[str, int]:
        """Documents, memories, chunks, open proposals."""
        return self._ledger.counts()

    @property
    def index_name(self) -> str:
        """Which vector index is in use."""
        return self._index.name

    # recovery

    def _recover(self) -> Recovered:
        problems: list[str] = []
        self._memories.sweep()
        files = {str(path): path for path in self._memories.files()}
        indexed = 0
        for name, path in files.items():
            known = self._ledger.get(name)
            try:
                if known is None or known.sha256 != ids.content_hash(path.read_bytes()):
                    self._index_memory(path)
                    indexed += 1
            except (InvalidInputError, OSError) as error:
                problems.append(str(error))
        for row in self._ledger.objects("memory"):
            if row.path not in files:
                self._ledger.drop(row.path)
        wanted = self._ledger.points()
        added, removed = synchronise(self._index, wanted, self._stored_vectors)
        if len(self._cache) > 2 * len(wanted) + 1000:
            rows = self._ledger.chunks(list(wanted)).values()
            self._cache.keep_only({self._ingest.embed_key(_embed_text(row)) for row in rows})
        if added or removed or indexed:
            _log.info(
                "index repaired: %d points added, %d removed, %d memories read",
                added,
                removed,
                indexed,
            )
        return Recovered(added, removed, indexed, tuple(problems))

    def _stored_vectors(self, points: Sequence[str]) -> Matrix:
        rows = self._ledger.chunks(points)
        return self._ingest.vectors([_embed_text(rows[point]) for point in points])[0]

    def _index_memory(self, path: Path) -> None:
        memory = parse(path)
        data = path.read_bytes()
        text = memory.learning
        tokens = self._embedder.count(text)
        # Words of the context are found, too; the vector is of what was learnt.
        heading = (memory.domain, *memory.keywords, *([memory.context] if memory.context else []))
        chunk = self._ingest.new_chunk(str(path), 0, heading, text, (1, 1), tokens)
        vectors, _ = self._ingest.vectors([embed_text("memory", str(path), heading, text)])
        stale = self._ledger.put(
            "memory",
            str(path),
            [chunk],
            root=str(path.parent),
            sha256=ids.content_hash(data),
            size=len(data),
            mtime_ns=path.stat().st_mtime_ns,
        )
        if stale:
            self._index.delete(stale)
        self._index.upsert([chunk.point], ["memory"], vectors)


def _embed_text(row: ChunkRow) -> str:
    return embed_text(row.kind, row.path, row.heading, row.text)


def _normal(text: str) -> str:
    """Two learnings with the same words are the same."""
    return " ".join(text.split()).lower()


def _refuse_secrets(*texts: str) -> None:
    for text in texts:
        for finding in secrets.find(text):
            raise SecretError(
                f"the text holds a credential ({finding.kind}); nothing was stored",
                hint="say where the secret is kept, not what it is",
            )
