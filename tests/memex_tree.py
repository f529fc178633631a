"""A tree that tells a history what happens in it, as `nexus.memexfs.real` does: for tests without a mount."""

from __future__ import annotations

import os
from pathlib import Path

from nexus.memexfs.content import Content
from nexus.memexfs.fsck import check
from nexus.memexfs.objects import Objects
from nexus.memexfs.reconcile import reconcile
from nexus.memexfs.recorder import History
from nexus.memexfs.recording import Cause
from nexus.memexfs.store import Store
from nexus.memexfs.store_versions import Version


class Tree:
    """NEXUS_HOME/memex with everything that keeps its history."""

    def __init__(self, home: Path, held: int = 100_000) -> None:
        self.home, self.folder, self.root = home, home / "memex", home / "memex" / "tree"
        self.root.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.folder)
        self.objects = Objects(self.folder / "objects")
        self.content = Content(self.objects)
        self.history = History(
            self.folder,
            self.store,
            self.objects,
            files=self.content.opened,
            reconcile=lambda under: reconcile(self.store, self.root, {}, self.content, under),
            held=held,
        )

    def start(self) -> None:
        self.history.start()

    def stop(self) -> None:
        self.history.stop()
        self.store.close()
        self.objects.close()

    def real(self, path: bytes) -> Path:
        return self.root / os.fsdecode(path)

    def write(self, path: bytes, data: bytes) -> None:
        """open(O_CREAT | O_TRUNC), write, close."""
        self.real(path).parent.mkdir(parents=True, exist_ok=True)
        if self.real(path).exists():
            self._losing(path, "truncated")
            with self.real(path).open("r+b") as opened:
                self.content.writing(opened.fileno(), emptied=True)
        self.real(path).write_bytes(data)
        self.history.written(path)

    def rename(self, old: bytes, new: bytes) -> None:
        replaced, folder = self.real(new).exists(), self.real(old).is_dir()
        if replaced and not folder:
            self._losing(new, "replaced")
        os.replace(self.real(old), self.real(new))
        self.history.renamed(old, new, folder=folder, replaced=replaced)

    def remove(self, path: bytes) -> None:
        self._losing(path, "removed")
        self.real(path).unlink()
        self.history.removed(path, folder=False)

    def rmdir(self, path: bytes) -> None:
        self.real(path).rmdir()
        self.history.removed(path, folder=True)

    def next_burst(self) -> None:
        """As if ten seconds had passed."""
        self.history.keeper._last.clear()

    def text(self, version: Version) -> bytes:
        fd = self.objects.open(version.digest, version.form)
        try:
            return os.pread(fd, 2**24, 0)
        finally:
            os.close(fd)

    def read(self, path: bytes) -> bytes:
        """What a program reads: the object where the file is sealed."""
        with self.real(path).open("rb") as opened:
            other = self.content.reading(opened.fileno())
            if other is None:
                return opened.read()
            try:
                return os.pread(other, 2**24, 0)
            finally:
                os.close(other)

    def assert_sound(self) -> None:
        report = check(self.home)
        assert report.problems == []
        assert report.notes == [], report.notes

    def _losing(self, path: bytes, cause: Cause) -> None:
        folder = os.open(self.real(path).parent, os.O_RDONLY)
        try:
            self.history.losing(path, folder, os.fsencode(self.real(path).name), cause)
        finally:
            os.close(folder)
