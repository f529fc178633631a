"""The work behind MemexFS: takes what waits from the store's queue and makes it found, one after the other.

One thread. Knows neither how a file is read (`nexus.memexfs.indexing`) nor what put it into the queue.
Invariants: nothing leaves the queue before it is done, so a killed process does it again; of a file that
changes meanwhile the newest generation is read; one file that cannot be read keeps no other from being read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nexus.core.errors import (
    BusyError,
    ModelCorruptError,
    ModelMissingError,
    NexusError,
    StorageError,
)
from nexus.cortex.texts import Texts
from nexus.memexfs import naming
from nexus.memexfs.indexing import FIRST, ChangedError, Indexing, digest_of
from nexus.memexfs.provider import ProviderError
from nexus.memexfs.shard import FileVectors
from nexus.memexfs.store import Facts, Pending, Store

_log = logging.getLogger(__name__)
SECOND = 10**9
# How long nothing may wait that is due: the store is asked this often.
_LOOK_SECONDS = 0.5
_TAKEN = 8
# Tried so often, each time four times as long after: 2 s, 8 s, 32 s, 2 min. Then it is set aside with its
# problem until it is changed, or asked for by `reindex`.
_TRIES, _FIRST_RETRY = 5, 2 * SECOND
# While a model or room on the disk is missing nothing is tried: every file would fail alike.
_MISSING_SECONDS = 30.0
# Under pressure the thread rests so many times as long as it has worked.
_RESTS = 4.0
_RENAMED = 64
_PAGE = 2000


@dataclass(slots=True)
class Progress:
    """What this process has done, and is doing. `problem` is why nothing goes on, empty while it does."""

    indexed: int = 0
    forgotten: int = 0
    failed: int = 0
    now: str = ""
    problem: str = ""


class Pipeline:
    """Takes, reads, tells. Started once, stopped once."""

    def __init__(
        self,
        store: Store,
        texts: Texts,
        vectors: FileVectors,
        indexing: Indexing,
        *,
        changed: Callable[[Sequence[bytes]], None] = lambda paths: None,
        pressure: Callable[[], bool] = lambda: False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`changed` is told which files are found differently now; `pressure` says whether somebody is being
        served, so that this should rest. `clock` in ns since 1970."""
        self._store, self._texts, self._vectors, self._indexing = store, texts, vectors, indexing
        self._changed, self._pressure, self._clock = changed, pressure, clock
        self._progress = Progress()
        # Passages of long files that have no vectors yet, and whose they are. What a kill loses of it is made
        # by `Cortex.repair` at the next start.
        self._rest: deque[tuple[bytes, list[str]]] = deque()
        self._wake, self._stop, self._goes = threading.Event(), threading.Event(), threading.Event()
        self._goes.set()
        self._working = threading.Lock()
        self._identity = store.identity
        self._thread = threading.Thread(target=self._run, name="nexus-memex", daemon=True)

    def start(self) -> None:
        """Begin. What the index lacks or has too much of is put right first."""
        self._thread.start()

    def stop(self) -> None:
        """End after the file that is being read. Calling it twice is harmless."""
        self._stop.set()
        self._goes.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def pause(self) -> None:
        """Begin nothing new until `resume`."""
        self._goes.clear()

    def resume(self) -> None:
        """Read on after `pause`."""
        self._goes.set()
        self._wake.set()

    def wake(self) -> None:
        """Something is due now: do not wait to look."""
        self._wake.set()

    @property
    def paused(self) -> bool:
        """Whether it waits."""
        return not self._goes.is_set()

    def status(self) -> dict[str, Any]:
        """For JSON: `Progress`, and `waiting`: what is in the queue; `unembedded`: passages that are found by
        their words so far."""
        told = asdict(self._progress) | {"paused": self.paused}
        unembedded = self._indexing.unembedded + sum(len(points) for _, points in tuple(self._rest))
        return told | {"waiting": self._store.waiting(), "unembedded": unembedded}

    def step(self) -> bool:
        """Do what is due next. False where nothing is. Raises `NexusError` where nothing can be done now."""
        with self._working:
            if self._store.identity != self._identity:
                self._start_over()
            taken = self._store.take(_TAKEN, self._clock())
            for pending in taken:
                if self._stop.is_set() or self.paused:
                    return True
                self._do(pending, words_first=len(taken) > 1)
            if taken:
                return True
            return self._embed_rest()

    def reconcile(self) -> int:
        """Compare store, vectors and documents, and queue or drop what differs. Returns how much did.

        Reads rows, never files: what has changed on the disk is `nexus.memexfs.reconcile`'s to find.
        """
        with self._working:
            return self._reconcile()

    def _reconcile(self) -> int:
        stamps = dict(self._vectors.held())
        documents = set(self._texts.paths(naming.SCHEME))
        again: list[bytes] = []
        after = b""
        while rows := self._store.files(after=after, limit=_PAGE):
            after = rows[-1].path
            for row in rows:
                stamp = stamps.pop(row.id, None)
                documents.discard(naming.document(row.path))
                if row.state == "indexed" and (stamp is None or digest_of(stamp) != row.digest):
                    again.append(row.path)
        self._vectors.delete(list(stamps))
        for document in documents:
            self._indexing.drop(document)
        if again:
            self._store.enqueue(again, self._clock())
        return len(again) + len(stamps) + len(documents)

    def _start_over(self) -> None:
        """The database was made anew while this ran: ids of files mean something else."""
        self._identity = self._store.identity
        self._vectors.delete([file for file, _ in self._vectors.held()])
        self._reconcile()

    # ---- the thread

    def _run(self) -> None:
        ready = False
        while not self._stop.is_set():
            self._goes.wait()
            began = time.monotonic()
            worked, wait = False, _LOOK_SECONDS
            try:
                if not ready:
                    self.reconcile()
                    ready = True
                worked = self.step()
                self._progress.problem = ""
            except NexusError as error:
                if self._progress.problem != str(error):
                    _log.warning("files are not indexed: %s", error)
                self._progress.problem, wait = str(error), _MISSING_SECONDS
            except Exception as error:
                # A fault of ours must not end the work for good, nor turn in circles.
                _log.exception("files are not indexed")
                self._progress.problem, wait = f"{type(error).__name__}: {error}", _MISSING_SECONDS
            self._progress.now = ""
            if worked and self._pressure():
                self._stop.wait(min(_MISSING_SECONDS, _RESTS * (time.monotonic() - began)))
            elif not worked:
                self._wake.wait(wait)
                self._wake.clear()

    def _do(self, pending: Pending, words_first: bool) -> None:
        self._progress.now = pending.path.decode("utf-8", "backslashreplace")
        try:
            if pending.task == "index":
                told, whole = self._index(pending, words_first)
            else:
                told, whole = self._chore(pending), True
        except ChangedError:
            # Somebody is writing to it; whoever closes it queues it anew.
            after = _FIRST_RETRY * 4 ** min(pending.tries, _TRIES)
            self._store.retry(pending, self._clock() + after, "it changes while it is read")
            return
        except (ModelMissingError, ModelCorruptError, StorageError, BusyError, ProviderError):
            raise  # not this file's fault: every other would fail alike
        except Exception as error:  # whatever a file does to a reader must not stop the others
            self._failed(pending, error)
            return
        if whole:
            self._store.done(pending)
        else:  # behind all others, so that their words are found before any model reads
            self._store.put_off(pending, self._clock())
        self._changed(told)

    def _index(self, pending: Pending, words_first: bool) -> tuple[list[bytes], bool]:
        """The file, and whether nothing of it is left to do at once."""
        found = self._indexing.index(pending.path, words_first)
        if found.rest:
            self._rest.append((pending.path, list(found.rest)))
        if found.state == "gone":
            self._progress.forgotten += 1
        elif found.state != "waiting":
            self._progress.indexed += 1
        return [pending.path], found.state != "waiting"

    def _chore(self, pending: Pending) -> list[bytes]:
        if pending.task == "move":
            return self._move(pending)
        documents = self._texts.paths(naming.document(pending.path)) if pending.folder else []
        for document in documents:
            path = naming.file(document)
            # The folder may be there again, with files of its own.
            if path is not None and self._store.file(path) is None:
                self._indexing.drop(document)
                self._progress.forgotten += 1
        if not pending.folder:
            self._forget(pending)
        elif self._vectors.count() > sum(self._store.count().values()):
            self._drop_unknown()
        return [pending.path]

    def _forget(self, pending: Pending) -> None:
        here = self._store.file(pending.path)
        if here is None:
            self._indexing.drop(naming.document(pending.path))
        if here is None or here.id != pending.file:
            self._vectors.delete([pending.file])
        self._progress.forgotten += 1

    def _drop_unknown(self) -> None:
        """Vectors of files that the store does not know."""
        held = [file for file, _ in self._vectors.held()]
        for start in range(0, len(held), _PAGE):
            part = held[start : start + _PAGE]
            known = {row.id for row in self._store.by_ids(part)}
            self._vectors.delete([file for file in part if file not in known])

    def _move(self, pending: Pending) -> list[bytes]:
        if not pending.folder:
            if self._store.file(pending.old) is None:
                self._indexing.move(pending.old, pending.path, pending.file)
            return [pending.old, pending.path]
        prefix = pending.path + b"/"
        for document in self._texts.paths(naming.document(pending.old)):
            old = naming.file(document)
            if old is None or self._store.file(old) is not None:
                continue  # something is there again: it has passages of its own
            new = prefix + old[len(pending.old) + 1 :]
            self._indexing.move_text(document, naming.document(new))
        after = b""
        while rows := self._store.files(pending.path, after, _RENAMED):
            after = rows[-1].path
            self._indexing.rename([(row.id, row.path) for row in rows])
        return [pending.old, pending.path]

    def _failed(self, pending: Pending, error: Exception) -> None:
        problem = (
            str(error) if isinstance(error, NexusError | OSError) else f"{type(error).__name__}: {error}"
        )
        _log.info("%s could not be indexed: %s", self._progress.now, problem)
        self._progress.failed += 1
        if pending.tries + 1 < _TRIES:
            self._store.retry(pending, self._clock() + _FIRST_RETRY * 4**pending.tries, problem)
            return
        if pending.task == "index":
            row = self._store.file(pending.path)
            self._indexing.forget(pending.path, pending.file)
            kind = row.kind if row else ""
            self._store.described(pending.path, Facts(kind, state="unreadable", problem=problem))
        self._store.done(pending)

    def _embed_rest(self) -> bool:
        """Vectors for the next passages of a long file, and when they are the last, the file's own anew."""
        if not self._rest:
            return False
        path, points = self._rest[0]
        self._texts.embed(points[:FIRST])
        del points[:FIRST]
        if not points:
            self._rest.popleft()
            if self._store.file(path) is not None:
                self._indexing.vector(path)
                self._changed([path])
        return True
