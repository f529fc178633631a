"""Sessions of agents into the store, turn by turn.

Credentials are blacked out before anything is cut, stored or embedded. A session stays known when its
file is gone: clients delete theirs after some weeks, and what was said is not ours to forget.
Invariant: a session that grew keeps the points of its earlier turns, so only new turns are embedded.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from nexus.core import ids
from nexus.core.errors import NexusError, StorageError
from nexus.core.paths import find_project
from nexus.cortex import secrets
from nexus.cortex.embedder import Embedder
from nexus.cortex.ledger import Ledger, NewChunk
from nexus.cortex.reporting import AddReport, FileReport, Progress, Status
from nexus.cortex.store import NewObject, Store
from nexus.cortex.transcripts.sessions import is_transcript, read_session
from nexus.cortex.transcripts.transcript import Transcript
from nexus.cortex.transcripts.turns import TurnSizes, turn_chunks

# The version of the way sessions are read, cleaned and cut.
_CUT = 2


class Listener:
    """Brings sessions up to date. One at a time."""

    def __init__(self, ledger: Ledger, store: Store, embedder: Embedder, sizes: TurnSizes) -> None:
        self._ledger, self._store, self._embedder, self._sizes = ledger, store, embedder, sizes
        self._one_at_a_time = threading.Lock()
        self._recipe = f"turns-{_CUT}/{embedder.model_id}/{sizes.target}/{sizes.context}"

    def hears(self, path: Path) -> bool:
        """Whether a file is a session of an agent, and not a document that looks like a chat."""
        return path.suffix.lower() in (".jsonl", ".md") and is_transcript(path)

    def import_sessions(
        self,
        paths: Sequence[Path],
        on_progress: Callable[[Progress], None] = lambda _: None,
        cancel: threading.Event | None = None,
    ) -> AddReport:
        """Read these session files and all below these folders; each has its own outcome.

        A session that was forgotten comes back when its own file is named.
        """
        cancel = cancel or threading.Event()
        report = AddReport()
        fresh: list[str] = []
        found = [(file, path == file) for path in paths for file in _sessions_at(path)]
        chunks = 0
        for number, (path, named) in enumerate(found, 1):
            if cancel.is_set():
                break
            if named:
                self._ledger.take_in(str(path))
            outcome, points = self._bring_up_to_date(path)
            report.files.append(outcome)
            fresh += points
            chunks += outcome.chunks
            on_progress(Progress("reading", number, len(found), chunks, str(path)))
        total = len(fresh)
        report.embedded = self._store.embed(
            fresh, lambda done: on_progress(Progress("embedding", done, total, total, "")), cancel
        )
        report.cancelled = cancel.is_set()
        return report

    def hear(self, path: Path) -> int:
        """Bring one live session up to date. Returns how many new passages were stored.

        A session that was forgotten stays so. Raises what `read_session` raises.
        """
        outcome, points = self._bring_up_to_date(path)
        if outcome.status == "failed":
            raise StorageError(outcome.reason, hint=outcome.hint)
        self._store.embed(points)
        return len(points)

    def unchanged(self, path: Path) -> bool:
        """Whether a session is known as it lies there."""
        known = self._ledger.get(str(path))
        try:
            now = path.stat()
        except OSError:
            return False
        return (
            known is not None
            and known.sha256.startswith(f"{self._recipe}:")
            and (known.size, known.mtime_ns) == (now.st_size, now.st_mtime_ns)
        )

    def prepare(self, path: Path, root: str = "") -> tuple[NewObject, str]:
        """A session file as it is to be stored, and what of it was not understood.

        Raises what `read_session` raises, `StorageError`.
        """
        try:
            # Looked at before it is read: what is appended meanwhile is read the next time.
            status = path.stat()
        except OSError as error:
            raise StorageError.from_os(error, path) from error
        transcript = read_session(path)
        new = self._object(
            transcript,
            str(path),
            root or str(path.parent),
            sha256=ids.content_hash(str(path).encode("utf-8", "surrogateescape")),
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )
        return new, transcript.problems

    def store(self, transcript: Transcript, name: str) -> list[str]:
        """Store a session that is no file under a name. Returns the points that need their vectors."""
        new = self._object(transcript, name, str(Path(name).parent), sha256="", size=0, mtime_ns=0)
        return self._store.put([new])

    def _object(
        self, transcript: Transcript, name: str, root: str, *, sha256: str, size: int, mtime_ns: int
    ) -> NewObject:
        # What is named a password in one turn is typed without a name in the next.
        known = dict(transcript.known)
        for turn in transcript.turns:
            known.update(secrets.values(turn.text))
        clean = transcript.with_texts(lambda text: secrets.blacked_out(text, known))
        chunks = [
            NewChunk(
                "", piece.heading, piece.text, piece.start_line, piece.end_line, piece.tokens,
                context=piece.context, speaker=piece.speaker, said=piece.said,
            )
            for piece in turn_chunks(clean, self._embedder, self._sizes)
        ]  # fmt: skip
        # Held in a folder of a project, it is the project's.
        project = find_project(Path(clean.project)) if clean.project.startswith("/") else None
        return NewObject(
            "transcript",
            name,
            chunks,
            root=root,
            sha256=f"{self._recipe}:{sha256}",
            size=size,
            mtime_ns=mtime_ns,
            project=secrets.blacked_out(str(project or clean.project), known),
            title=clean.title,
        )

    def _bring_up_to_date(self, path: Path) -> tuple[FileReport, list[str]]:
        name = str(path)
        with self._one_at_a_time:
            if self._ledger.left_out(name):
                hint = f"nexus sessions import {shlex.quote(name)}"
                return FileReport(name, "skipped", 0, "it was forgotten", hint), []
            if self.unchanged(path):
                return FileReport(name, "unchanged"), []
            known = self._ledger.get(name)
            try:
                new, problems = self.prepare(path)
            except NexusError as error:
                return FileReport(name, "failed", 0, error.message, error.hint), []
            return told(name, new, problems, known=known is not None), self._store.put([new])


def told(name: str, new: NewObject, problems: str, *, known: bool) -> FileReport:
    """What is said of a session that was read."""
    if not new.chunks:
        return FileReport(name, "skipped", 0, problems or "nothing is said in it", session=True)
    status: Status = "updated" if known else "added"
    return FileReport(name, status, len(new.chunks), problems, session=True)


def _sessions_at(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and is_transcript(file))
