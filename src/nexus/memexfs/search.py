"""`search/`: a folder for any question, and in it the files that answer it, the best first.

    ls "search/how we handle refunds/"       asks
    cat "search/how we handle refunds/.why"  says why these files, with scores and passages
    mkdir search/refunds                     saves the question "refunds"
    mv "search/how we handle refunds" search/refunds     saves the longer one under that name
    rmdir search/refunds                     forgets it

Any name with a space in it is a question, and one of three letters or more with a question mark at its end;
a single word only when it was saved. Names that programs try by themselves never are, and looking a name up
asks nothing: that happens when the folder is listed, or when a file in it is wanted and nothing was listed.
What the last listing showed is what the names mean until it is listed again.
Knows nothing of how files are found. Invariant: nothing below here changes or removes a file or a tag.
"""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterable

from nexus.core.errors import NexusError
from nexus.memexfs import names
from nexus.memexfs.finding import Found
from nexus.memexfs.listings import Listing
from nexus.memexfs.node import Child, Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.results import RANKED, RENAME_EXCHANGE, RENAME_NOREPLACE, Results, refused
from nexus.memexfs.tag_names import answering
from nexus.memexfs.virtual import OWNER_WRITES, MadeFile, MadeFolder, Scene

SECONDS = 5.0  # for which listing a question again may say the same
WHY = b".why"
_RANKED = re.compile(rb"\d\d+ .")
_QUESTION = re.compile(r"(?:.*\w){3}.*\?", re.DOTALL)


class Answers(Results):
    """The files that fit something, by rank. Subclasses say what they are asked by."""

    name_seconds = 5.0
    relisted = SECONDS

    def found(self) -> list[Found]:
        """The best files, in order. Raises `NexusError`."""
        raise NotImplementedError

    def asked(self) -> str:
        """What was asked, for people."""
        raise NotImplementedError

    def make(self) -> Listing:
        try:
            answer = self.found()[:RANKED]
        except NexusError as error:
            raise refused(error) from error
        here = [found for found in answer if self._there(found.path)]
        given = names.ranked([names.base(found.path) for found in here])
        for found in here:
            self.scene.scores.keep(found, self.asked())
        paths = {name: found.path for name, found in zip(given, here, strict=True)}
        return Listing(paths, notes=here, lasting=True)

    def known(self, name: bytes) -> bytes | None:
        if not _RANKED.match(name):
            return None  # nothing that was ever listed: not worth a question
        path = self.scene.listings.last(self.key).get(name)
        return path if path is not None else self.listing(SECONDS).names.get(name)

    def child(self, name: bytes, caller: Caller) -> Node:
        if name == WHY:
            return MadeFile(self.scene, self.below(WHY), self._why)
        return super().child(name, caller)

    def _there(self, path: bytes) -> bool:
        try:
            self.scene.files.resolve(path)
        except OSError:
            return False  # removed since it was indexed
        return True

    def _why(self) -> str:
        listing = self.listing(SECONDS)
        lines = [self.asked(), ""]
        for name, found in zip(listing.names, listing.notes, strict=True):
            parts = "  ".join(f"{part} {share:.3f}" for part, share in found.parts.items())
            lines.append(
                f"{found.score:.3f}  {_text(name)}\n       files/{_text(found.path)}\n       {parts}"
            )
            if found.passage:
                lines.append(f"       {' '.join(found.passage.split())[:300]}")
        return "\n".join(lines) + "\n"


class Question(Answers):
    """`search/NAME`: the answers to `text`."""

    def __init__(self, scene: Scene, path: bytes, text: str) -> None:
        super().__init__(scene, path)
        self.text = text

    def found(self) -> list[Found]:
        return self.scene.finder.search(self.text, RANKED)

    def asked(self) -> str:
        return self.text


class Search(MadeFolder):
    """`search/` itself. It lists what was saved."""

    mode = OWNER_WRITES
    name_seconds = 5.0
    attribute_seconds = 60.0

    def child(self, name: bytes, caller: Caller) -> Node:
        text = self._saved().get(name) or question(name)
        if text is None:
            raise failure(errno.ENOENT)
        return Question(self.scene, self.below(name), text)

    def children(self) -> Iterable[Child]:
        return [
            Child(name, Question(self.scene, self.below(name), text).ino, stat.S_IFDIR)
            for name, text in self._saved().items()
        ]

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        text = _typed(name)
        if text is None:
            raise failure(errno.EINVAL)
        if name in self._saved():
            raise failure(errno.EEXIST)
        with answering():
            self.scene.store.save_query(text, text)
        return Question(self.scene, self.below(name), text)

    def rmdir(self, name: bytes, caller: Caller) -> None:
        if name not in self._saved():
            raise failure(errno.ENOENT if question(name) is None else errno.EPERM)
        with answering():
            self.scene.store.drop_query(name.decode())
        self.scene.listings.drop(Question(self.scene, self.below(name), "").key)

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        saved = self._saved()
        text = saved.get(name) or question(name)
        if text is None:
            raise failure(errno.ENOENT)
        new = _typed(to_name)
        if not isinstance(to, Search) or flags & RENAME_EXCHANGE:
            raise failure(errno.EPERM)
        if new is None:
            raise failure(errno.EINVAL)
        if to_name in saved and flags & RENAME_NOREPLACE:
            raise failure(errno.EEXIST)
        with answering():
            # A folder that a file manager made and its user names now: the name is the question.
            self.scene.store.save_query(new, new if name in saved and names.unnamed(name) else text)
            if name in saved:
                self.scene.store.drop_query(name.decode())
        self.scene.telling.changed(to, to_name)

    def _saved(self) -> dict[bytes, str]:
        with answering():
            return {name.encode(): text for name, text in self.scene.store.queries().items()}


def question(name: bytes) -> str | None:
    """What a name that was not saved asks for; None where it is no question."""
    if names.probed(name):
        return None
    text = name.decode().strip()
    return text if " " in text or _QUESTION.fullmatch(text) else None


def _typed(name: bytes) -> str | None:
    """The name as somebody can have meant it to be saved."""
    if names.unnamed(name):
        return name.decode()
    return None if names.probed(name) or len(name) > 200 else name.decode()


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
