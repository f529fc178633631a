"""Tokens of many documents in one file, read without loading it.

Knows nothing of models. Invariants: a file is complete or not there; one that is truncated, foreign or of
another tokenizer is refused before a token is read.

Layout, little endian: 8 bytes `NXTOKENS`, version u32 = 1, ids of the vocabulary u32, tokens u64,
fingerprint of the tokenizer 16 ASCII digits, SHA-256 of the tokens 32 bytes, the first 8 bytes of the
SHA-256 of all before; then the tokens, u16 each. After each document stands the tokenizer's `end`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nexus.core import atomic
from nexus.training.errors import TokenFileError
from nexus.transformer.tokenizer import Tokenizer

_MAGIC: Final = b"NXTOKENS"
_VERSION: Final = 1
_FIELDS: Final = struct.Struct("<8sIIQ16s32s")
_HEADER: Final = _FIELDS.size + 8
_BLOCK: Final = 1 << 20
SHARD: Final = 16 << 20  # tokens of one file: 32 MiB

Ids = NDArray[np.uint16]


class TokenFile:
    """An open one: `tokens` uint16 [n] lie on the disk until they are looked at."""

    def __init__(self, path: Path, tokenizer: Tokenizer | None = None) -> None:
        """Raises `TokenFileError`, also where the tokens are not those of `tokenizer`."""
        self.path: Final = path
        try:
            size = path.stat().st_size
            with open(path, "rb") as file:
                header = file.read(_HEADER)
        except OSError as error:
            raise _refused(path, f"cannot be read: {error.strerror or error}") from error
        if len(header) < _HEADER or not header.startswith(_MAGIC):
            raise _refused(path, "is no file of tokens")
        _, version, vocabulary, count, fingerprint, digest = _FIELDS.unpack(header[: _FIELDS.size])
        if hashlib.sha256(header[: _FIELDS.size]).digest()[:8] != header[_FIELDS.size :]:
            raise _refused(path, "has a damaged header")
        if version != _VERSION:
            raise _refused(path, f"has version {version}, and {_VERSION} is known")
        if size != _HEADER + 2 * count:
            raise _refused(path, f"has {size} bytes, and {_HEADER + 2 * count} are said")
        self.vocabulary: Final = int(vocabulary)
        self.fingerprint: Final = bytes(fingerprint).decode("ascii", "replace")
        self._digest = bytes(digest)
        if tokenizer is not None and self.fingerprint != tokenizer.fingerprint():
            raise _refused(path, f"is of tokenizer {self.fingerprint}, not {tokenizer.fingerprint()}")
        # An empty file cannot be mapped.
        self.tokens: Ids = (
            np.memmap(path, dtype="<u2", mode="r", offset=_HEADER, shape=(count,))
            if count
            else np.empty(0, dtype=np.uint16)
        )

    def verify(self) -> None:
        """Read all of it and compare. Raises `TokenFileError`."""
        digest = hashlib.sha256()
        for start in range(0, len(self.tokens), _BLOCK):
            block = self.tokens[start : start + _BLOCK]
            if int(block.max()) >= self.vocabulary:
                raise _refused(self.path, f"holds id {int(block.max())} of a vocabulary of {self.vocabulary}")
            digest.update(block.tobytes())
        if digest.digest() != self._digest:
            raise _refused(self.path, "holds other tokens than were written")

    def documents(self) -> Iterator[Ids]:
        """Each document without its `end`; what stands behind the last `end` is one, too."""
        ends = np.flatnonzero(self.tokens == self.vocabulary - 1)
        start = 0
        for end in [*ends.tolist(), len(self.tokens)]:
            if end > start:
                yield self.tokens[start:end]
            start = end + 1


def write(path: Path, parts: Iterable[Ids], tokenizer: Tokenizer) -> int:
    """Make `path` of `parts` in order. Returns the number of tokens. Raises `StorageError`."""
    digest, count = hashlib.sha256(), 0
    with atomic.replacing(path, mode=0o644) as file:
        file.write(bytes(_HEADER))
        for part in parts:
            data = np.ascontiguousarray(part, dtype="<u2").tobytes()
            digest.update(data)
            count += len(part)
            file.write(data)
        fingerprint = tokenizer.fingerprint().encode("ascii")
        header = _FIELDS.pack(_MAGIC, _VERSION, tokenizer.size, count, fingerprint, digest.digest())
        file.seek(0)
        file.write(header + hashlib.sha256(header).digest()[:8])
    return count


def held_out(name: str, share: float) -> bool:
    """Whether the document of this name is for validation: always the same ones, about `share` of all."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]) < share * 2**64


def prepare(
    texts: Iterable[tuple[str, bytes]],
    folder: Path,
    tokenizer: Tokenizer,
    *,
    share: float = 0.01,
    shard: int = SHARD,
) -> dict[str, int]:
    """Named documents to `folder`/train-NNN.tokens and valid-NNN.tokens; a document is never divided.

    A file holds at least one document and, where more, at most `shard` tokens. Returns the tokens of each
    file. Raises `StorageError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting: dict[str, list[Ids]] = {"train": [], "valid": []}
    sizes: dict[str, int] = dict.fromkeys(waiting, 0)
    numbers: dict[str, int] = dict.fromkeys(waiting, 0)
    written: dict[str, int] = {}

    def flush(kind: str) -> None:
        name = f"{kind}-{numbers[kind]:03d}.tokens"
        written[name] = write(folder / name, waiting[kind], tokenizer)
        waiting[kind], sizes[kind], numbers[kind] = [], 0, numbers[kind] + 1

    end = np.array([tokenizer.end], dtype=np.uint16)
    for name, data in texts:
        ids = np.concatenate([tokenizer.encode(data), end])
        kind = "valid" if held_out(name, share) else "train"
        if waiting[kind] and sizes[kind] + len(ids) > shard:
            flush(kind)
        waiting[kind].append(ids)
        sizes[kind] += len(ids)
    for kind in waiting:
        if waiting[kind]:
            flush(kind)
    return written


def _refused(path: Path, why: str) -> TokenFileError:
    return TokenFileError(f"{path} {why}", hint="make it again of the text, with the tokenizer of the model")
