"""Tiny random models of every graph, written as GGUF files, with the weights that a reader must find in them.

A model is drawn from a seed. What a tensor is worth is decided by its stored bytes: quantised matrices are
drawn as bytes, and `weights` holds what those decode to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nexus.engine.convert.dequantise import decode
from nexus.engine.convert.gguf_writer import GgufWriter
from nexus.engine.convert.quantise import encode, encode_ternary
from nexus.engine.convert.tensor_types import TensorType

Array = npt.NDArray[np.float64]
TERNARY = (TensorType.TQ1_0, TensorType.TQ2_0, TensorType.I2_S)
PLAIN = (TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0)


@dataclass(frozen=True)
class Tiny:
    """What a model is. `kind` is the type of the layers' matrices, `head_kind` of embedding and head."""

    architecture: str
    kind: TensorType = TensorType.F32
    head_kind: TensorType = TensorType.F32
    layers: int = 2
    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 32
    feed_forward: int = 96
    vocabulary: int = 101
    rope_base: float = 10000.0
    rope_dims: int = 0
    rope_linear: float = 0.0
    rope_factors: bool = False
    tied: bool = False
    biases: bool = False
    window: int = 0
    pattern: int = 0
    local_rope_base: float = 0.0
    epsilon: float = 1e-5
    seed: int = 7

    @property
    def ternary(self) -> bool:
        return self.architecture.startswith("bitnet")

    @property
    def gemma(self) -> bool:
        return self.architecture == "gemma3"

    @property
    def head_norms(self) -> bool:
        return self.architecture in ("qwen3", "gemma3")

    @property
    def turned(self) -> int:
        """Channels of a head that are rotated."""
        return self.rope_dims or self.head_dim


@dataclass
class TinyModel:
    """A drawn model: `weights` by the file's tensor names, matrices as rows x columns, as float64."""

    tiny: Tiny
    weights: dict[str, Array] = field(default_factory=dict)
    stored: dict[str, tuple[tuple[int, ...], TensorType, bytes]] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        tiny, writer = self.tiny, GgufWriter(path)
        at = tiny.architecture
        writer.text("general.architecture", at)
        writer.text("general.name", f"tiny {at}")
        for key, size in (
            ("block_count", tiny.layers),
            ("embedding_length", tiny.width),
            ("feed_forward_length", tiny.feed_forward),
            ("attention.head_count", tiny.heads),
            ("attention.head_count_kv", tiny.kv_heads),
            ("attention.key_length", tiny.head_dim),
            ("attention.value_length", tiny.head_dim),
            ("rope.dimension_count", tiny.turned),
            ("context_length", 4096),
        ):
            writer.integer(f"{at}.{key}", size)
        writer.real(f"{at}.attention.layer_norm_rms_epsilon", tiny.epsilon)
        writer.real(f"{at}.rope.freq_base", tiny.rope_base)
        if tiny.rope_linear:
            writer.text(f"{at}.rope.scaling.type", "linear")
            writer.real(f"{at}.rope.scaling.factor", tiny.rope_linear)
        if tiny.window:
            writer.integer(f"{at}.attention.sliding_window", tiny.window)
            writer.integer(f"{at}.attention.sliding_window_pattern", tiny.pattern)
            writer.real(f"{at}.rope.local.freq_base", tiny.local_rope_base)
        _write_tokenizer(writer, tiny.vocabulary)
        for name, (shape, kind, data) in self.stored.items():
            writer.tensor(name, shape, kind, _once(data))
        writer.write()
        return path


def _once(data: bytes) -> Callable[[], list[bytes]]:
    return lambda: [data]


def _write_tokenizer(writer: GgufWriter, size: int) -> None:
    """Any vocabulary: these models are given token numbers."""
    letters = [chr(0x4E00 + index) for index in range(size)]
    writer.text("tokenizer.ggml.model", "gpt2")
    writer.text("tokenizer.ggml.pre", "gpt-2")
    writer.texts("tokenizer.ggml.tokens", letters)
    writer.texts("tokenizer.ggml.merges", [])
    writer.integers("tokenizer.ggml.token_type", [1] * size)
    writer.integer("tokenizer.ggml.eos_token_id", 0)


def draw(tiny: Tiny) -> TinyModel:
    """The model of this description; the same each time."""
    rng, model = np.random.default_rng(tiny.seed), TinyModel(tiny)

    def put(name: str, shape: tuple[int, ...], kind: TensorType, data: bytes, values: Array) -> None:
        model.stored[name] = (shape, kind, data)
        model.weights[name] = values

    def vector(name: str, size: int, centre: float, spread: float) -> None:
        values = (centre + spread * rng.standard_normal(size)).astype(np.float32)
        put(name, (size,), TensorType.F32, values.tobytes(), values.astype(np.float64))

    def matrix(name: str, rows: int, columns: int, kind: TensorType, size: float) -> None:
        data, values = _random_matrix(rng, rows, columns, kind, size / np.sqrt(columns))
        put(name, (rows, columns), kind, data, values)

    query, key = tiny.heads * tiny.head_dim, tiny.kv_heads * tiny.head_dim
    matrix("token_embd.weight", tiny.vocabulary, tiny.width, tiny.head_kind, np.sqrt(tiny.width))
    vector("output_norm.weight", tiny.width, 1, 0.2)
    if not tiny.tied:
        matrix("output.weight", tiny.vocabulary, tiny.width, tiny.head_kind, 2)
    if tiny.rope_factors:
        factors = np.linspace(1, 8, tiny.turned // 2).astype(np.float32)
        put("rope_freqs.weight", factors.shape, TensorType.F32, factors.tobytes(), factors.astype(np.float64))
    for layer in range(tiny.layers):
        at = f"blk.{layer}."
        for name, rows, columns in (
            ("attn_q", query, tiny.width),
            ("attn_k", key, tiny.width),
            ("attn_v", key, tiny.width),
            ("attn_output", tiny.width, query),
            ("ffn_gate", tiny.feed_forward, tiny.width),
            ("ffn_up", tiny.feed_forward, tiny.width),
            ("ffn_down", tiny.width, tiny.feed_forward),
        ):
            # Queries and keys large enough that attention is not nearly even.
            matrix(f"{at}{name}.weight", rows, columns, tiny.kind, 1.6 if name in ("attn_q", "attn_k") else 1)
            if tiny.biases and name in ("attn_q", "attn_k", "attn_v"):
                vector(f"{at}{name}.bias", rows, 0, 0.5)
        vector(f"{at}attn_norm.weight", tiny.width, 1, 0.3)
        vector(f"{at}ffn_norm.weight", tiny.width, 1, 0.3)
        if tiny.ternary:
            vector(f"{at}attn_sub_norm.weight", query, 1, 0.3)
            vector(f"{at}ffn_sub_norm.weight", tiny.feed_forward, 1, 0.3)
        if tiny.head_norms:
            vector(f"{at}attn_q_norm.weight", tiny.head_dim, 1.3, 0.3)
            vector(f"{at}attn_k_norm.weight", tiny.head_dim, 1.3, 0.3)
        if tiny.gemma:
            vector(f"{at}post_attention_norm.weight", tiny.width, 0.7, 0.2)
            vector(f"{at}post_ffw_norm.weight", tiny.width, 0.7, 0.2)
    return model


def _random_matrix(
    rng: np.random.Generator, rows: int, columns: int, kind: TensorType, deviation: float
) -> tuple[bytes, Array]:
    """Bytes and what they decode to, with about this standard deviation."""
    if kind in PLAIN:
        data = encode((deviation * rng.standard_normal((rows, columns))).astype(np.float32), kind)
        return data, decode(data, kind, columns).astype(np.float64)
    if kind in (TensorType.TQ2_0, TensorType.I2_S):
        codes = rng.integers(-1, 2, (rows, columns)).astype(np.int8)
        scale = float(np.float32(np.float16(deviation * 1.22)))
        return encode_ternary(codes, scale, kind), codes * np.float64(scale)
    return _random_blocks(rng, rows, columns, kind, deviation)


# Of each type of blocks: where its halves lie, and what they are for weights of deviation 1 around 0.
_HALVES = {
    TensorType.Q4_0: {0: 1 / 4.6},
    TensorType.Q4_1: {0: 1 / 4.6, 2: -7.5 / 4.6},
    TensorType.Q5_0: {0: 1 / 9.2},
    TensorType.Q5_1: {0: 1 / 9.2, 2: -15.5 / 9.2},
    TensorType.Q4_K: {0: 1 / 240, 2: 7.5 / 240},
    TensorType.Q5_K: {0: 1 / 480, 2: 15.5 / 480},
    TensorType.Q6_K: {208: 1 / 1365},
    TensorType.TQ1_0: {52: 1.22},
}


def _random_blocks(
    rng: np.random.Generator, rows: int, columns: int, kind: TensorType, deviation: float
) -> tuple[bytes, Array]:
    elements, size = kind.block
    blocks = rng.integers(0, 256, (rows * columns // elements, size), dtype=np.uint8)
    for at, unit in _HALVES[kind].items():
        # BitNet's scale is one for a matrix; the others differ from block to block.
        spread = np.zeros(len(blocks)) if kind in TERNARY else rng.uniform(-0.3, 0.3, len(blocks))
        halves = (deviation * unit * (1 + spread)).astype("<f2")
        blocks[:, at : at + 2] = halves.view(np.uint8).reshape(-1, 2)
    data = blocks.tobytes()
    return data, decode(data, kind, columns).astype(np.float64)
