"""Remembering: memories and what may become one, over the store, the ledger and the index.

Composes; how a memory is found by meaning is asked of the callables it is given. Invariants: a method
that has returned has made its change durable and findable; no credential is stored; a memory is never
replaced without being told to (what is superseded ends, it does not vanish); what an agent was given from
memory is not learnt from it again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from nexus.core import clock, ids
from nexus.core.errors import InvalidInputError, NotFoundError, SecretError
from nexus.cortex import export, extractor
from nexus.cortex.approvals import Approvals
from nexus.cortex.contradiction import NEAR, contradicts
from nexus.cortex.export import ImportReport
from nexus.cortex.filters import Filter
from nexus.cortex.gate import refuse_file, refuse_secrets
from nexus.cortex.ledger import Ledger
from nexus.cortex.memory import Memory, MemoryStore, moment, parse
from nexus.cortex.memory_reader import MemoryReader
from nexus.cortex.project_memories import SOURCE, ProjectMemory, ProjectScan
from nexus.cortex.projects import Projects
from nexus.cortex.proposal import ProposedMemory, bare, in_order, key, normal
from nexus.cortex.recalled import Recalled

__all__ = ["ImportReport", "ProposedMemory", "Remembering", "Rules"]
_log = logging.getLogger(__name__)
_NEIGHBOURS = 8
_ALIKE = 0.9


class Rules(Protocol):
    """The setting that is read here."""

    @property
    def auto_approve(self) -> tuple[str, ...]:
        """Categories of the extractor that become memories, unverified, without being asked for."""


class Remembering:
    """Memories, proposals and the memories of projects. Methods may be called from several threads."""

    def __init__(
        self,
        store: MemoryStore,
        ledger: Ledger,
        approvals: Approvals,
        index: Callable[[Memory, Path], None],
        drop: Callable[[str], None],
        similar: Callable[[str, int], list[tuple[str, float]]],
        settings: Rules,
    ) -> None:
        """`index` makes a memory findable, durably; `drop` undoes it for a path; `similar` gives the ids of
        valid memories with their cosine to a text, best first."""
        self._store, self._ledger, self._approvals = store, ledger, approvals
        self._index, self._drop, self._similar, self._settings = index, drop, similar, settings
        self._recalled = Recalled(approvals)
        self._projects = Projects(ledger, approvals, index, drop, store.folder)
        self._lock, self.files = threading.RLock(), MemoryReader()

    # memories

    def remember(self, learning: str, *, share: bool = False, **fields: Any) -> Memory:
        """Store a memory; durable and found by `recall` on return.

        The same words again give the valid memory that is there. `contradicts` of the result names what
        now stands against it; both stay until one is superseded. `share` writes it into the folder
        `.cortex` of `project`, for everyone who has the project. Raises `SecretError`,
        `InvalidInputError`, `StorageError`.
        """
        refuse_secrets(learning, fields)
        with self._lock:
            known = self._same(learning, str(fields.get("project", "")))
            if known:
                return self._confirm(known) if fields.get("verified", True) else known
            against = self._neighbours(learning, str(fields.get("project", "")))[0]
            if share:
                memory = self._projects.share(learning, fields)
            else:
                memory = self._store.add(learning, **fields)
                self._index(memory, self._store.path(memory.id))
        return replace(memory, contradicts=tuple(m.id for m in against))

    def edit(self, memory_id: str, **changes: Any) -> Memory:
        """Change a memory; durable and found by its new words on return."""
        with self._lock:
            self._own(memory_id)
            refuse_secrets({**self._store.get(memory_id).as_dict(), **changes})
            memory = self._store.update(memory_id, **changes)
            self._index(memory, self._store.path(memory_id))
        return memory

    def forget(self, memory_id: str) -> None:
        """Delete a memory for good. Raises `NotFoundError`."""
        with self._lock:
            self._own(memory_id)
            self._store.remove(memory_id)
            self._drop(str(self._store.path(memory_id)))

    def supersede(self, old: str | Sequence[str], learning: str, **fields: Any) -> Memory:
        """Store a memory that takes the place of others, which are valid until now and stay readable."""
        olds = [old] if isinstance(old, str) else list(old)
        refuse_secrets(learning, fields)
        with self._lock:
            for memory_id in olds:
                self._own(memory_id)
                self.memory(memory_id)
            # The new one first: dying in between leaves two memories, never none.
            memory = self._store.add(learning, supersedes=tuple(olds), **fields)
            self._index(memory, self._store.path(memory.id))
            for memory_id in olds:
                self._end(memory_id)
        return memory

    def memory(self, memory_id: str) -> Memory:
        """A memory of the user's or an approved one of a project. Raises `NotFoundError`, `SecretError`."""
        if held := self._in_project(memory_id):
            return self.read(held)
        return refuse_file(self._store.get(memory_id), self._store.path(memory_id))

    def read(self, path: Path) -> Memory:
        """What this file says, one's own or a project's. Raises as `memory` does, and `InvalidInputError`."""
        own = path.parent == self._store.folder
        return self.files.read(path) if own else self._projects.read(path).memory

    def memories(self, where: Filter | None = None) -> list[Memory]:
        """Readable memories that `where` lets pass (default: what is valid now), newest first."""
        where = where or Filter()
        found = [memory for memory, path in self._all() if where.passes(memory, path)]
        return sorted(found, key=lambda m: (m.created, m.id), reverse=True)

    # proposals

    def consider(
        self, text: str, role: extractor.Role = "user", *, session: str = "", project: str = ""
    ) -> list[ProposedMemory]:
        """Queue what `text` seems to teach. Nothing is a verified memory before it is approved.

        Raises `SecretError` when the name of session or project is a credential; what is said may hold any.
        """
        refuse_secrets(session, project)
        found: list[ProposedMemory] = []
        for proposal in extractor.propose(text, role):
            with self._lock:
                learning = bare(proposal.learning)
                if self._is_echo(proposal, role, session) or self._same(learning, project):
                    continue
                proposed = self._queue(
                    ProposedMemory(
                        key(learning), learning, proposal.category, proposal.confidence, proposal.reason,
                        clock.iso(clock.now()), role, session, project, proposal.learning,
                    )
                )  # fmt: skip
                if proposed:
                    found.append(proposed)
        return found

    def shown(self, session: str, texts: Sequence[str]) -> None:
        """These texts were given to the agent of this session; they are never learnt from what is said."""
        self._recalled.note(session, texts)

    def proposals(self) -> list[ProposedMemory]:
        """What waits for approval, the newest day first."""
        return in_order(ProposedMemory.queued(*row) for row in self._approvals.proposals())

    def approve(self, proposal_id: str, *, supersede: bool | None = None) -> Memory:
        """Make a proposal a memory. Raises `NotFoundError`.

        By default it supersedes the memories it contradicts; `supersede=False` keeps them valid.
        """
        with self._lock:
            proposal = next((p for p in self.proposals() if p.id == proposal_id), None)
            if proposal is None:
                raise NotFoundError(f"no proposal {proposal_id}", hint="see `nexus memories proposals`")
            # Looked up again: the store may have changed since it was queued.
            known = self._same(proposal.learning, proposal.project)
            against, _ = self._neighbours(proposal.learning, proposal.project)
            olds = [memory.id for memory in against if memory.source != SOURCE]
            if known is None and olds and supersede is not False:
                memory = self.supersede(olds, proposal.learning, **proposal.fields())
            else:
                memory = self.remember(proposal.learning, **proposal.fields())
            if proposal.surprise is not None:
                self._ledger.note_surprise(str(self._store.path(memory.id)), proposal.surprise)
            self._approvals.close_proposal(proposal_id, rejected=False)
        return memory

    def reject(self, proposal_id: str) -> None:
        """Drop a proposal; the same words are not proposed again. Raises `NotFoundError`."""
        if not self._approvals.close_proposal(proposal_id, rejected=True):
            raise NotFoundError(f"no proposal {proposal_id}", hint="see `nexus memories proposals`")

    # out and in

    def export(self, target: Path) -> int:
        """Write all own memories to a folder, or to one file when it ends in .jsonl. Returns how many."""
        folder = self._store.folder
        return export.write([(m, path) for m, path in self._all() if path.parent == folder], target)

    def import_from(self, source: Path) -> ImportReport:
        """Take in what `export` wrote. What is there already stays as it is; differences are named."""
        added, unchanged = [], []
        found, problems = export.read(source)
        for memory, content in found:
            with self._lock:
                try:
                    refuse_secrets(memory.as_dict(), content.decode())
                    path = self._store.path(memory.id)
                    if path.exists():
                        if parse(path) == memory:
                            unchanged.append(memory.id)
                        else:
                            problems.append(f"{memory.id}: another memory has this id; it was kept")
                        continue
                    self._index(self._store.put(memory.id, content), path)
                    added.append(memory.id)
                except (InvalidInputError, SecretError) as error:
                    problems.append(f"{memory.id}: {error.message}")
        return ImportReport(tuple(added), tuple(unchanged), tuple(problems))

    # projects

    def scan_project(self, project: Path) -> ProjectScan:
        """What the folder `.cortex` of a project holds, approved or not; nothing of it is used by this."""
        return self._projects.scan(project)

    def waiting(self, project: Path) -> list[ProjectMemory]:
        """Memories of the project whose content nobody has approved yet."""
        return self._projects.waiting(project)

    def approve_project(self, project: Path, contents: Sequence[str] | None = None) -> list[Memory]:
        """Let memories of a project be recalled: those with these SHA-256, or all that are there now.

        Raises `InvalidInputError` for a content that is not there (any more).
        """
        with self._lock:
            return self._projects.approve(project, contents)

    def withdraw_project(self, project: Path) -> int:
        """Take back every approval for a project. Returns how many memories left the index."""
        with self._lock:
            return self._projects.withdraw(project)

    def sync_project(self, project: Path) -> tuple[int, tuple[str, ...]]:
        """Index what is approved and drop what has changed or gone. Returns how many and the problems."""
        with self._lock:
            return self._projects.sync(project)

    def recover(self) -> tuple[int, tuple[str, ...], int]:
        """Make the ledger agree with the files, whatever a killed process or a person did to them.

        Returns how many memories were indexed, what cannot be read, and how many half-written files were
        removed.
        """
        half_written = self._store.sweep()
        problems, indexed = list[str](), 0
        files = {str(path): path for path in self._store.files()}
        for name, path in files.items():
            known = self._ledger.get(name)
            try:
                if known is None or known.sha256 != ids.content_hash(path.read_bytes()):
                    self._index(refuse_file(parse(path), path), path)
                    indexed += 1
            except (InvalidInputError, OSError) as error:
                problems.append(str(error))
        for row in self._ledger.objects("memory"):
            if row.path not in files and Path(row.path).parent == self._store.folder:
                self._drop(row.path)
        for project in self._projects.known():
            count, troubles = self._projects.sync(project)
            indexed += count
            problems += troubles
        return indexed, tuple(problems), half_written

    def _all(self) -> Iterator[tuple[Memory, Path]]:
        """Every readable memory with its file: the user's own, then those of projects."""
        hits = {path: count for path, _, count in self._ledger.memories()}
        others = [Path(path) for path in hits if Path(path).parent != self._store.folder]
        for path in [*self._store.files(), *others]:
            try:
                memory = self.read(path)
            except (InvalidInputError, NotFoundError) as error:
                _log.log(logging.WARNING if path.exists() else logging.DEBUG, "%s", error)  # forgotten now
                continue
            yield replace(memory, retrieval_count=hits.get(str(path), 0)), path

    def _in_project(self, memory_id: str) -> Path | None:
        """The file of a memory that the user has not himself but a project has."""
        own = self._store.path(memory_id)
        if own.is_file():
            return None
        paths = (Path(path) for path, _, _ in self._ledger.memories())
        return next((path for path in paths if path.stem == memory_id and path != own), None)

    def _own(self, memory_id: str) -> None:
        """Refuse to change what belongs to a project."""
        held = self._in_project(memory_id)
        if held:
            raise InvalidInputError(
                f"{memory_id} belongs to a project and is only read",
                hint=f"change {held} and approve it again, or withdraw the approval",
            )

    def _same(self, learning: str, project: str) -> Memory | None:
        """A valid memory with the same words that is seen in this project."""
        wanted, now = normal(learning), clock.now()
        for path, text, _ in self._ledger.memories():
            if normal(text) == wanted:
                try:
                    memory = self.memory(Path(path).stem)
                except (NotFoundError, InvalidInputError) as error:
                    _log.warning("%s", error)  # gone or damaged since it was indexed
                    continue
                if memory.valid_at(now) and memory.project in ("", project):
                    return memory
        return None

    def _neighbours(self, learning: str, project: str) -> tuple[list[Memory], list[Memory]]:
        """Valid memories that `learning` contradicts, and others that say nearly the same."""
        against: list[Memory] = []
        alike: list[Memory] = []
        for memory_id, cosine in self._similar(learning, _NEIGHBOURS):
            if cosine < NEAR:
                continue
            try:
                memory = self.memory(memory_id)
            except (NotFoundError, InvalidInputError) as error:
                _log.warning("%s", error)
                continue
            if not memory.valid_at(clock.now()) or memory.project not in ("", project):
                continue
            if contradicts(learning, memory.learning):
                against.append(memory)
            elif cosine >= _ALIKE:
                alike.append(memory)
        return against, alike

    def _confirm(self, memory: Memory) -> Memory:
        """A person has said it: what was only taken in by a rule counts as verified from now on."""
        if memory.verified or memory.source == SOURCE:
            return memory
        return self.edit(memory.id, verified=True)

    def _end(self, memory_id: str) -> None:
        old, now = self._store.get(memory_id), clock.now()
        ends = [now, *([moment(old.valid_to)] if old.valid_to else [])]
        begin = moment(old.valid_from) if old.valid_from else now
        memory = self._store.update(memory_id, valid_to=clock.iso(max(min(ends), begin)))
        self._index(memory, self._store.path(memory_id))

    def _is_echo(self, proposal: extractor.Proposal, role: extractor.Role, session: str) -> bool:
        if not self._recalled.is_echo(proposal.learning):
            return False
        if role != "user" or proposal.category != "explicit_note":
            return True
        # A person who asks to remember it means it, unless his agent has it before its eyes.
        said = (proposal.learning, bare(proposal.learning))
        return any(self._recalled.was_shown_in(session, text) for text in said)

    def _queue(self, proposed: ProposedMemory) -> ProposedMemory | None:
        """Queue it, or take it in where a rule says so. None when it was rejected before."""
        against, alike = self._neighbours(proposed.learning, proposed.project)
        reason = proposed.reason
        if against:
            reason += f"; contradicts {against[0].id}: {against[0].learning}"
        proposed = replace(
            proposed,
            reason=reason,
            contradicts=tuple(memory.id for memory in against),
            similar=tuple(memory.id for memory in alike),
        )
        if not self._approvals.put_proposal(proposed.id, proposed.body()):
            return next((p for p in self.proposals() if p.id == proposed.id), None)
        if proposed.category in self._settings.auto_approve and not against:
            memory = self.remember(proposed.learning, verified=False, **proposed.fields())
            self._approvals.close_proposal(proposed.id, rejected=False)
            return replace(proposed, memory=memory.id)
        return proposed
