"""A model elsewhere that gives files one vector of 1536 dimensions: any OpenAI-compatible `/embeddings`.

What is sent are names, titles and first passages of files, so this is only used where a user asks for it
(`memex.provider_url`). Knows no store. Invariants: its vectors lie in a folder of their own, named after
server and model, and are never compared with others; an answer that is not what was asked for is an error.
"""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPMessage
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nexus.core.breaker import Breaker
from nexus.core.errors import InvalidInputError, NexusError
from nexus.cortex.embedder import Question
from nexus.memexfs import blocks
from nexus.memexfs.shard import FileVectors
from nexus.memexfs.space import FileText

Matrix = NDArray[np.float32]
DIMENSIONS = 1536
# Servers take some 8,000 tokens of a text; this much is below that in every language.
_MOST_CHARACTERS = 6000
_LARGEST_ANSWER = 16 * 2**20
# Cosines of text-embedding-3-small: of what has nothing to do with a question, and of what answers it.
_UNRELATED, _RELEVANT = 0.1, 0.45


class ProviderError(NexusError):
    """The server of the embeddings could not be used; files are found by passages and words meanwhile."""

    code = "embeddings_failed"
    exit_status = 12
    http_status = 502


class Provider:
    """A `Space`. Any thread may call."""

    def __init__(
        self, url: str, model: str, key: str = "", *, dimensions: int = DIMENSIONS, seconds: float = 20.0
    ) -> None:
        """`url` with its `/v1`. Raises `InvalidInputError` for one that is none."""
        if not url.startswith(("http://", "https://")):
            raise InvalidInputError(f"{url!r} is no address of a server", hint="http://host:port/v1")
        self._url, self._model, self._key = url.rstrip("/") + "/embeddings", model, key
        self.dimensions, self._seconds = dimensions, seconds
        name = hashlib.sha256(f"{self._url}\0{model}\0{dimensions}".encode()).hexdigest()[:16]
        self.id = f"provider-{name}"
        self._breaker = Breaker(f"the embeddings of {url}", reset_seconds=30)
        self._lock = threading.Lock()
        self._last: tuple[str, Matrix] | None = None
        # A redirection would carry the key to somebody else.
        self._opener = urllib.request.build_opener(_Stay)

    def embed(self, texts: Sequence[str]) -> list[Matrix]:
        """A unit vector (dimensions,) for each text. Raises `ProviderError`; after several, `BrokenError`."""
        return self._breaker.call(lambda: self._ask(texts))

    def vector(self, file: FileText) -> Matrix:
        said = dict.fromkeys(
            part.strip()
            for part in (blocks.name_text(file.path), ", ".join(file.tags), file.title, file.lead, file.text)
        )
        return self.embed(["\n".join(part for part in said if part)[:_MOST_CHARACTERS]])[0]

    def renamed(self, vectors: Sequence[Matrix], paths: Sequence[bytes]) -> list[Matrix]:
        # The name is one line of many in it; the next time the file is read it counts.
        return list(vectors)

    def candidates(
        self,
        vectors: FileVectors,
        text: str,
        asked: Question,
        share: Mapping[str, float],
        limit: int,
        among: Sequence[int] | None = None,
    ) -> list[int]:
        return list(vectors.nearest(self._question(text), limit, among))

    def near(
        self,
        vectors: FileVectors,
        text: str,
        asked: Question,
        share: Mapping[str, float],
        files: Sequence[int],
    ) -> dict[int, dict[str, float]]:
        found = vectors.nearest(self._question(text), len(files), files)
        return {
            file: {"total": (cosine - _UNRELATED) / (_RELEVANT - _UNRELATED), "file": cosine}
            for file, cosine in found.items()
        }

    def like(self, vectors: FileVectors, file: int, limit: int) -> dict[int, dict[str, float]]:
        held = vectors.get(file)
        if held is None:
            return {}
        near = vectors.nearest(held[0], limit + 1)
        return {other: {"total": cosine} for other, cosine in near.items() if other != file}

    def _question(self, text: str) -> Matrix:
        with self._lock:
            if self._last and self._last[0] == text:
                return self._last[1]
        vector = self.embed([text[:_MOST_CHARACTERS]])[0]
        with self._lock:
            self._last = text, vector
        return vector

    def _ask(self, texts: Sequence[str]) -> list[Matrix]:
        body = {"model": self._model, "input": list(texts), "dimensions": self.dimensions}
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)  # noqa: S310 (its scheme was looked at)
        try:
            with self._opener.open(request, timeout=self._seconds) as reply:
                data = reply.read(_LARGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(500).decode("utf-8", "replace").strip()
            raise ProviderError(f"{self._url} refused: {error.code} {said}", hint=_HINT) from error
        except (OSError, ValueError) as error:
            raise ProviderError(f"{self._url} cannot be reached: {error}", hint=_HINT) from error
        return self._checked(data, len(texts))

    def _checked(self, data: bytes, count: int) -> list[Matrix]:
        try:
            if len(data) > _LARGEST_ANSWER:
                raise ValueError("it is too long")
            rows: list[Any] = sorted(json.loads(data)["data"], key=lambda row: int(row["index"]))
            matrix = np.array([row["embedding"] for row in rows], np.float32)
            lengths = np.linalg.norm(matrix, axis=-1, keepdims=True)
            if matrix.shape != (count, self.dimensions):
                raise ValueError(f"{matrix.shape} numbers, not ({count}, {self.dimensions})")
            if not (np.isfinite(matrix).all() and lengths.all()):
                raise ValueError("not every number is one")
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            raise ProviderError(f"{self._url} gave no embeddings: {error}", hint=_HINT) from error
        return list((matrix / lengths).astype(np.float32))


_HINT = "see memex.provider_url, memex.provider_model and memex.provider_key"


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None
