"""Text to token ids and back, and how frequent each id is.

Knows nothing of models. Invariants: `decode_bytes(encode(x))` is x for any bytes, UTF-8 or not; no text can
spell the `end` id, which is the last one; a folder whose files are damaged or do not belong together is
never used.

In a folder: tokenizer.json (of the `tokenizers` library), rank.npy (uint32 [2, ids]: rank by frequency in
the training text, 0 the most frequent; count).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Inner

from nexus.core import atomic
from nexus.transformer.errors import TokenizerFileError, TokensError
from nexus.transformer.tokenizer_training import ASCII_PIECE, PATTERN

SHIPPED: Final = Path(__file__).parent / "data" / "tokenizer"
_JSON: Final = "tokenizer.json"
_RANK: Final = "rank.npy"
_COMMON_MASS: Final = 0.8
_BLOCK: Final = 1 << 20  # characters encoded at once: bounds memory
_MIXED: Final = 1 << 11  # the same in a text that is not all ASCII: what is, goes the fast way
_KNOWN: Final = 1 << 18  # pieces whose ids are kept
_LARGEST: Final = 64 << 20  # bytes of a file that may be a tokenizer

# How the library writes each byte: printable characters as themselves, the others from U+0100 on.
_ITSELF: Final = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHER: Final = [value for value in range(256) if value not in _ITSELF]
_WRITTEN: Final = [chr(n if n in _ITSELF else 0x100 + _OTHER.index(n)) for n in range(256)]
_PRINTABLE: Final = dict(enumerate(_WRITTEN[:128]))

Ids = NDArray[np.uint16]


class Tokenizer:
    """A vocabulary of `size` ids: byte-level BPE, and `end`, which stands between documents.

    `rank` int32 [size]; `mass80` bool [size]: in the smallest set of ids that covers 80 % of the training
    text.
    """

    def __init__(self, inner: Inner, counts: NDArray[np.integer[Any]]) -> None:
        """`counts` [size]: how often each id stood in the training text. Raises `TokenizerFileError`."""
        vocabulary = inner.get_vocab()
        self.end: Final = len(vocabulary)
        self.size: Final = self.end + 1
        if sorted(vocabulary.values()) != list(range(self.end)) or self.size > 1 << 16:
            raise _damaged(f"ids are not 0 to at most {(1 << 16) - 2}, each once")
        if counts.shape != (self.size,):
            raise _damaged(f"counts of shape {counts.shape} for {self.size} ids")
        self._inner = inner
        self._known: dict[str, list[int]] = {}
        self._bytes = _bytes_of(vocabulary)
        missing = [value for value in range(256) if bytes([value]) not in self._bytes]
        if missing:
            raise _damaged(f"no token for byte {missing[0]}")
        self._single = np.array([self._bytes.index(bytes([value])) for value in range(256)], dtype=np.uint16)
        self.counts: Final = counts.astype(np.int64)
        order = np.lexsort((np.arange(self.size), -self.counts))
        self.rank: Final = np.empty(self.size, dtype=np.int32)
        self.rank[order] = np.arange(self.size, dtype=np.int32)
        sums = np.cumsum(self.counts[order])
        common = int(np.searchsorted(sums, _COMMON_MASS * sums[-1])) + 1 if sums[-1] else 0
        self.mass80: Final = self.rank < common

    @classmethod
    @cache
    def shipped(cls) -> Tokenizer:
        """The one in the package: 8,192 ids."""
        return cls.load(SHIPPED)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Raises `TokenizerFileError`."""
        try:
            text, packed = _read(folder / _JSON), _read(folder / _RANK)
            # Not from the file itself: the library would abort on some that are no JSON.
            table = json.loads(text)
            if table["model"]["type"] != "BPE" or table.get("added_tokens"):
                raise _damaged(f"{folder / _JSON} is no plain BPE")
            rules = [each.get("pattern") for each in table["pre_tokenizer"]["pretokenizers"]]
            if rules != [{"Regex": PATTERN}, None]:
                raise _damaged(f"{folder / _JSON} cuts text by other rules than this version")
            inner = Inner.from_str(text.decode("utf-8"))
            ranks = np.lib.format.read_array(io.BytesIO(packed), allow_pickle=False)
        except TokenizerFileError:
            raise
        except (OSError, MemoryError, RecursionError) as error:
            raise _damaged(f"{folder}: {error}") from error
        except Exception as error:  # the library raises plain Exception, numpy and json what they please
            raise _damaged(f"{folder}: {error}") from error
        if ranks.dtype != np.uint32 or ranks.ndim != 2 or ranks.shape[0] != 2:
            raise _damaged(f"{folder / _RANK} holds {ranks.dtype} {ranks.shape}, not uint32 (2, ids)")
        made = cls(inner, ranks[1])
        if not np.array_equal(made.rank, ranks[0]):
            raise _damaged(f"{folder / _RANK}: ranks and counts contradict each other")
        return made

    def save(self, folder: Path) -> None:
        """Raises `StorageError`."""
        folder.mkdir(parents=True, exist_ok=True)
        packed = io.BytesIO()
        np.save(packed, np.stack([self.rank, np.minimum(self.counts, 2**32 - 1)]).astype(np.uint32))
        atomic.write_text(folder / _JSON, self._inner.to_str(), mode=0o644)
        atomic.write_bytes(folder / _RANK, packed.getvalue(), mode=0o644)

    def counted(self, counts: NDArray[np.integer[Any]]) -> Tokenizer:
        """The same vocabulary with the frequencies of another text."""
        return Tokenizer(self._inner, counts)

    def fingerprint(self) -> str:
        """16 hex digits that differ when an id means something else. Ranks are no part of it."""
        digest = hashlib.sha256()
        for data in self._bytes:
            digest.update(len(data).to_bytes(4, "little") + data)
        digest.update(json.dumps(json.loads(self._inner.to_str())["pre_tokenizer"], sort_keys=True).encode())
        digest.update(json.dumps(json.loads(self._inner.to_str())["model"]["merges"]).encode())
        return digest.hexdigest()[:16]

    def encode(self, text: str | bytes) -> Ids:
        """The ids of a text, uint16 [T]. Bytes that are no UTF-8, and lone surrogates, become one id a
        byte.
        """
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        parts: list[Ids] = []
        for part in _valid_and_not(data):
            if isinstance(part, bytes):
                parts.append(self._single[np.frombuffer(part, dtype=np.uint8)])
            elif part.isascii():
                parts.append(self._ascii(part))
            else:
                ids = self._inner.encode(part, add_special_tokens=False).ids
                parts.append(np.array(ids, dtype=np.uint16))
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint16)

    def _ascii(self, text: str) -> Ids:
        """The ids of an ASCII text: the rules of the library in ASCII, and each piece's ids from memory.
        Faster than the library, which works them out again.
        """
        known = self._known
        found: list[int] = []
        for piece in ASCII_PIECE.findall(text):
            ids = known.get(piece)
            if ids is None:
                if len(known) >= _KNOWN:
                    known.clear()
                tokens = self._inner.model.tokenize(piece.translate(_PRINTABLE))
                ids = known[piece] = [token.id for token in tokens]
            found += ids
        return np.array(found, dtype=np.uint16)

    def decode_bytes(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> bytes:
        """The text of ids; `end` is no text. Raises `TokensError`."""
        table, size = self._bytes, self.size
        found = []
        for value in np.asarray(ids).reshape(-1).tolist():
            if not isinstance(value, int) or not 0 <= value < size:
                raise TokensError(
                    f"token id {value!r} is not one of 0 to {size - 1}",
                    hint="use the tokenizer that made the ids",
                )
            found.append(b"" if value == self.end else table[value])
        return b"".join(found)

    def decode(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> str:
        """The text of ids, with U+FFFD for what is no UTF-8. Raises `TokensError`."""
        return self.decode_bytes(ids).decode("utf-8", "replace")


def _damaged(what: str) -> TokenizerFileError:
    return TokenizerFileError(
        f"not a tokenizer: {what}", hint="restore both of its files from where they came"
    )


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _damaged(f"{path} is larger than {_LARGEST} bytes")
    return data


def _bytes_of(vocabulary: dict[str, int]) -> list[bytes]:
    """What each id stands for."""
    known = {character: value for value, character in enumerate(_WRITTEN)}
    found = [b""] * len(vocabulary)
    for token, number in vocabulary.items():
        try:
            found[number] = bytes(known[character] for character in token)
        except KeyError as error:
            raise _damaged(f"token {token!r} is not made of bytes") from error
    return found


# A text is encoded in blocks that end where no rule looks across: before a line end that follows a letter.
_SEAM = re.compile(r"(?<=[a-z])(?=\n[A-Za-z])")


def _valid_and_not(data: bytes) -> Iterator[str | bytes]:
    """`data` in order, as texts where it is UTF-8 and as bytes where it is not."""
    start = 0
    while start < len(data):
        try:
            yield from _blocks(data[start:].decode("utf-8"))
            return
        except UnicodeDecodeError as error:
            if error.start:
                yield from _blocks(data[start : start + error.start].decode("utf-8"))
            yield data[start + error.start : start + error.end]
            start += error.end


def _blocks(text: str) -> Iterator[str]:
    start = 0
    size = _BLOCK if text.isascii() else _MIXED
    while len(text) - start > size:
        seam = _SEAM.search(text, start + size)
        if seam is None:
            break
        yield text[start : seam.start()]
        start = seam.start()
    if start < len(text):
        yield text[start:]
