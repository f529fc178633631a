"""The process behind a mount: it puts store, history, real files, views and the kernel's requests together.

    python -m nexus.memexfs.worker        started by `nexus.memexfs.supervisor`, which says what to serve

Knows all parts and does nothing itself. Invariant: it may be killed at any moment; the next one goes on with
the same descriptor, and finds what this one had no time to write down.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from nexus.core.errors import NexusError, StorageError
from nexus.memexfs.agents import Agents, Branches
from nexus.memexfs.collecting import collect
from nexus.memexfs.content import Content
from nexus.memexfs.describer import StoreDescriber
from nexus.memexfs.fuse import serve
from nexus.memexfs.guardian import guard
from nexus.memexfs.inherited import inherited
from nexus.memexfs.link import SOCKET, LinkFinder
from nexus.memexfs.listings import Listings
from nexus.memexfs.news import News
from nexus.memexfs.objects import Objects
from nexus.memexfs.real import Files
from nexus.memexfs.reconcile import reconcile
from nexus.memexfs.recorder import History
from nexus.memexfs.root import Root
from nexus.memexfs.scores import Scores
from nexus.memexfs.sealing import Sealer
from nexus.memexfs.status import Said
from nexus.memexfs.store import Store
from nexus.memexfs.tree import Tree
from nexus.memexfs.virtual import Scene
from nexus.memexfs.words_finder import WordsFinder

_log = logging.getLogger(__name__)
_SOURCES_SECONDS = 2.0  # after which folders in place that were added or dropped are seen
_SETTLE_SECONDS = 0.5  # that a change of tags waits at most for names that were changed before


class Keeping(NamedTuple):
    """What is kept, and how: see the settings `[memex]`."""

    seal_minutes: float = 10.0
    versions_gib: float = 8.0


def command(keeping: Keeping) -> list[str]:
    """How a worker is started that keeps so much."""
    values = (f"--{name.replace('_', '-')}={value}" for name, value in keeping._asdict().items())
    return [sys.executable, "-P", "-m", "nexus.memexfs.worker", *values]


class Worker:
    """The file system of one NEXUS_HOME. Raises `StorageError` where its folder cannot be used.

    `log` is the descriptor that node numbers are kept in for the next worker, `passthrough` whether the
    kernel may read and write files by itself.
    """

    def __init__(
        self,
        home: Path,
        *,
        log: int | None = None,
        passthrough: bool = False,
        keeping: Keeping = Keeping(),  # noqa: B008 (numbers)
    ) -> None:
        folder = home / "memex"
        self._folder, self._top = folder, folder / "tree"
        try:
            for made in (folder, self._top):
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, folder) from error
        self._stop = threading.Event()
        self.store = Store(folder)
        self.objects = Objects(folder / "objects")
        self._content = Content(self.objects)
        self._sources = self._present()
        self.history = History(
            folder,
            self.store,
            self.objects,
            files=self._content.opened,
            sources=self._sources,
            reconcile=self._compare,
            version_bytes=int(keeping.versions_gib * 2**30),
        )
        self._seals = keeping.seal_minutes > 0
        self._sealer = Sealer(
            self._top,
            self._content,
            idle_seconds=60 * keeping.seal_minutes,
            collect=lambda stop: collect(folder, self.store, self.objects, self.history.moved, stop=stop),
        )
        self._socket = home / "run" / SOCKET
        self._link = LinkFinder(self._socket, WordsFinder(self.store))
        listings, scores = Listings(), Scores()
        self._news = News(self._link, listings)
        self.files = Files(
            self._top,
            recorder=self.history,
            describer=StoreDescriber(self.store, scores, self._news.retagged),
            sources=self._sources,
            content=self._content,
            orphans=folder / "orphans",
            passthrough=passthrough,
        )
        self.scene = Scene(
            self.files,
            self.store,
            self._link,
            self.objects,
            listings=listings,
            scores=scores,
            retagged=self._news.retagged,
            settle=self._settle,
        )
        telling = self.scene.telling
        branches = Branches(folder / "branches", self.files, telling.changed, telling.doubt_names)
        root = Root(self.scene, Agents(self.scene, b"agents", branches), self._said())
        self.tree = Tree(root, log_fd=log, orphans=self.files.orphan)
        self.scene.telling.tree = self.tree

    def start(self) -> None:
        """Begin what goes on beside the requests."""
        self.files.orphans.sweep(self.tree.inodes())
        self.history.start()
        if self._seals:
            self._sealer.start()
        self._news.start()
        for name, work in (("memexfs-begin", self._begin), ("memexfs-sources", self._follow)):
            threading.Thread(target=work, name=name, daemon=True).start()

    def stop(self) -> None:
        """Write down what was told, and let go of all files."""
        self._stop.set()
        self._news.stop()
        self._sealer.stop()
        self.history.stop()
        self._link.close()
        self.store.close()
        self.objects.close()

    # what goes on beside the requests

    def _begin(self) -> None:
        """Find what was changed while nobody looked, or what a dead worker had not written down."""
        try:
            found = self._compare(b"")
        except (NexusError, OSError) as error:
            _log.warning("the files are not compared with what is known of them: %s", error)
        else:
            _log.info("compared with what is known: %s", found)
        self.scene.listings.drop(lasting=True)

    def _compare(self, under: bytes) -> object:
        return reconcile(self.store, self._top, self._sources, self._content, under, stop=self._stop)

    def _follow(self) -> None:
        """Show folders in place that were added, and those that were dropped no more."""
        while not self._stop.wait(_SOURCES_SECONDS):
            try:
                wanted = self._present()
                for name in [name for name in self._sources if name not in wanted]:
                    self.files.drop_source(name)
                    del self._sources[name]
                    self.scene.telling.changed(self.files.root, name)
                for name in [name for name in wanted if name not in self._sources]:
                    self.files.add_source(name, wanted[name])
                    self._sources[name] = wanted[name]
                    self.scene.telling.changed(self.files.root, name)
                    self._compare(name)
            except (NexusError, OSError) as error:
                _log.warning("folders in place: %s", error)

    def _present(self) -> dict[bytes, Path]:
        """The folders in place that are there now; one on a disk that is not is shown when it comes."""
        return {os.fsencode(name): path for name, path in self.store.sources().items() if path.is_dir()}

    def _settle(self) -> None:
        """So that tags are given to the file that has the name now, not to the one that had it."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self.history.status()["events"] and time.monotonic() < deadline:
            time.sleep(0.002)

    def _said(self) -> Said:
        """What only this process can say, for `.memex/status`."""
        return {
            "questions": self._answering,
            "history": lambda: (
                "  ".join(
                    f"{name.replace('_', ' ')} {value}"
                    for name, value in self.history.status().items()
                    if value
                )
                or "all written down"
            ),
            "sealed since then": lambda: f"{self._sealer.files} files, {self._sealer.bytes} bytes",
            "folders in place": lambda: ", ".join(sorted(self.store.sources())) or "none",
        }

    def _answering(self) -> str:
        if self._link.problem:
            return f"answered by words alone: {self._link.problem}"
        if not self._socket.exists():
            return "answered by words alone: the service does not run (nexus up)"
        return "answered by meaning and words"


def main(arguments: list[str] | None = None) -> int:
    """Serve what this process inherited until it is unmounted."""
    parser = argparse.ArgumentParser(prog="nexus.memexfs.worker")
    for name, default in Keeping()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    keeping = Keeping(**vars(parser.parse_args(arguments)))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker: %(message)s")
    os.umask(0)  # the tree gives each file the mode that was asked for
    try:
        own = inherited()
        agreed = own.negotiated
        worker = Worker(Path(own.home), log=own.log, passthrough=agreed.passthrough, keeping=keeping)
    except NexusError as error:
        _log.error("%s", error)
        return error.exit_status
    guard(own)
    worker.start()
    serve(
        own.fuse,
        worker.tree,
        resend=own.again,
        passthrough=agreed.passthrough,
        negotiated=agreed,
        open_table=own.table,
    )
    worker.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
