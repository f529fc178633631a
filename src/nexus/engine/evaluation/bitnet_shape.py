"""A GGUF file of the shape of BitNet b1.58 2B-4T with random weights: for speed, not for answers.

Matrices of the layers are TQ2_0, embedding and head one Q6_K matrix. 0.8 GB.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from nexus.engine.convert.gguf_writer import GgufWriter
from nexus.engine.convert.quantise import encode_ternary
from nexus.engine.convert.tensor_types import TensorType

LAYERS, WIDTH, INNER, HEADS, KV_HEADS, HEAD_DIM, WORDS = 30, 2560, 6912, 20, 5, 128, 128256
_ROWS = 512


def write(path: Path, layers: int = LAYERS, words: int = WORDS) -> Path:
    """Raises `StorageError`."""
    writer = GgufWriter(path)
    writer.text("general.architecture", "bitnet")
    writer.text("general.name", "random weights of the shape of BitNet b1.58 2B-4T")
    for key, value in (
        ("block_count", layers),
        ("context_length", 4096),
        ("embedding_length", WIDTH),
        ("feed_forward_length", INNER),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KV_HEADS),
        ("rope.dimension_count", HEAD_DIM),
        ("vocab_size", words),
    ):
        writer.integer(f"bitnet.{key}", value)
    writer.real("bitnet.attention.layer_norm_rms_epsilon", 1e-5)
    writer.real("bitnet.rope.freq_base", 500000.0)
    _tokenizer(writer, words)
    writer.tensor("token_embd.weight", (words, WIDTH), TensorType.Q6_K, partial(_head, words))
    _norm(writer, "output_norm", WIDTH)
    for layer in range(layers):
        at = f"blk.{layer}."
        for name, size in (
            ("attn_norm", WIDTH),
            ("attn_sub_norm", HEADS * HEAD_DIM),
            ("ffn_norm", WIDTH),
            ("ffn_sub_norm", INNER),
        ):
            _norm(writer, at + name, size)
        for name, rows, columns in (
            ("attn_q", HEADS * HEAD_DIM, WIDTH),
            ("attn_k", KV_HEADS * HEAD_DIM, WIDTH),
            ("attn_v", KV_HEADS * HEAD_DIM, WIDTH),
            ("attn_output", WIDTH, HEADS * HEAD_DIM),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            made = partial(_ternary, rows, columns, layer)
            writer.tensor(f"{at}{name}.weight", (rows, columns), TensorType.TQ2_0, made)
    writer.write()
    return path


def _norm(writer: GgufWriter, name: str, size: int) -> None:
    ones = np.ones(size, dtype="<f4").tobytes()
    writer.tensor(f"{name}.weight", (size,), TensorType.F32, lambda: [ones])


def _ternary(rows: int, columns: int, seed: int) -> Iterator[bytes]:
    random = np.random.default_rng(seed)
    for first in range(0, rows, _ROWS):
        codes = random.integers(-1, 2, (min(_ROWS, rows - first), columns), dtype=np.int8)
        yield encode_ternary(codes, 1.22 / columns**0.5, TensorType.TQ2_0)


def _head(words: int) -> Iterator[bytes]:
    """Random Q6_K blocks with one scale: weights of deviation 0.02."""
    random = np.random.default_rng(1)
    elements, size = TensorType.Q6_K.block
    scale = np.frombuffer(np.float16(0.02 / 1365).tobytes(), dtype=np.uint8)
    for first in range(0, words, _ROWS):
        count = min(_ROWS, words - first) * WIDTH // elements
        blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
        blocks[:, size - 2 :] = scale
        yield blocks.tobytes()


def _tokenizer(writer: GgufWriter, words: int) -> None:
    """The letters of all bytes and made-up words; nothing is ever spoken with it."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in plain] + [chr(256 + index) for index in range(256 - len(plain))]
    tokens = letters + [f"word{index}" for index in range(words - 256 - 1)] + ["<end>"]
    writer.text("tokenizer.ggml.model", "gpt2")
    writer.text("tokenizer.ggml.pre", "gpt-2")
    writer.texts("tokenizer.ggml.tokens", tokens)
    writer.integers("tokenizer.ggml.token_type", [1] * (words - 1) + [3])
    writer.texts("tokenizer.ggml.merges", [])
    writer.integer("tokenizer.ggml.bos_token_id", words - 1)
    writer.integer("tokenizer.ggml.eos_token_id", words - 1)
    writer.boolean("tokenizer.ggml.add_bos_token", False)
