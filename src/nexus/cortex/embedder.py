"""Text to vectors, on this machine, with ONNX Runtime.

`Embedder` is what the rest of Cortex asks for; `OnnxEmbedder` is the one implementation. A text has one
vector for all of it, float32, L2-normalised, shape (dimensions,), and one small vector for each of its
words (`late`), both from one run of the model.

Invariants: a text's vectors depend on the text only, not on what it is embedded with; nothing of a
passage is left out, however long it is; the model is in memory only while it
is used and for a while after; several threads may call at once.
"""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np

from nexus.core.breaker import Breaker
from nexus.core.errors import ConfigError, ModelCorruptError, ModelMissingError
from nexus.cortex.late import DIMENSIONS, Matrix, TokenVectors
from nexus.cortex.onnx_model import EmbedderSpec, OnnxModel, unit
from nexus.cortex.projection import Projection

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_T = TypeVar("_T")
_WORD = re.compile(r"\w+")

SPECS = {
    "granite-embedding-30m-english": EmbedderSpec(
        "model.int8.onnx",
        384,
        512,
        1,
        "none",
        0.66,
        0.48,
        output="sentence_embedding",
        states="token_embeddings",
        batch_tokens=256,
        revision=2,
    ),
    # Its graph takes one scale for all that is in a batch: alone, a text has one vector only.
    "all-minilm-l6-v2": EmbedderSpec("model_quantized.onnx", 384, 256, 0, "mean", 0.50, 0.03),
    # Its weights could not be had here: 0.82 and 0.70 are guesses from its model card.
    "e5-small-v2": EmbedderSpec(
        "model.onnx",
        384,
        512,
        0,
        "mean",
        0.82,
        0.70,
        query_prefix="query: ",
        passage_prefix="passage: ",
        batch_tokens=256,
    ),
}


class States(NamedTuple):
    """What the model makes of each token of a text: its ids, special tokens too, and (t, dimensions)."""

    ids: list[int]
    vectors: Matrix


class Question(NamedTuple):
    """A question as the model sees it.

    `vector` (dimensions,); `tokens` (q, 64), one unit row for each of its tokens that tell something,
    (0, 64) for a model without token vectors; `around[i]` is the whole word that row i is a piece of.
    """

    vector: Matrix
    tokens: Matrix
    around: tuple[str, ...]


class Embedder(Protocol):
    """Anything that turns texts into vectors."""

    model_id: str  # changes whenever the vectors do
    dimensions: int
    relevant: float
    unrelated: float
    has_tokens: bool  # whether it makes token vectors

    def passages(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> Matrix:
        """Vectors of stored texts, shape (n, dimensions), in the order given."""

    def passages_with_tokens(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> tuple[Matrix, list[TokenVectors]]:
        """The same and the token vectors of each text, in one run. Raises `MissingPartError`."""

    def query(self, text: str) -> Matrix:
        """The vector of a question, shape (dimensions,)."""

    def question(self, text: str) -> Question:
        """The vector and the token vectors, in one run."""

    def count(self, text: str) -> int:
        """Length of `text` in this model's tokens, special tokens left out."""

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Character range of every token."""

    @property
    def loaded(self) -> bool:
        """Whether the model takes up memory."""

    def unload_if_idle(self, now: float) -> bool:
        """Give its memory back where nobody uses it; `now` is `time.monotonic()`. Whether it did."""


class OnnxEmbedder:
    """A sentence-embedding model from the catalog."""

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        threads: int = 1,
        idle_seconds: float = 300,
        breaker: Breaker | None = None,
    ) -> None:
        """`folder` holds the model file and tokenizer.json. Raises `ConfigError` for an unknown name.

        `breaker` stands before the model: files that are gone are not looked for with every question.
        """
        if name not in SPECS:
            raise ConfigError(f"unknown embedder {name!r}", hint=f"allowed: {', '.join(SPECS)}")
        self.name = name
        self.spec = SPECS[name]
        self.model_id = f"{name}@{self.spec.revision}"
        self.dimensions = self.spec.dimensions
        self.relevant = self.spec.relevant
        self.unrelated = self.spec.unrelated
        self.has_tokens = Projection.exists(name)
        self._make: Callable[[], OnnxModel] = lambda: OnnxModel(name, self.spec, folder, threads)
        self._breaker = breaker or Breaker(f"loading {name}")
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._model: OnnxModel | None = None
        self._users = 0
        self._last_use = 0.0

    def passages(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> Matrix:
        """See `Embedder.passages`. `on_batch` is told how many texts each batch finished."""
        with self._using() as model:
            return self._embed(model, texts, on_batch, None)[0]

    def passages_with_tokens(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> tuple[Matrix, list[TokenVectors]]:
        """See `Embedder.passages_with_tokens`. Full states are never kept for more than one batch."""
        with self._using() as model:
            projection = model.projection()
            matrix, pieces = self._embed(
                model, texts, on_batch, lambda states: projection.compress(states.vectors, states.ids)
            )
        return matrix, [TokenVectors(np.concatenate([p.values for p in piece])) for piece in pieces]

    def states(self, texts: Sequence[str]) -> list[States]:
        """Every token's state, large: 1.5 kB for each. For fitting and for measurements."""
        with self._using() as model:
            _, pieces = self._embed(model, texts, None, lambda s: States(s.ids, s.vectors.copy()))
        return [
            States([i for s in piece for i in s.ids], np.concatenate([s.vectors for s in piece]))
            for piece in pieces
        ]

    def query(self, text: str) -> Matrix:
        """See `Embedder.query`. A question longer than the model reads is known by its first part."""
        with self._using() as model:
            ids = _windows(model.tokenizer().encode(self.spec.query_prefix + text), self.spec.max_tokens)[0]
            vectors, _ = model.run([ids], with_states=False)
        row: Matrix = vectors[0]
        return row

    def question(self, text: str) -> Question:
        """See `Embedder.question`; cut as `query` does."""
        if not self.has_tokens:
            return Question(self.query(text), np.zeros((0, DIMENSIONS), np.float32), ())
        asked = self.spec.query_prefix + text
        with self._using() as model:
            projection, encoded = model.projection(), model.tokenizer().encode(asked)
            ids = _windows(encoded, self.spec.max_tokens)[0]
            vectors, states = model.run([ids], with_states=True)
        assert states is not None  # asked for
        row: Matrix = vectors[0]
        # Of the first window only its last special token stands elsewhere than in the whole.
        spans = [*encoded.offsets[: len(ids) - 1], (0, 0)]
        around = _around(asked, [spans[position] for position in projection.kept(ids)])
        return Question(row, projection.small(states[0], ids), around)

    def count(self, text: str) -> int:
        with self._using() as model:
            return len(model.tokenizer().encode(text, add_special_tokens=False))

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        with self._using() as model:
            return model.tokenizer().encode(text, add_special_tokens=False).offsets

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own, without padding and truncation."""
        with self._using() as model:
            return model.tokenizer()

    @property
    def loaded(self) -> bool:
        return self._model is not None

    def unload_if_idle(self, now: float) -> bool:
        """See `Embedder.unload_if_idle`: after `idle_seconds` without a call, never during one."""
        with self._lock:
            if self._model is None or self._users or now - self._last_use < self._idle_seconds:
                return False
            model, self._model = self._model, None
        model.close()
        return True

    @contextmanager
    def _using(self) -> Iterator[OnnxModel]:
        if not self._breaker.allow():
            raise self._breaker.refusal()
        with self._lock:
            if self._model is None:
                self._model = self._make()
            model, self._users = self._model, self._users + 1
        try:
            yield model
            self._breaker.succeeded()
        except (ModelMissingError, ModelCorruptError) as error:
            self._breaker.failed(error)
            raise
        except BaseException:  # the caller's own, or a cancelled run
            self._breaker.undecided()
            raise
        finally:
            with self._lock:
                self._users -= 1
                self._last_use = time.monotonic()

    def _embed(
        self,
        model: OnnxModel,
        texts: Sequence[str],
        on_batch: Callable[[int], None] | None,
        keep: Callable[[States], _T] | None,
    ) -> tuple[Matrix, list[list[_T]]]:
        """Vectors, and what `keep` makes of the states of each text's windows, in their order.

        Most texts are one window. A longer one is read in several; its vector is their mean by length.
        """
        encoded = model.tokenizer().encode_batch([self.spec.passage_prefix + text for text in texts])
        windows = [_windows(one, self.spec.max_tokens) for one in encoded]
        rows = [(index, ids) for index, found in enumerate(windows) for ids in found]
        out = np.zeros((len(texts), self.dimensions), np.float32)
        kept: dict[int, _T] = {}
        left = [len(found) for found in windows]
        for batch in _batches([len(ids) for _, ids in rows], self.spec.batch_tokens):
            vectors, states = model.run([rows[row][1] for row in batch], with_states=keep is not None)
            finished = 0
            for place, row in enumerate(batch):
                index, ids = rows[row]
                out[index] += vectors[place] * len(ids)
                left[index] -= 1
                finished += not left[index]
                if keep and states is not None:
                    kept[row] = keep(States(ids, states[place, : len(ids)]))
            if on_batch:
                on_batch(finished)
        pieces: list[list[_T]] = [[] for _ in texts]
        for row in sorted(kept):
            pieces[rows[row][0]].append(kept[row])
        return unit(out), pieces


def _windows(encoded: Encoding, limit: int) -> list[list[int]]:
    """The token ids in parts of at most `limit`, each between the special tokens of the whole."""
    ids: list[int] = encoded.ids
    if len(ids) <= limit:
        return [ids]
    special = encoded.special_tokens_mask
    first, last = special.index(0), len(ids) - special[::-1].index(0)
    size = limit - first - (len(ids) - last)
    return [ids[:first] + ids[at : min(at + size, last)] + ids[last:] for at in range(first, last, size)]


def _around(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """For each span the word of `text` that it lies in, "" where it lies in none."""
    read = max((end for _, end in spans), default=0)
    words = [match.span() for match in _WORD.finditer(text) if match.start() < read]
    ends = [end for _, end in words]
    found = []
    for start, end in spans:
        first, last = words[at] if (at := bisect_right(ends, start)) < len(words) else (end, end)
        found.append(text[first:last] if first < end else "")
    return tuple(found)


def _batches(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Indices grouped by similar length, each group of one or of at most `limit` padded tokens."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches: list[list[int]] = []
    for index in order:
        if batches and lengths[index] * (len(batches[-1]) + 1) <= limit:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
