"""`projects/`: a folder for each project, and in it the files that belong to it, wherever they lie.

A file belongs to a project by what was found out about it (its folder, its repository) or by the tag
`project:NAME`. What commands mean is what they mean in `tags/`: mkdir makes a project, ln, cp and mv into one
add the file to it, rm takes it out; a file that belongs to it by where it lies cannot be taken out.
Knows neither how projects are recognised nor where files lie. Invariant: nothing here removes a file.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nexus.memexfs import names
from nexus.memexfs.node import Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.results import LISTED, RENAME_EXCHANGE, Choice
from nexus.memexfs.store_tags import PROJECT
from nexus.memexfs.tag_names import drop_tag, known_tag, make_tag, rename_tag, tag_name
from nexus.memexfs.tags import Tagged
from nexus.memexfs.virtual import OWNER_WRITES, Scene

if TYPE_CHECKING:
    from nexus.memexfs.store import FileRow


class Project(Tagged):
    """`projects/NAME`."""

    def __init__(self, scene: Scene, path: bytes, project: str) -> None:
        super().__init__(scene, path, (PROJECT + project,))
        self.project = project

    def ask(self) -> Sequence[bytes]:
        return [row.path for row in sorted(self.scene.store.having("project", self.project, LISTED + 1))]

    def real_folder(self) -> Sequence[bytes]:
        return names.shown([self.project])

    def may_take(self, row: FileRow) -> None:
        if row.project == self.project:
            raise failure(errno.EPERM)  # it belongs here by where it lies


class Projects(Choice):
    """`projects/` itself."""

    mode = OWNER_WRITES
    name_seconds = 0.0  # a project that was renamed is another folder from then on

    def values(self) -> Sequence[str]:
        return [name for name, _ in self.scene.store.values("project")]

    def results(self, name: bytes, value: str) -> Project:
        return Project(self.scene, self.below(name), value)

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        return self.results(name, make_tag(self.scene, PROJECT.encode() + name)[len(PROJECT) :])

    def rmdir(self, name: bytes, caller: Caller) -> None:
        project = self._project(name, caller)
        project.empty()
        drop_tag(self.scene, project.tags[0])

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        project = self._project(name, caller)
        if not isinstance(to, Projects) or flags & RENAME_EXCHANGE:
            raise failure(errno.EPERM)
        if to_name in self.named():
            raise failure(errno.EEXIST)
        belonging = self.scene.store.having("project", project.project, LISTED)
        if any(row.project == project.project for row in belonging):
            raise failure(errno.EPERM)  # those would stay where they are
        if known_tag(self.scene, project.tags[0].encode()) is None:
            raise failure(errno.EPERM)
        rename_tag(self.scene, project.tags[0], tag_name(PROJECT.encode() + to_name))

    def _project(self, name: bytes, caller: Caller) -> Project:
        found = self.child(name, caller)
        assert isinstance(found, Project)
        return found
