"""An initramfs: a cpio archive (the "newc" format) of files, programs and folders, in memory, gzipped at the end.

Knows the format alone. Invariant: every folder of a path comes before what lies in it; all belongs to root.
"""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

FOLDER = 0o040755
FILE = 0o100000
LINK = 0o120777
NODE = 0o020600


class Initramfs:
    """What the guest's root will hold."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._known: set[str] = set()

    def folder(self, path: str) -> None:
        """A folder, with those above it."""
        if path in ("", ".", "/") or path in self._known:
            return
        self.folder(str(PurePosixPath(path).parent))
        self._known.add(path)
        self._add(path, FOLDER, b"")

    def file(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        """A file of these bytes."""
        self.folder(str(PurePosixPath(path).parent))
        self._add(path, FILE | mode, data.encode() if isinstance(data, str) else data)

    def program(self, path: str, source: Path) -> None:
        """A copy of a program of this machine, which should be static."""
        self.file(path, source.read_bytes(), 0o755)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.folder(str(PurePosixPath(path).parent))
        self._add(path, LINK, target.encode())

    def console(self) -> None:
        """/dev/console, without which the kernel gives /init no output."""
        self.folder("dev")
        self._add("dev/console", NODE, b"", device=(5, 1))

    def archive(self) -> bytes:
        """The whole, as the kernel takes it."""
        parts = [*self._parts, self._entry("TRAILER!!!", 0, b"", (0, 0), 0)]
        return gzip.compress(b"".join(parts), compresslevel=1, mtime=0)

    def _add(self, path: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self._parts.append(self._entry(path.lstrip("/"), mode, data, device, len(self._parts) + 1))

    @staticmethod
    def _entry(path: str, mode: int, data: bytes, device: tuple[int, int], inode: int) -> bytes:
        name = path.encode() + b"\0"
        links = 2 if mode == FOLDER else 1
        fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
