"""The memories of projects: which of them the user has approved, and keeping the index to just those.

What is approved is an exact content, so a pull that changes a file takes its memory out of recall until
somebody has looked again. Knows nothing of how a `.cortex` folder is read (`project_memories`). Invariant:
nothing of a project is given to the index whose content was not approved. Callers see to it that one
thread at a time changes things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, NotFoundError, StorageError
from nexus.core.paths import PROJECT_FOLDER
from nexus.cortex import project_memories
from nexus.cortex.approvals import Approvals
from nexus.cortex.ledger import Ledger
from nexus.cortex.memory import Memory, MemoryStore
from nexus.cortex.project_memories import ProjectMemory, ProjectScan

# Of one machine and one person: not for a folder that others read.
_PRIVATE = {"project", "session", "words", "supersedes", "verified"}


class Projects:
    """Approval and indexing of what projects carry."""

    def __init__(
        self,
        ledger: Ledger,
        approvals: Approvals,
        index: Callable[[Memory, Path], None],
        drop: Callable[[str], None],
        own: Path,
    ) -> None:
        """`own` is the folder of the user's own memories, which belong to no project's folder."""
        self._ledger, self._approvals, self._own = ledger, approvals, own
        self._index, self._drop = index, drop

    def scan(self, project: Path) -> ProjectScan:
        """What is there, approved or not."""
        return project_memories.scan_project(project.resolve())

    def waiting(self, project: Path) -> list[ProjectMemory]:
        """What is there and not approved."""
        return [m for m in self.scan(project).memories if not self._approvals.approved_content(m.sha256)]

    def approve(self, project: Path, contents: Sequence[str] | None = None) -> list[Memory]:
        """Approve these contents, or all that are there, and index them."""
        held = {m.sha256: m for m in self.scan(project).memories}
        gone = [sha for sha in contents or () if sha not in held]
        if gone:
            raise InvalidInputError(
                f"{len(gone)} of the memories have changed since they were shown: {gone[0][:12]}...",
                hint="look at them again, then approve",
            )
        chosen = [held[sha] for sha in (held if contents is None else contents)]
        for found in chosen:
            self._approvals.approve_content(found.sha256, str(found.path))
            self._index(found.memory, found.path)
        return [found.memory for found in chosen]

    def withdraw(self, project: Path) -> int:
        """Take every approval for the project back."""
        for found in self.scan(project).memories:
            self._approvals.withdraw_content(found.sha256)
        rows = self._rows(project.resolve())
        for path, sha256 in rows:
            self._approvals.withdraw_content(sha256)
            self._drop(path)
        return len(rows)

    def sync(self, project: Path) -> tuple[int, tuple[str, ...]]:
        """Bring the index in line with the folder and the approvals."""
        scan = self.scan(project)
        approved = {str(m.path): m for m in scan.memories if self._approvals.approved_content(m.sha256)}
        known = dict(self._rows(project.resolve()))
        for path in known:
            if path not in approved:
                self._drop(path)
        fresh = [m for path, m in approved.items() if known.get(path) != m.sha256]
        for found in fresh:
            self._index(found.memory, found.path)
        return len(fresh), tuple(str(problem) for problem in scan.problems)

    def known(self) -> list[Path]:
        """The projects that have memories in the index."""
        paths = (Path(row.path) for row in self._ledger.objects("memory"))
        return sorted({path.parents[2] for path in paths if path.parent != self._own})

    def read(self, path: Path) -> ProjectMemory:
        """One approved memory. Raises `NotFoundError` when its content is not the approved one."""
        found = project_memories.read_project_memory(path.parents[2], path)
        if not self._approvals.approved_content(found.sha256):
            raise NotFoundError(
                f"{path.stem} has changed since it was approved", hint="see `nexus memories approve`"
            )
        return found

    def share(self, learning: str, fields: dict[str, Any]) -> Memory:
        """Write a memory into the project's folder; its author has approved it by writing it."""
        if not fields.get("project"):
            raise InvalidInputError("share needs a project", hint="name the project's folder")
        project = Path(fields["project"]).resolve()
        try:
            folder = project_memories.shared_folder(project)
        except OSError as error:
            raise StorageError.from_os(error, project / PROJECT_FOLDER) from error
        memory = MemoryStore(folder).add(learning, **{k: v for k, v in fields.items() if k not in _PRIVATE})
        path = folder / f"{memory.id}.md"
        try:
            found = project_memories.read_project_memory(project, path)
        except InvalidInputError:
            atomic.remove(path)  # what nobody would be shown must not stay there either
            raise
        self._approvals.approve_content(found.sha256, str(path))
        self._index(found.memory, path)
        return found.memory

    def _rows(self, project: Path) -> list[tuple[str, str]]:
        """Path and content of what the ledger holds of this project."""
        folder = str(project / PROJECT_FOLDER / project_memories.FOLDER)
        return [(row.path, row.sha256) for row in self._ledger.objects("memory", folder)]
