"""Contents that do not change any more, one file each, named by what is in them.

`objects/ab/cdef...` is the content itself, with `.zst` behind it a zstd frame of it; the name is the BLAKE3
of the content in hexadecimal either way. Knows nothing of who needs which.

Invariants: a file under such a name is whole, whatever is killed or cut off; the same content is stored once;
what is let go lies in `objects/trash/` for a week, where it is still found.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nexus.core.atomic import sync_folder, temporary_for
from nexus.core.errors import StorageError

_PIECE = 2**20
_SAMPLE = 2**16
_LEAST = 512  # bytes: below, a frame's own bytes weigh too much
_NAME = re.compile(r"([0-9a-f]{62})(\.zst)?")
TRASH_SECONDS = 7 * 86400.0


class Sealed(NamedTuple):
    """A stored content. `form` is "raw" or "zstd", `size` that of the content."""

    digest: str
    form: str
    size: int


class ChangedError(StorageError):
    """The file changed while it was read, so nothing was stored."""

    code = "changed"


class Objects:
    """The folder. Threads and processes may use one at once."""

    def __init__(self, folder: Path, *, cache_bytes: int = 256 * 2**20) -> None:
        self._folder, self._most = folder, cache_bytes
        self._unpacked: OrderedDict[str, tuple[int, int]] = OrderedDict()  # digest: descriptor, bytes
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give back the disk that unpacked contents take."""
        with self._lock:
            for descriptor, _ in self._unpacked.values():
                os.close(descriptor)
            self._unpacked.clear()

    def put(self, source: int) -> Sealed:
        """Store what the open file `source` holds; on the disk when it returns.

        Raises `ChangedError` when it changes meanwhile, `StorageError` when it cannot be written.
        """
        digest, size = _digest(source)
        form = self.form(digest)
        if form:
            self._touch(digest, form)
            return Sealed(digest, form, size)
        path = self._path(digest, "raw")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            pays = size >= _LEAST and _pays(source, size)
            if pays:
                temporary = self._write(source, size, digest, path, packed=True)
                if temporary.stat().st_size > 0.9 * size:
                    temporary.unlink()
                    pays = False
            if not pays:
                temporary = self._write(source, size, digest, path, packed=False)
            form = "zstd" if pays else "raw"
            os.replace(temporary, self._path(digest, form))
            sync_folder(path.parent)
            return Sealed(digest, form, size)
        except OSError as error:
            raise StorageError.from_os(error, path) from error

    def form(self, digest: str) -> str:
        """In which form this content is stored, "" when it is not. One in the trash is taken out of it."""
        for form in ("raw", "zstd"):
            path, trash = self._path(digest, form), self._trash(digest, form)
            if path.exists():
                return form
            with suppress(OSError):
                os.replace(trash, path)
                return form
        return ""

    def open(self, digest: str, form: str) -> int:
        """A descriptor to read the content by offset; whoever asked closes it.

        Raises `OSError`: ENOENT where it is not stored, EIO where what is stored is not it.
        """
        form = self.form(digest) or form
        if form == "raw":
            return os.open(self._path(digest, form), os.O_RDONLY | os.O_CLOEXEC)
        with self._lock:
            if digest in self._unpacked:
                self._unpacked.move_to_end(digest)
                return os.dup(self._unpacked[digest][0])
        descriptor, size = self._unpack(digest)
        with self._lock:
            if digest not in self._unpacked and size <= self._most:
                self._unpacked[digest] = (os.dup(descriptor), size)
                while sum(bytes_ for _, bytes_ in self._unpacked.values()) > self._most:
                    os.close(self._unpacked.popitem(last=False)[1][0])
        return descriptor

    def verify(self, digest: str, form: str) -> str:
        """What is wrong with a stored content, "" when it is whole."""
        try:
            if form == "zstd":
                os.close(self._unpack(digest)[0])
                return ""
            descriptor = os.open(self._path(digest, form), os.O_RDONLY | os.O_CLOEXEC)
            try:
                found, _ = _digest(descriptor)
            finally:
                os.close(descriptor)
            return "" if found == digest else f"its content is that of {found}"
        except OSError as error:
            return error.strerror or str(error)

    def __iter__(self) -> Iterator[Sealed]:
        """What is stored, in the order of the names; `size` is that of the stored file."""
        for first in sorted(self._shards()):
            for path in sorted((self._folder / first).iterdir()):
                match = _NAME.fullmatch(path.name)
                if match:
                    with suppress(FileNotFoundError):
                        size = path.stat().st_size
                        yield Sealed(first + match[1], "zstd" if match[2] else "raw", size)

    def discard(self, sealed: Sealed, before: float) -> bool:
        """Put a content that nothing needs into the trash, unless it was stored (again) since `before`, a
        time in seconds. Returns whether it went."""
        path, trash = self._path(sealed.digest, sealed.form), self._trash(sealed.digest, sealed.form)
        try:
            if path.stat().st_mtime >= before:
                return False
            trash.parent.mkdir(mode=0o700, exist_ok=True)
            os.replace(path, trash)
            os.utime(trash)
            return True
        except OSError:
            return False

    def trashed(self) -> Iterator[str]:
        """Digests of what lies in the trash."""
        with suppress(FileNotFoundError):
            for path in sorted((self._folder / "trash").iterdir()):
                if _NAME.fullmatch(path.name[2:]):
                    yield path.name[:64]

    def empty_trash(self, now: float) -> int:
        """Delete what has been there for a week. Returns the bytes that gave."""
        given = 0
        with suppress(FileNotFoundError):
            for path in (self._folder / "trash").iterdir():
                with suppress(FileNotFoundError):
                    status = path.stat()
                    if status.st_mtime + TRASH_SECONDS < now:
                        path.unlink()
                        given += status.st_blocks * 512
        return given

    def sweep(self, before: float) -> int:
        """Remove what killed writers left before then (seconds). Returns how many files."""
        gone = 0
        for first in self._shards():
            for path in (self._folder / first).iterdir():
                with suppress(FileNotFoundError):
                    if path.name.endswith(".tmp") and path.stat().st_mtime < before:
                        path.unlink()
                        gone += 1
        return gone

    # ---- the parts of it

    def _shards(self) -> list[str]:
        with suppress(FileNotFoundError):
            names = [path.name for path in self._folder.iterdir()]
            return [name for name in names if re.fullmatch("[0-9a-f]{2}", name)]
        return []

    def _path(self, digest: str, form: str) -> Path:
        return self._folder / digest[:2] / (digest[2:] + (".zst" if form == "zstd" else ""))

    def _trash(self, digest: str, form: str) -> Path:
        return self._folder / "trash" / (digest + (".zst" if form == "zstd" else ""))

    def _touch(self, digest: str, form: str) -> None:
        """So that who lets go of what nobody needed a moment ago sees that somebody does."""
        with suppress(OSError):
            os.utime(self._path(digest, form))

    def _write(self, source: int, size: int, digest: str, path: Path, *, packed: bool) -> Path:
        """A temporary file beside `path` with the content, on the disk."""
        import zstandard
        from blake3 import blake3

        temporary = temporary_for(path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        try:
            with os.fdopen(descriptor, "wb") as file:
                hasher = blake3()
                packer = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj(size=size)
                for piece in _pieces(source):
                    hasher.update(piece)
                    file.write(packer.compress(piece) if packed else piece)
                if hasher.hexdigest() != digest:
                    raise ChangedError(f"a file changed while it was stored as {digest[:12]}")
                if packed:
                    file.write(packer.flush())
                file.flush()
                os.fsync(file.fileno())
        except zstandard.ZstdError as error:  # it became longer than was said at first
            temporary.unlink(missing_ok=True)
            raise ChangedError(f"a file changed while it was stored as {digest[:12]}") from error
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def _unpack(self, digest: str) -> tuple[int, int]:
        """A file without a name that holds the content of a frame, and its size."""
        import zstandard
        from blake3 import blake3

        damaged = OSError(5, f"object {digest} is damaged", str(self._path(digest, "zstd")))
        target = _nameless(self._folder)
        try:
            with open(self._path(digest, "zstd"), "rb") as file:
                hasher = blake3()
                size = 0
                try:
                    reader = zstandard.ZstdDecompressor().stream_reader(file)
                    while piece := reader.read(_PIECE):
                        hasher.update(piece)
                        size += len(piece)
                        left = memoryview(piece)
                        while left:
                            left = left[os.write(target, left) :]
                except zstandard.ZstdError as error:
                    raise damaged from error
            if hasher.hexdigest() != digest:
                raise damaged
            return target, size
        except BaseException:
            os.close(target)
            raise


def _pieces(source: int) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(source, _PIECE, at):
        yield piece
        at += len(piece)


def _digest(source: int) -> tuple[str, int]:
    from blake3 import blake3

    hasher = blake3()
    size = 0
    for piece in _pieces(source):
        hasher.update(piece)
        size += len(piece)
    return hasher.hexdigest(), size


def _pays(source: int, size: int) -> bool:
    """Whether pieces from its beginning, middle and end become a tenth smaller."""
    import zstandard

    pieces = [os.pread(source, _SAMPLE, at) for at in sorted({0, size // 2, max(0, size - _SAMPLE)})]
    packer = zstandard.ZstdCompressor(level=1)
    return sum(len(packer.compress(piece)) for piece in pieces) <= 0.9 * sum(map(len, pieces))


def _nameless(folder: Path) -> int:
    """A file that is nowhere, on the same disk."""
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError:
        path = temporary_for(folder / "unpacked")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        path.unlink()
        return descriptor
