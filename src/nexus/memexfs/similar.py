"""`similar/`: a folder for any file, and in it the files like it, the most similar first.

    ls similar/docs/refunds.md/     files like files/docs/refunds.md
    ls similar/refunds.md/          the same, where only one file is called so anywhere

The way to a file is its way under files/. Nothing is listed on that way: each name would be a question, and
whoever walks through a tree would ask about every file.
Knows nothing of how files are compared. Invariant: nothing below here changes or removes anything.
"""

from __future__ import annotations

import errno
import os
import stat

from nexus.core.errors import MissingPartError, NexusError
from nexus.memexfs import names
from nexus.memexfs.finding import Found
from nexus.memexfs.node import Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.results import RANKED, refused
from nexus.memexfs.search import Answers
from nexus.memexfs.virtual import MadeFolder, Scene
from nexus.memexfs.words_finder import WordsFinder

_NAMESAKES = 20  # files among which those of one name are looked for


class Alike(Answers):
    """`similar/PATH`: files like the one at `like`."""

    def __init__(self, scene: Scene, path: bytes, like: bytes) -> None:
        super().__init__(scene, path)
        self.like = like

    def found(self) -> list[Found]:
        try:
            return self.scene.finder.similar(self.like, RANKED)
        except MissingPartError:  # nobody compares meanings just now; `.memex/status` says so
            return WordsFinder(self.scene.store).similar(self.like, RANKED)

    def asked(self) -> str:
        return f"like files/{self.like.decode('utf-8', 'replace')}"


class Similar(MadeFolder):
    """`similar/`, and what lies on the way to a file: `folder` is that under files/."""

    def __init__(self, scene: Scene, path: bytes, folder: bytes = b"") -> None:
        super().__init__(scene, path)
        self.folder = folder

    def child(self, name: bytes, caller: Caller) -> Node:
        like = self.folder + b"/" + name if self.folder else name
        try:
            kind = self.scene.files.resolve(like).attributes().kind
        except OSError as error:
            if error.errno != errno.ENOENT or self.folder:
                raise
            return Alike(self.scene, self.below(name), self._only(name))
        if stat.S_ISDIR(kind):
            return Similar(self.scene, self.below(name), like)
        if not stat.S_ISREG(kind):
            raise failure(errno.ENOENT)
        return Alike(self.scene, self.below(name), like)

    def _only(self, name: bytes) -> bytes:
        """The path of the one file that is called so; ENOENT where there is none, or several."""
        if names.probed(name):
            raise failure(errno.ENOENT)
        try:
            matches = self.scene.store.matching(os.fsdecode(name), _NAMESAKES)
        except NexusError as error:
            raise refused(error) from error
        paths = [match.path for match in matches if names.base(match.path) == name]
        if len(paths) != 1:
            raise failure(errno.ENOENT)
        return paths[0]
