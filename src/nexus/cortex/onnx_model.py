"""One embedding model in memory: its tokenizer and its session of ONNX Runtime.

Knows how to read the files and to run a batch, not what passages, questions or windows are
(`embedder`). Each part is loaded on first use, once; any number of threads may run at the same time.
Invariant: rows of a batch do not see each other, for padding is masked.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from nexus.core.errors import ModelCorruptError
from nexus.cortex.late import Matrix
from nexus.cortex.projection import Projection

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class EmbedderSpec:
    """How a model wants to be fed, and what of its outputs is used."""

    file: str
    dimensions: int
    max_tokens: int
    pad_id: int
    # How the vector of a text is made of `output`: as it is, or as the mean over the tokens.
    pooling: Literal["none", "mean"]
    # Cosine from which on a passage is about the question. Each model's cosines live in a band of
    # their own; measured with bench/relevant.py as the value that parts answered from unanswered.
    relevant: float
    # The mean cosine of a question and a passage that have nothing to do with each other.
    unrelated: float
    output: str = "last_hidden_state"
    states: str = "last_hidden_state"
    query_prefix: str = ""
    passage_prefix: str = ""
    # Padded tokens that texts of similar length are read together for; 0: each alone. Measured: 256 is a
    # fifth faster than alone for turns of a conversation; 1,024 and more is slower again.
    batch_tokens: int = 0
    # Raised when the same name gives other vectors than before, so that they are never mixed.
    revision: int = 1


class OnnxModel:
    """The files of `folder`, as `spec` says."""

    def __init__(self, name: str, spec: EmbedderSpec, folder: Path, threads: int) -> None:
        self._name, self._spec, self._folder, self._threads = name, spec, folder, threads
        self._lock = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._projection: Projection | None = None
        self._session: onnxruntime.InferenceSession | None = None

    def run(self, rows: Sequence[Sequence[int]], with_states: bool) -> tuple[Matrix, Matrix | None]:
        """Unit vectors (n, dimensions) of rows of token ids; the states (n, longest, dimensions) if asked.

        Raises `ModelCorruptError`.
        """
        spec, width = self._spec, max(map(len, rows))
        ids = np.full((len(rows), width), spec.pad_id, np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        session = self._load_session()
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {i.name for i in session.get_inputs()}
        outputs = [spec.output]
        if with_states and spec.states != spec.output:
            outputs.append(spec.states)
        found = session.run(outputs, {k: v for k, v in feed.items() if k in wanted})
        vectors = np.asarray(found[0], np.float32)
        states = np.asarray(found[-1], np.float32) if with_states else None
        if spec.pooling == "mean":
            weights = mask[:, :, None].astype(np.float32)
            vectors = (vectors * weights).sum(1) / weights.sum(1)
        return unit(vectors), states

    def tokenizer(self) -> Tokenizer:
        """Without padding and truncation. Raises `ModelCorruptError`."""
        with self._lock:
            if self._tokenizer is None:
                from tokenizers import Tokenizer

                path = self._folder / "tokenizer.json"
                try:
                    tokenizer = Tokenizer.from_file(str(path))
                except Exception as error:  # the library raises bare Exception
                    raise self._corrupt(f"{path} cannot be read: {error}") from error
                tokenizer.no_padding()
                tokenizer.no_truncation()
                self._tokenizer = tokenizer
            return self._tokenizer

    def projection(self) -> Projection:
        """Raises `MissingPartError` where none was fitted for this model."""
        tokenizer = self.tokenizer()
        with self._lock:
            if self._projection is None:
                self._projection = Projection.load(self._name, tokenizer)
            return self._projection

    def close(self) -> None:
        """Give the memory back to the system. Nothing may be running; what is used next loads again."""
        with self._lock:
            self._session = self._tokenizer = self._projection = None
        # glibc keeps what is freed; other C libraries have no such function, and no such habit.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)

    def _load_session(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._session is None:
                # From 1.29 on the library reports to its maker, from threads in C, and keeps an identifier
                # of the machine in the user's home, unless it is told not to before this import.
                os.environ["ORT_DISABLE_TELEMETRY"] = "1"
                import onnxruntime

                # Where the program had imported it already: no more than it has said by now.
                onnxruntime.disable_telemetry_events()
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = self._threads
                # Spinning threads fight other work on a busy host.
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                options.enable_cpu_mem_arena = False
                path = self._folder / self._spec.file
                try:
                    session = onnxruntime.InferenceSession(
                        str(path),
                        options,
                        providers=["CPUExecutionProvider"],
                        # The fused operation takes ten times as long as the two it stands for.
                        disabled_optimizers=["SkipLayerNormFusion"],
                    )
                except Exception as error:  # the library's own classes are not public
                    raise self._corrupt(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
                outputs = {output.name for output in session.get_outputs()}
                for wanted in (self._spec.output, self._spec.states):
                    if wanted not in outputs:
                        raise self._corrupt(f"{path} has no output {wanted}: another release made it")
                self._session = session
            return self._session

    def _corrupt(self, message: str) -> ModelCorruptError:
        return ModelCorruptError(message, hint=f"nexus models pull {self._name} --force")


def unit(rows: Matrix) -> Matrix:
    """Each row at length 1; a row of zeros stays one."""
    normal: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return normal
