"""MemexFS in the service: index and search, the folders in place that are followed, the mount at the start.

Composes `nexus.memexfs.memex.Memex`; the mount itself is served by processes of its own, which outlive this
one. Knows no HTTP. Invariants: a part of it that fails says why in `as_dict` and keeps nothing else from
starting; what it does not do while memory is short or somebody is being served, it does later.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from nexus.core.config import Config
from nexus.core.errors import AlreadyRunningError, BusyError, MissingPartError, NexusError, StorageError
from nexus.cortex.cortex import Cortex
from nexus.memexfs import naming
from nexus.memexfs.content import Content
from nexus.memexfs.desk import Desk, printable
from nexus.memexfs.finding import Found
from nexus.memexfs.ignored import ignored
from nexus.memexfs.launch import serving
from nexus.memexfs.memex import Memex
from nexus.memexfs.mounting import mount
from nexus.memexfs.objects import Objects
from nexus.memexfs.reconcile import reconcile
from nexus.memexfs.store import Store
from nexus.service.exposition import Family, by_label, counter, gauge
from nexus.service.outside import is_confined, start_outside
from nexus.service.watch import Watcher

_log = logging.getLogger(__name__)
State = Literal["off", "starting", "ready", "failed", "stopped"]


class MemexRoom:
    """The part of the daemon that has files. Any thread may call."""

    def __init__(self, config: Config, pressure: Callable[[], bool]) -> None:
        """`pressure` says whether indexing should rest for the sake of something else."""
        self._config, self._pressure = config, pressure
        self.state: State = "starting" if config.settings.memex.enabled else "off"
        self.problem = ""
        """Why it failed, or what of it does not work."""
        self._failure: NexusError | None = None
        self._memex: Memex | None = None
        self._desk: Desk | None = None
        self._objects = Objects(config.home.memex / "objects")
        self._watcher = Watcher(self._followed, self._refresh)
        self._mounting: threading.Thread | None = None

    def start(self, cortex: Cortex) -> None:
        """Open the index over `cortex` and begin; a failure is kept and told."""
        if self.state != "starting":
            return
        try:
            store = Store(self._folder())
            self._desk = Desk(self._config.home.root, store)
            self._memex = Memex(
                self._config.home,
                self._config.settings.memex,
                cortex,
                store=store,
                sealed=Content(self._objects),
                ignored=ignored,
                pressure=self._pressure,
            )
            self._memex.start()
        except NexusError as error:
            _log.error("files are not found by meaning: %s", error)
            self._failed(error)
            return
        except Exception as error:
            _log.exception("files are not found by meaning")
            self._failed(NexusError(f"MemexFS cannot be opened: {error!r}"))
            return
        cortex.whereabouts = self
        self.state = "ready"
        self._watcher.start(refresh=True)
        if self._config.settings.memex.mount:
            self._mounting = threading.Thread(target=self._mount, name="nexus-mount", daemon=True)
            self._mounting.start()

    def give_back(self) -> None:
        """Return memory that only mirrors files. Raises `MissingPartError` where the system cannot."""
        if self._memex is not None:
            self._memex.give_back()

    def stop(self) -> None:
        """End; a mount goes on without. Calling it twice is harmless."""
        if self.state in ("ready", "failed"):
            self._watcher.stop()
            if self._memex is not None:
                self._memex.stop()
            if self._desk is not None:
                self._desk.store.close()
            self._objects.close()
            self.state = "stopped"

    @property
    def memex(self) -> Memex:
        """Raises `BusyError` while it starts, `MissingPartError` where it is switched off, its failure."""
        if self._memex is None or self.state != "ready":
            raise self._reason()
        return self._memex

    @property
    def desk(self) -> Desk:
        """Raises as `memex`."""
        if self._desk is None or self.state != "ready":
            raise self._reason()
        return self._desk

    def results(self, found: Sequence[Found]) -> list[dict[str, Any]]:
        """What was found with what is known of it, for JSON. Files that are gone since are left out."""
        desk = self.desk
        rows = [(one, desk.store.file(one.path)) for one in found]
        return [
            {
                **desk.shown(row),
                "score": round(one.score, 4),
                "parts": dict(one.parts),
                "passage": one.passage,
            }
            for one, row in rows
            if row is not None
        ]

    def tag(self, path: bytes, add: Sequence[str], remove: Sequence[str]) -> list[str]:
        """Change the tags of a file and return them. Raises `NotFoundError`, `InvalidInputError`."""
        memex, row = self.memex, self.desk.row(path)
        return memex.tag(row.path, add, remove)

    def changed(self) -> None:
        """The folders in place are others now."""
        self._watcher.again()

    # where agents open what they are shown: `nexus.cortex.texts.Whereabouts`

    def opened(self, path: str) -> str:
        """The place on the disk of a document of ours; the document's own path where there is none now."""
        held = naming.file(path)
        if held is None or self._desk is None:
            return path
        try:
            return printable(self._desk.place(held)) or path
        except NexusError:
            return path

    def named(self, place: str) -> str:
        """The document's path of a place on the disk; the place itself where it is none of ours."""
        held = self._desk.named(place) if self._desk is not None else None
        return place if held is None else naming.document(held)

    # what is told

    def as_dict(self) -> dict[str, Any]:
        """The section of `/api/status`. Never fails."""
        said: dict[str, Any] = {"state": self.state, "problem": self.problem, "mount": None}
        if self._memex is None or self._desk is None or self.state != "ready":
            return said
        try:
            mount = self._desk.mounted()
            sources = self._desk.store.sources()
            return {
                **said,
                **self._memex.status(),
                "problem": self.problem or self._watcher.problem,
                "mount": None
                if mount is None
                else {
                    "point": printable(str(mount.point)),
                    "pid": mount.pid,
                    "worker": mount.worker,
                    "since": mount.since,
                    "restarts": mount.restarts,
                },
                "sources": {name: printable(str(path)) for name, path in sources.items()},
                "tags": len(self._desk.store.tags()),
            }
        except NexusError as error:
            return {**said, "problem": str(error)}

    def issues(self) -> list[str]:
        """What a user should know."""
        told = [f"MemexFS: {self.problem}"] if self.problem else []
        if self._memex is not None and self.state == "ready":
            try:
                rebuilt = self._memex.status()["rebuilt"]
            except NexusError as error:
                return [*told, f"MemexFS: {error}"]
            told += [f"MemexFS: its database was made anew: {rebuilt}"] if rebuilt else []
        return told

    def families(self) -> Iterator[Family]:
        """For Prometheus."""
        yield gauge("nexus_memex_up", "1 while files are indexed and found.", self.state == "ready")
        said = self.as_dict()
        yield gauge("nexus_memex_mounted", "1 while they are mounted.", said["mount"] is not None)
        if "files" not in said:
            return
        work = said["work"]
        yield by_label("gauge", "nexus_memex_files", "Files by state.", "state", said["files"])
        yield gauge("nexus_memex_waiting", "Files that wait to be read.", work["waiting"])
        yield gauge("nexus_memex_vectors", "Vectors of files.", said["vectors"])
        yield counter("nexus_memex_indexed_total", "Files that were read.", work["indexed"])
        yield counter("nexus_memex_failed_total", "Readings of files that failed.", work["failed"])
        yield gauge("nexus_memex_paused", "1 while indexing is paused.", work["paused"])

    # the parts of it

    def _folder(self) -> Path:
        folder = self._config.home.memex
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, folder) from error
        return folder

    def _failed(self, error: NexusError) -> None:
        self._failure, self.problem, self.state = error, str(error), "failed"
        if self._memex is None and self._desk is not None:
            self._desk.store.close()

    def _reason(self) -> NexusError:
        if self.state == "off":
            return MissingPartError("MemexFS is switched off", hint="set memex.enabled = true")
        return self._failure or BusyError("MemexFS is starting", hint="try again", retry_after=2)

    def _mount(self) -> None:
        home, point = self._config.home.root, Path(self._config.settings.memex.mount).expanduser()
        try:
            if serving(home) is not None:
                return
            if is_confined():
                nexus = (sys.executable, "-P", "-m", "nexus")
                start_outside((*nexus, "mount", str(point)), {"NEXUS_HOME": str(home)})
            else:
                mount(self._config, point)
        except AlreadyRunningError as error:
            _log.info("%s", error)
        except NexusError as error:
            self.problem = f"it is not mounted: {error}"
            _log.warning("MemexFS: %s", self.problem)

    def _followed(self) -> list[str]:
        if self._desk is None or not self._config.settings.cortex.watch:
            return []
        return [str(path) for path in self._desk.store.sources().values()]

    def _refresh(self, root: Path) -> None:
        """Called on the watcher's own thread: comparing walks through names, reading comes later."""
        assert self._desk is not None
        self._watcher.begun(root)
        name = next((n for n, path in self._desk.store.sources().items() if path == root), None)
        if name is not None:
            self.compare(name)

    def compare(self, source: str) -> None:
        """Queue what differs between a folder in place and what is known of it."""
        assert self._desk is not None
        sources = {os.fsencode(name): path for name, path in self._desk.store.sources().items()}
        reconcile(self._desk.store, self._config.home.memex / "tree", sources, None, os.fsencode(source))
        if self._memex is not None:
            self._memex.pipeline.wake()
