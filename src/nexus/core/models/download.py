"""One URL into one file, resumable.

What has arrived lies in `NAME.part`, beside it `NAME.part.json` says what it is a part of; both
survive kill -9. A part is continued only when the server confirms that it is still the same file;
otherwise it is fetched from zero. Invariant: `target` itself appears complete, checked and at once.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nexus.core import atomic
from nexus.core.errors import StorageError
from nexus.core.models.digest import Digest, digest_of
from nexus.core.models.request import Response, StatusError, UnreachableError, check, host, open_url, shown
from nexus.core.models.sources import SourceError

Progress = Callable[[int, int | None], None]
_BLOCK = 1 << 18
# After this much progress a broken connection counts as a new misfortune, not as the same one.
_STEP = 1 << 20
_MARGIN = 32 << 20


class DigestError(SourceError):
    """The bytes that arrived are not the promised ones."""


class _BrokenError(Exception):
    """The transfer stopped; continuing may help."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """How patient to be: `retries` after a broken transfer, `pause` seconds before the first."""

    retries: int = 3
    pause: float = 0.5

    def fetch(
        self,
        url: str,
        target: Path,
        *,
        sizes: tuple[int, ...] = (),
        digest: Digest | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Get `url` into `target`, whose folder exists. An existing `target` is complete already.

        `sizes` are the lengths in bytes that are accepted (any, where empty). `progress` is told
        (bytes done, bytes in all or None). Raises `SourceError` when this URL cannot give the file
        (what has arrived is kept), `DigestError` when the bytes are wrong (they are deleted),
        `StorageError` when the disk is full.
        """
        if target.exists():
            return
        try:
            check(url)
        except UnreachableError as error:
            raise SourceError(str(error)) from error
        part = _Part(target)
        failures, start = 0, part.size()
        mark = start
        while True:
            try:
                part.receive(url, sizes, progress)
                break
            except (_BrokenError, StatusError, UnreachableError) as error:
                if isinstance(error, StatusError) and not error.retry:
                    raise SourceError(f"{error} from {shown(url)}") from error
                # A host that never answered is left to the next source at once; one that has sent
                # something in this call is worth waiting for.
                if isinstance(error, UnreachableError) and part.size() <= start:
                    raise SourceError(f"{host(url)}: {error}") from error
                if part.size() >= mark + _STEP:
                    failures, mark = 0, part.size()
                failures += 1
                if failures > self.retries:
                    raise SourceError(f"{error} from {shown(url)}, {failures} times in a row") from error
                time.sleep(self.pause * 2 ** (failures - 1))
        part.finish(digest)


class _Part:
    """The unfinished file of `target` and the note of what it is a part of."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        with suppress(OSError):
            return self.path.stat().st_size
        return 0

    def discard(self) -> None:
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)

    def receive(self, url: str, sizes: tuple[int, ...], progress: Progress | None) -> None:
        """One request; returns when all bytes are there."""
        have, validator = self._resumable(url)
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": validator}
        try:
            response = open_url(url, headers)
        except StatusError as error:
            if error.status == 416:
                self.discard()
                raise _BrokenError("the server has another file than before") from error
            raise
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(_name(error)) from error
        with response:
            if response.status == 206:
                total = _range_total(response, have)
                if total is None:
                    self.discard()
                    raise _BrokenError("the server answered with another range than asked for")
            else:
                have, total = 0, _length(response)
            if total is not None and sizes and total not in sizes:
                raise SourceError(f"{shown(url)} has {total} bytes, not {_either(sizes)}")
            self._write(response, url, have, total, max(sizes, default=None), progress)

    def finish(self, digest: Digest | None) -> None:
        """Check the bytes and give them their name."""
        if digest is not None:
            actual = digest_of(self.path, digest.algorithm)
            if actual != digest.value:
                self.discard()
                raise DigestError(
                    f"{self.target.name} has {digest.algorithm} {actual}, "
                    f"the registry promised {digest.value}"
                )
        try:
            os.replace(self.path, self.target)
        except OSError as error:
            raise StorageError.from_os(error, self.target) from error
        self.note.unlink(missing_ok=True)

    def _resumable(self, url: str) -> tuple[int, str]:
        """Bytes that may be kept and the validator that proves they belong to the same file.

        Without a validator (neither a strong ETag nor Last-Modified) a continuation could mix two
        files, so it starts again.
        """
        try:
            note = json.loads(self.note.read_bytes())
            known, validator = str(note["url"]), str(note["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""
        return (self.size(), validator) if validator and known == shown(url) else (0, "")

    def _write(
        self,
        response: Response,
        url: str,
        have: int,
        total: int | None,
        limit: int | None,
        progress: Progress | None,
    ) -> None:
        if total is not None:
            require_space(self.path.parent, total - have)
        try:
            if not have:
                self.path.unlink(missing_ok=True)
                note = {"url": shown(url), "validator": _validator(response)}
                atomic.write_text(self.note, json.dumps(note))
            file = self.path.open("ab")
        except OSError as error:
            raise StorageError.from_os(error, self.path) from error
        with file:
            while total is None or have < total:
                try:
                    block = response.read(_BLOCK)
                except (OSError, http.client.HTTPException) as error:
                    raise _BrokenError(_name(error)) from error
                if not block:
                    break
                have += len(block)
                if limit is not None and have > limit:
                    self.discard()
                    raise SourceError(f"{shown(url)} sends more than {limit} bytes")
                try:
                    file.write(block)
                except OSError as error:
                    raise StorageError.from_os(error, self.path) from error
                if progress:
                    progress(have, total)
            try:
                file.flush()
            except OSError as error:
                raise StorageError.from_os(error, self.path) from error
        if total is not None and have < total:
            raise _BrokenError(f"the connection ended after {have} of {total} bytes")
        if total is not None and have > total:
            self.discard()
            raise _BrokenError(f"{have} bytes arrived where {total} were announced")


def require_space(folder: Path, size: int) -> None:
    """Raise `StorageError` where `size` bytes more, and a small margin, do not fit."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    if size + _MARGIN > free:
        raise StorageError(
            f"{folder} needs {(size + _MARGIN) / 1e6:,.0f} MB and has {free / 1e6:,.0f} MB free",
            hint="free some space or set models.folder to a larger disk",
        )


def _name(error: Exception) -> str:
    return str(error) or type(error).__name__


def _either(sizes: tuple[int, ...]) -> str:
    return " or ".join(str(size) for size in sizes)


def _length(response: Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _range_total(response: Response, have: int) -> int | None:
    """The full length named by Content-Range, where the answer begins at byte `have`."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", "").strip())
    return int(match[2]) if match and int(match[1]) == have else None


def _validator(response: Response) -> str:
    etag = response.headers.get("etag", "")
    if etag.startswith('"'):
        return etag
    # A date is a weaker proof than a tag, but archives are replaced under a new name, and the
    # hash is checked at the end.
    return response.headers.get("last-modified", "")
