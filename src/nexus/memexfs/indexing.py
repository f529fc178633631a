"""One file read and indexed: text to Cortex, its vector to the shard, facts and passages to the store.

Knows no queue. Invariant: whatever it is killed at, doing it again gives the same, and a file is `indexed` in
the store only when everything else has been written.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np

from nexus.core.errors import NotFoundError
from nexus.cortex.ledger import ChunkRow
from nexus.cortex.texts import Texts
from nexus.memexfs import naming
from nexus.memexfs.extract import Extracted
from nexus.memexfs.opening import Opener
from nexus.memexfs.shard import FileVectors
from nexus.memexfs.space import FileText, Space
from nexus.memexfs.store import Facts, FileRow, Passage, Store

_DIGESTED = 256 * 2**20
_PIECE = 2**20
_BESIDE = 8
_SAID = 8  # passages whose words go to a provider
# Passages embedded before the file counts as indexed; a long file's others follow when nothing else waits.
FIRST = 64
# Files whose words are found and whose vectors wait; more of them are finished one by one.
AHEAD = 4096
_TITLED = ("pdf", "office", "html")


class Extract(Protocol):
    """`nexus.memexfs.extract.extract`."""

    def __call__(self, source: int, name: bytes, size: int | None = None) -> Extracted: ...


class ChangedError(Exception):
    """The file was written while it was read."""


class Indexed(NamedTuple):
    """What came of it: the state, and the points of passages whose vectors are still to be made. The state
    "waiting": it is found by its words, and `Indexing.index` once more gives it its vectors."""

    state: str
    rest: Sequence[str] = ()


class _Half(NamedTuple):
    """A file whose words are stored: what it was when it was read, what was found in it, and the points that
    were stored and not embedded."""

    mark: tuple[int, ...]
    facts: Facts
    owed: list[str]


class Indexing:
    """Reads files and forgets them. One thread at a time."""

    def __init__(
        self,
        store: Store,
        texts: Texts,
        space: Space,
        vectors: FileVectors,
        opener: Opener,
        extract: Extract,
        ignored: Callable[[bytes], bool],
    ) -> None:
        """`ignored` says which paths are never read (`nexus.memexfs.ignored`)."""
        self._store, self._texts, self._space, self._vectors = store, texts, space, vectors
        self._opener, self._extract, self._ignored = opener, extract, ignored
        # By document: its vectors wait for the words of others, or something failed between.
        self._half: dict[str, _Half] = {}

    @property
    def unembedded(self) -> int:
        """Passages that are found by their words and wait for their vectors."""
        return sum(len(half.owed) for half in tuple(self._half.values()))

    def index(self, path: bytes, words_first: bool = False) -> Indexed:
        """Read the file at `path` and make it found. `words_first`: by its words only, where it has so much
        text that the model would keep others waiting.

        Raises `ChangedError`, `OSError` where it cannot be read now or is not there, and `NexusError` where a
        model or a disk is missing. State "gone" where the store does not know it any more.
        """
        row = self._store.file(path)
        if row is None:
            return Indexed("gone")
        if self._ignored(path):
            return self._left_out(row, Facts(row.kind, state="ignored", problem="its name is on the list"))
        try:
            return self._read(row, words_first)
        except OSError as error:
            # One that is not there may have moved a moment ago: whoever moved it says so, and takes its tags
            # along. Until then it is tried again.
            if error.errno not in (errno.EINVAL, errno.EACCES, errno.EPERM):
                raise
            if error.errno == errno.EINVAL:
                return self._left_out(row, Facts("other", state="ignored", problem="not a regular file"))
            return self._left_out(row, Facts(row.kind, state="unreadable", problem=str(error.strerror)))

    def forget(self, path: bytes, file: int) -> None:
        """Nothing of the file is found by its text or meaning any more; `file` is its id, 0 where unknown."""
        self.drop(naming.document(path))
        if file:
            self._vectors.delete([file])

    def drop(self, document: str) -> None:
        """Nothing of the text is found any more."""
        self._half.pop(document, None)
        self._texts.drop(document)

    def move(self, old: bytes, new: bytes, file: int) -> None:
        """The file is at another path now; nothing is read again."""
        self.move_text(naming.document(old), naming.document(new))
        self.rename([(file, new)])

    def move_text(self, old: str, new: str) -> None:
        """The text is another document now, with all its vectors."""
        self._half.pop(old, None)
        self._half.pop(new, None)
        self._texts.move(old, new)

    def rename(self, files: Sequence[tuple[int, bytes]]) -> None:
        """Give the vectors of these files their names anew."""
        held = [(file, path, found) for file, path in files if (found := self._vectors.get(file))]
        if not held:
            return
        vectors = self._space.renamed([found[0] for *_, found in held], [path for _, path, _ in held])
        for (file, _, (_, stamp)), vector in zip(held, vectors, strict=True):
            self._vectors.put(file, vector, stamp)

    def vector(self, path: bytes) -> None:
        """Make the file's vector anew, from what is stored: more of its passages have vectors now.

        Raises `NotFoundError` where it is not known.
        """
        row = self._store.file(path)
        if row is None:
            raise NotFoundError(f"{path.decode('utf-8', 'backslashreplace')} is not known")
        if row.state == "indexed":
            self._put_vector(row, row.title, row.summary, row.digest)

    def _read(self, row: FileRow, words_first: bool) -> Indexed:
        status = self._opener.status(row.path)
        half = self._half.get(naming.document(row.path))
        if half and half.mark == _mark(status) and (row.state, row.digest) == ("waiting", half.facts.digest):
            return self._meant(row, half)
        with self._opener.opened(row.path) as descriptor:
            digest = _digest(descriptor, status)
            if digest and self._is_indexed(row, digest):
                return self._known(row, status)
            found = self._extract(descriptor, row.path, status.st_size)
        after = self._opener.status(row.path)
        if _mark(status) != _mark(after):
            raise ChangedError
        facts = Facts(
            found.kind, found.mime, found.title, found.lead, found.author, _project(self._store, row),
            found.language, status.st_size, status.st_mtime_ns, digest, found.state, found.problem,
        )  # fmt: skip
        if found.state != "indexed":
            return self._left_out(row, facts)
        return self._take_in(row, _Half(_mark(status), facts, []), found, words_first)

    def _known(self, row: FileRow, status: os.stat_result) -> Indexed:
        """The same content under the same name: at most its tags are others."""
        held = self._vectors.get(row.id)
        if held is None or held[1] != _stamp(row.digest, self._store.tags_of(row.id)):
            self._put_vector(row, row.title, row.summary, row.digest)
        facts = _facts(row)._replace(
            size=status.st_size, mtime_ns=status.st_mtime_ns, project=_project(self._store, row)
        )
        self._store.described(row.path, facts, self._store.passages_of(row.path))
        return Indexed("indexed")

    def _take_in(self, row: FileRow, half: _Half, found: Extracted, words_first: bool) -> Indexed:
        facts = half.facts
        name, document = row.path.rpartition(b"/")[2], naming.document(row.path)
        text = found.text
        if found.kind in _TITLED and found.title and found.title not in text[: 4 * len(found.title)]:
            # A document says its title in its properties, and its passages are searched with it.
            text = f"{found.title}\n\n{text}"
        fresh = self._texts.put(
            document,
            text,
            found.form,
            name=naming.document(name).rpartition("/")[2],
            sha256=facts.digest,
            size=facts.size,
            mtime_ns=facts.mtime_ns,
        )
        before = self._half.get(document)
        half = self._half[document] = half._replace(owed=[*(before.owed if before else ()), *fresh])
        if half.owed:  # words first: they are found while the model is still reading
            rows = self._texts.passages_of(document)
            passages = [_passage(held) for held in rows]
            self._store.described(row.path, facts._replace(state="waiting"), passages)
            if words_first and before is None and len(self._half) <= AHEAD:
                return Indexed("waiting")
        return self._meant(row, half)

    def _meant(self, row: FileRow, half: _Half) -> Indexed:
        """Give a file whose words are stored its vectors."""
        document, facts = naming.document(row.path), half.facts
        rows = self._texts.passages_of(document)
        self._texts.embed(half.owed[:FIRST])
        self._put_vector(row, facts.title, facts.summary, facts.digest, rows[:FIRST])
        del self._half[document]
        if not self._store.described(row.path, facts, [_passage(held) for held in rows]):
            self.forget(row.path, row.id)  # gone meanwhile
            return Indexed("gone")
        return Indexed("indexed", half.owed[FIRST:])

    def _put_vector(
        self, row: FileRow, title: str, lead: str, digest: str, rows: Sequence[ChunkRow] | None = None
    ) -> None:
        if rows is None:
            rows = self._texts.passages_of(naming.document(row.path))
        vectors = self._texts.vectors_of(rows) if rows else np.zeros((0, 0), np.float32)
        tags = self._store.tags_of(row.id)
        file = FileText(
            row.path,
            title,
            lead,
            tags,
            self._opener.beside(row.path, _BESIDE),
            vectors,
            [held.tokens for held in rows],
            "\n".join(islice((held.text for held in rows), _SAID)),
        )
        self._vectors.put(row.id, self._space.vector(file), _stamp(digest, tags))

    def _left_out(self, row: FileRow, facts: Facts) -> Indexed:
        """A file that cannot be used any more must not answer from its old content either."""
        self.forget(row.path, row.id)
        self._store.described(row.path, facts._replace(size=facts.size or row.size), ())
        return Indexed(facts.state)

    def _is_indexed(self, row: FileRow, digest: str) -> bool:
        """Whether this very content is indexed at this very path."""
        if not row.indexed_ns or row.digest != digest:
            return False
        held = self._vectors.get(row.id)
        document = self._texts.get(naming.document(row.path))
        if held is None or digest_of(held[1]) != digest:
            return False
        return document.sha256 == digest if document else not self._store.passages_of(row.path)


def _stamp(digest: str, tags: Sequence[str]) -> str:
    """What a file's vector was made of."""
    return f"{digest}:{zlib.crc32(chr(0).join(sorted(tags)).encode('utf-8', 'surrogatepass')):08x}"


def digest_of(stamp: str) -> str:
    """The digest in a stamp of a vector."""
    return stamp.partition(":")[0]


def _mark(status: os.stat_result) -> tuple[int, ...]:
    """What is another one when the bytes are, or when they were sealed while they were read."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _facts(row: FileRow) -> Facts:
    return Facts(
        row.kind, row.mime, row.title, row.summary, row.author, row.project, row.language,
        row.size, row.mtime_ns, row.digest, "indexed", row.problem,
    )  # fmt: skip


def _passage(row: ChunkRow) -> Passage:
    return Passage(" > ".join(row.heading), row.text, row.start_line, row.end_line)


def _project(store: Store, row: FileRow) -> str:
    """The project that its tags name, else the one that it had."""
    named = [tag.removeprefix("project:") for tag in store.tags_of(row.id) if tag.startswith("project:")]
    return named[0] if named else row.project


def _digest(descriptor: int, status: os.stat_result) -> str:
    """BLAKE3 of the bytes; "" for a file so large that reading all of it is no small thing."""
    if status.st_size > _DIGESTED:
        return ""
    import blake3

    whole = blake3.blake3()
    offset = 0
    while piece := os.pread(descriptor, _PIECE, offset):
        whole.update(piece)
        offset += len(piece)
    return whole.hexdigest()
