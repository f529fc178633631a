"""MemexFS inside the service: the work, the search and the link to the tree's process, behind one object.

    memex = Memex(home, settings.memex, cortex, pressure=lambda: governor.mode == "active")
    memex.start()

Knows neither mounts nor HTTP. Invariant: everything it keeps beside the store can be deleted and comes back;
what it cannot do now it says in `status`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from nexus.core.errors import NotFoundError
from nexus.core.paths import Home
from nexus.cortex.cortex import Cortex
from nexus.memexfs.content import Content
from nexus.memexfs.extract import extract
from nexus.memexfs.finding import Found
from nexus.memexfs.ignored import ignored
from nexus.memexfs.indexing import Indexing
from nexus.memexfs.link import SOCKET
from nexus.memexfs.link_server import LinkServer
from nexus.memexfs.objects import Objects
from nexus.memexfs.opening import Opener, Sealed
from nexus.memexfs.pipeline import Pipeline
from nexus.memexfs.provider import Provider
from nexus.memexfs.query import Search
from nexus.memexfs.shard import EdgeFiles, ExactFiles, FileVectors
from nexus.memexfs.space import Blocks, Space
from nexus.memexfs.store import FileRow, Store

_PAGE = 1000


class MemexSettings(Protocol):
    """What is asked of the section `[memex]`. `provider_url` empty: the local model."""

    @property
    def provider_url(self) -> str:
        """An OpenAI-compatible server for vectors; empty for the local model."""

    @property
    def provider_model(self) -> str:
        """Its model."""

    @property
    def provider_key(self) -> str:
        """What it wants to be sent; may be empty."""


class Memex:
    """A `Finder`, and what keeps it true. Any thread may call."""

    def __init__(
        self,
        home: Home,
        settings: MemexSettings,
        cortex: Cortex,
        *,
        store: Store | None = None,
        sealed: Sealed | None = None,
        ignored: Callable[[bytes], bool] = ignored,
        pressure: Callable[[], bool] = lambda: False,
    ) -> None:
        """`store` is opened here where none is given. Raises `StorageError`, `AlreadyRunningError`,
        `InvalidInputError` for a provider's address that is none."""
        self._folder = home.root / "memex"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tree = self._folder / "tree"
        self._tree.mkdir(mode=0o700, exist_ok=True)
        self._owned = store is None
        self.store = store or Store(self._folder)
        self._texts = cortex.texts
        space: Space = Blocks(self._texts.embedder)
        if settings.provider_url:
            space = Provider(settings.provider_url, settings.provider_model, settings.provider_key)
        self._space = space
        self._vectors = self._opened(cortex.settings.index == "exact")
        self._objects = Objects(self._folder / "objects")
        opener = Opener(self._tree, self.store.sources, sealed or Content(self._objects))
        indexing = Indexing(self.store, self._texts, space, self._vectors, opener, extract, ignored)
        self._search = Search(self.store, self._texts, space, self._vectors)
        self._link = LinkServer(home.run / SOCKET, self)
        self.pipeline = Pipeline(
            self.store,
            self._texts,
            self._vectors,
            indexing,
            changed=self._link.changed,
            pressure=pressure,
        )

    def start(self) -> None:
        """Answer the tree and begin to index. Raises `StorageError` where the socket cannot be made."""
        self._link.start()
        self.pipeline.start()

    def stop(self) -> None:
        """End after the file that is being read, and let go of all files. Calling it twice is harmless."""
        self.pipeline.stop()
        self._link.stop()
        self._vectors.close()
        self._objects.close()
        if self._owned:
            self.store.close()

    def pause(self) -> None:
        """Index nothing until `resume`; what is found is found as before."""
        self.pipeline.pause()

    def resume(self) -> None:
        """Read on after `pause`."""
        self.pipeline.resume()

    def give_back(self) -> None:
        """Give back memory that only mirrors files. Raises `MissingPartError` where that cannot be."""
        self._vectors.release()

    def search(
        self, text: str, limit: int = 50, *, under: bytes = b"", weights: Mapping[str, float] | None = None
    ) -> list[Found]:
        """See `Search.search`."""
        return self._search.search(text, limit, under=under, weights=weights)

    def similar(self, path: bytes, limit: int = 50) -> list[Found]:
        """See `Search.similar`."""
        return self._search.similar(path, limit)

    def tag(self, path: bytes, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
        """Change the tags of a file and return them. Raises `NotFoundError`, `InvalidInputError`."""
        row = self._known(path)
        if add:
            self.store.tag(row.id, *add)
        if remove:
            self.store.untag(row.id, *remove)
        self.retagged(path)
        return self.store.tags_of(row.id)

    def retagged(self, path: bytes) -> None:
        """The tags of this file have changed: its vector is made anew soon. Returns at once."""
        if self.store.file(path) is not None:
            self.store.enqueue([path], time.time_ns())
            self.pipeline.wake()

    def reindex(self, under: bytes = b"") -> int:
        """Read all files at and below `under` again, also those that were set aside. Returns how many.

        What is stored for them goes first, so that nothing is taken for known. Raises `NotFoundError`.
        """
        count, after = 0, b""
        while rows := self.store.files(under, after, _PAGE):
            after = rows[-1].path
            self._vectors.delete([row.id for row in rows])
            self.store.enqueue([row.path for row in rows], time.time_ns())
            count += len(rows)
        if under and not count:
            self._known(under)
        self.pipeline.wake()
        return count

    def status(self) -> dict[str, Any]:
        """For JSON. `files` by state; `work` as `Pipeline.status`; `search` "" or why words alone answer."""
        return {
            "files": dict(self.store.count()),
            "vectors": self._vectors.count(),
            "space": self._space.id,
            "work": self.pipeline.status(),
            "search": self._search.problem,
            "rebuilt": self.store.rebuilt,
        }

    def _opened(self, exact: bool) -> FileVectors:
        if exact:
            return ExactFiles(self._space.dimensions)
        # Ids of files mean something in one database only; what is cut otherwise is read again.
        model = f"{self._space.id}/{self._texts.recipe}/{self.store.identity}"
        return EdgeFiles(self._folder / "vectors" / self._space.id, model, self._space.dimensions)

    def _known(self, path: bytes) -> FileRow:
        row = self.store.file(path)
        if row is None:
            shown = path.decode("utf-8", "backslashreplace")
            raise NotFoundError(f"no file {shown} is known", hint="see `nexus memex status`")
        return row
