"""Text to vectors, on this machine, with ONNX Runtime.

`Embedder` is what the rest of Cortex asks for; `OnnxEmbedder` is the one implementation. Vectors are
float32, L2-normalised, shape (n, dimensions). The model is loaded on first use, once; calls from
several threads are served one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import ConfigError, ModelCorruptError

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

Matrix = NDArray[np.float32]
# Padded tokens a batch may hold. Measured: sorting by length and cutting at about a thousand tokens is
# several times faster than fixed batches of 32, whose padding is mostly waste.
_BATCH_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """How a model wants to be fed (its model card)."""

    file: str
    dimensions: int
    max_tokens: int
    pad_id: int
    pooling: Literal["none", "mean"]
    # Cosine from which on a passage is about the question. Each model's cosines live in a band of
    # their own; measured with bench/answers.py as the value that parts answered from unanswered.
    relevant: float
    query_prefix: str = ""
    passage_prefix: str = ""


SPECS = {
    "granite-embedding-30m-english": EmbedderSpec("model.int8.onnx", 384, 512, 1, "none", 0.66),
    "all-minilm-l6-v2": EmbedderSpec("model_quantized.onnx", 384, 256, 0, "mean", 0.35),
    "e5-small-v2": EmbedderSpec("model.onnx", 384, 512, 0, "mean", 0.82, "query: ", "passage: "),
}


class Embedder(Protocol):
    """Anything that turns texts into vectors."""

    model_id: str
    dimensions: int
    relevant: float

    def passages(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> Matrix:
        """Vectors of stored texts, shape (n, dimensions), in the order given."""

    def query(self, text: str) -> Matrix:
        """The vector of a question, shape (dimensions,)."""

    def count(self, text: str) -> int:
        """Length of `text` in this model's tokens, special tokens left out."""

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Character range of every token."""


class OnnxEmbedder:
    """A sentence-embedding model from the catalog."""

    def __init__(self, name: str, folder: Path, *, threads: int = 1) -> None:
        """`folder` holds the model file and tokenizer.json. Raises `ConfigError` for an unknown name."""
        if name not in SPECS:
            raise ConfigError(f"unknown embedder {name!r}", hint=f"allowed: {', '.join(SPECS)}")
        self.model_id = name
        self.spec = SPECS[name]
        self.dimensions = self.spec.dimensions
        self.relevant = self.spec.relevant
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._session: onnxruntime.InferenceSession | None = None

    def passages(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> Matrix:
        """See `Embedder.passages`. `on_batch` is told how many texts each batch finished."""
        return self._embed([self.spec.passage_prefix + text for text in texts], on_batch)

    def query(self, text: str) -> Matrix:
        row: Matrix = self._embed([self.spec.query_prefix + text], None)[0]
        return row

    def count(self, text: str) -> int:
        return len(self._load_tokenizer().encode(text, add_special_tokens=False))

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return self._load_tokenizer().encode(text, add_special_tokens=False).offsets

    def _embed(self, texts: list[str], on_batch: Callable[[int], None] | None) -> Matrix:
        out = np.zeros((len(texts), self.dimensions), np.float32)
        encoded = self._load_tokenizer().encode_batch(texts)
        # The model reads max_tokens: chunk sizes are below it, so this only ever meets long questions,
        # whose first part is what is asked.
        ids = [e.ids[: self.spec.max_tokens] for e in encoded]
        for batch in _batches([len(i) for i in ids]):
            out[batch] = self._run([ids[i] for i in batch])
            if on_batch:
                on_batch(len(batch))
        return out

    def _run(self, rows: list[list[int]]) -> Matrix:
        width = max(map(len, rows))
        ids = np.full((len(rows), width), self.spec.pad_id, np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        session = self._load_session()
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {i.name for i in session.get_inputs()}
        output = np.asarray(session.run(None, {k: v for k, v in feed.items() if k in wanted})[0], np.float32)
        if self.spec.pooling == "mean":
            weights = mask[:, :, None].astype(np.float32)
            output = (output * weights).sum(1) / weights.sum(1)
        normal: Matrix = output / np.maximum(np.linalg.norm(output, axis=1, keepdims=True), 1e-12)
        return normal

    def _load_tokenizer(self) -> Tokenizer:
        with self._lock:
            if self._tokenizer is None:
                from tokenizers import Tokenizer

                path = self._folder / "tokenizer.json"
                try:
                    tokenizer = Tokenizer.from_file(str(path))
                except Exception as error:  # the library raises bare Exception
                    raise ModelCorruptError(
                        f"{path} cannot be read: {error}",
                        hint=f"nexus models pull {self.model_id} --force",
                    ) from error
                tokenizer.no_padding()
                tokenizer.no_truncation()
                self._tokenizer = tokenizer
            return self._tokenizer

    def _load_session(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._session is None:
                import onnxruntime

                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = self._threads
                # Spinning threads fight other work on a busy host.
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                options.enable_cpu_mem_arena = False
                path = self._folder / self.spec.file
                try:
                    self._session = onnxruntime.InferenceSession(
                        str(path), options, providers=["CPUExecutionProvider"]
                    )
                except Exception as error:  # the library's own classes are not public
                    raise ModelCorruptError(
                        f"{path} cannot be loaded: {str(error).splitlines()[0]}",
                        hint=f"nexus models pull {self.model_id} --force",
                    ) from error
            return self._session


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices grouped by similar length, each group at most `_BATCH_TOKENS` padded tokens."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches: list[list[int]] = []
    for index in order:
        if batches and lengths[index] * (len(batches[-1]) + 1) <= _BATCH_TOKENS:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
