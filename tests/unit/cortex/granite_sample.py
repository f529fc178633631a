"""A granite pack of toy size, and what its encoder computes, written down directly."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from nexus.cortex.granite_ranges import SITES, Ranges, fitted

HIDDEN, HEADS, INNER, LAYERS, WORDS, POSITIONS, GROUP = 16, 2, 32, 2, 50, 20, 8


def tensors(seed: int = 5) -> dict[str, np.ndarray]:
    """All tensors by name, float32."""
    random = np.random.default_rng(seed)
    shapes = {
        "word_emb": (WORDS, HIDDEN),
        "pos_emb": (POSITIONS, HIDDEN),
        "type_emb": (2, HIDDEN),
        "emb_ln.w": (HIDDEN,),
        "emb_ln.b": (HIDDEN,),
    }
    for layer in range(LAYERS):
        shapes |= {
            f"l{layer}.qkv.w": (3 * HIDDEN, HIDDEN),
            f"l{layer}.qkv.b": (3 * HIDDEN,),
            f"l{layer}.ao.w": (HIDDEN, HIDDEN),
            f"l{layer}.ao.b": (HIDDEN,),
            f"l{layer}.aln.w": (HIDDEN,),
            f"l{layer}.aln.b": (HIDDEN,),
            f"l{layer}.f1.w": (INNER, HIDDEN),
            f"l{layer}.f1.b": (INNER,),
            f"l{layer}.f2.w": (HIDDEN, INNER),
            f"l{layer}.f2.b": (HIDDEN,),
            f"l{layer}.fln.w": (HIDDEN,),
            f"l{layer}.fln.b": (HIDDEN,),
        }
    found = {n: random.normal(0, 0.5, s).astype(np.float32) for n, s in shapes.items()}
    for name in found:
        if name.endswith("ln.w"):
            found[name] += 1
    return found


def header() -> dict[str, Any]:
    """The header without its list of tensors."""
    return {
        "format": 1,
        "meta": {"pooling": "cls", "normalize": True},
        "arch": {
            "hidden": HIDDEN,
            "layers": LAYERS,
            "heads": HEADS,
            "intermediate": INNER,
            "vocab": WORDS,
            "max_positions": POSITIONS,
            "type_vocab": 2,
            "layer_norm_eps": 1e-12,
            "position_offset": 2,
        },
    }


def pack(weights: dict[str, np.ndarray], tokenizer: bytes = b'{"toy": 1}') -> tuple[dict[str, Any], bytes]:
    """Header and body of a pack; matrices are stored as int8 in groups, `weights` made to match."""
    entries, body = [], tokenizer
    for name, values in weights.items():
        group = GROUP if name == "word_emb" or name.endswith(("qkv.w", "ao.w", "f1.w", "f2.w")) else 0
        if group:
            rows = values.reshape(-1, group)
            scale = (np.abs(rows).max(axis=1) / 127).astype("<f4")
            whole = np.rint(rows / scale[:, None]).astype(np.int8)
            weights[name] = (whole.astype(np.float32) * scale[:, None]).reshape(values.shape)
            data = whole.tobytes() + scale.tobytes()
        else:
            data = values.astype("<f4").tobytes()
        entries.append(
            {
                "name": name,
                "dtype": "i8" if group else "f32",
                "shape": list(values.shape),
                "len": len(data),
                "group": group,
            }
        )
        body += data
    return {**header(), "tokenizer_len": len(tokenizer), "tensors": entries}, body


def joined(head: object, body: bytes) -> bytes:
    """The pack's bytes."""
    text = json.dumps(head).encode()
    return b"HMSEMB01" + struct.pack("<Q", len(text)) + text + body


def encode(weights: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The normalised first state of one unpadded sequence, in float64."""
    first = states(weights, ids)[-1][0]
    vector: np.ndarray = first / np.linalg.norm(first)
    return vector


def ranges(weights: dict[str, np.ndarray]) -> Ranges:
    """What the matrices are given, seen on a hundred random sequences."""
    low: dict[tuple[int, str], np.ndarray] = {}
    high: dict[tuple[int, str], np.ndarray] = {}

    def saw(site: tuple[int, str], x: np.ndarray) -> None:
        low[site] = np.minimum(low.get(site, x.min(0)), x.min(0))
        high[site] = np.maximum(high.get(site, x.max(0)), x.max(0))

    random = np.random.default_rng(9)
    for _ in range(100):
        states(weights, random.integers(0, WORDS, random.integers(1, POSITIONS - 1)).tolist(), saw)
    matrices = {(layer, site): weights[f"l{layer}.{site}.w"] for layer in range(LAYERS) for site in SITES}
    return Ranges(fitted(low, high, matrices), HIDDEN, INNER)


def states(
    weights: dict[str, np.ndarray],
    ids: list[int],
    saw: Callable[[tuple[int, str], np.ndarray], None] = lambda site, x: None,
) -> list[np.ndarray]:
    """The states (tokens, HIDDEN) before the first and after each layer; `saw` gets the matrices' inputs."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}

    def normal(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[name + ".w"] + w[name + ".b"]

    def linear(x: np.ndarray, layer: int, site: str) -> np.ndarray:
        saw((layer, site), x)
        return x @ w[f"l{layer}.{site}.w"].T + w[f"l{layer}.{site}.b"]

    places = np.arange(len(ids)) + 2
    x = normal(w["word_emb"][ids] + w["pos_emb"][places] + w["type_emb"][0], "emb_ln")
    found = [x]
    for layer in range(LAYERS):
        q, k, v = (
            part.reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for part in np.split(linear(x, layer, "qkv"), 3, axis=-1)
        )
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(HIDDEN // HEADS)
        weight = np.exp(scores - scores.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        mixed = (weight @ v).transpose(1, 0, 2).reshape(len(ids), HIDDEN)
        x = normal(x + linear(mixed, layer, "ao"), f"l{layer}.aln")
        inner = linear(x, layer, "f1")
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = normal(x + linear(inner, layer, "f2"), f"l{layer}.fln")
        found.append(x)
    return found
