"""What a model computes, written down once more in numpy and float64: the oracle of the engine.

Nothing is fast or clever here. Where the engine rounds by design (keys and values of full blocks to 8 bits,
activations that meet quantised weights to 8 bits) the same rounding can be switched on, so that what is left
to compare is only the order of sums in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nexus.engine.convert.tensor_types import TensorType
from tests.unit.engine.local.tiny_models import PLAIN, Array, Tiny, TinyModel

BLOCK = 128


@dataclass(frozen=True)
class Rounding:
    """`pages`: keys and values of blocks that are full by the end of a step are 8-bit. `activations`: what
    meets quantised weights is 8-bit, in groups of 32. (BitNet's activations always are, by definition.)"""

    pages: bool = True
    activations: bool = True


EXACT = Rounding(pages=False, activations=False)


def logits(
    model: TinyModel, tokens: Sequence[int], steps: Sequence[int], rounding: Rounding = Rounding()
) -> Array:
    """Of every token; they enter in steps of these sizes."""
    if sum(steps) != len(tokens):
        raise ValueError("the steps do not make up the tokens")
    tiny, weights = model.tiny, model.weights
    stream = weights["token_embd.weight"][list(tokens)]
    if tiny.gemma:
        stream = stream * math.sqrt(tiny.width)
    for layer in range(tiny.layers):
        at = f"blk.{layer}."
        update = _attention(
            model, layer, _norm(stream, weights[at + "attn_norm.weight"], tiny), steps, rounding
        )
        if tiny.gemma:
            update = _norm(update, weights[at + "post_attention_norm.weight"], tiny)
        stream = stream + update
        update = _feed_forward(model, at, _norm(stream, weights[at + "ffn_norm.weight"], tiny), rounding)
        if tiny.gemma:
            update = _norm(update, weights[at + "post_ffw_norm.weight"], tiny)
        stream = stream + update
    last = _norm(stream, weights["output_norm.weight"], tiny)
    head = "token_embd.weight" if tiny.tied else "output.weight"
    if rounding.activations and tiny.head_kind is not TensorType.F32 and not _is_float(tiny.head_kind):
        last = _round_groups(last)
    out: Array = last @ weights[head].T
    return out


def _is_float(kind: TensorType) -> bool:
    return kind in PLAIN and kind is not TensorType.Q8_0


def _norm(x: Array, weight: Array, tiny: Tiny) -> Array:
    size: Array = np.sqrt((x * x).mean(axis=-1, keepdims=True) + tiny.epsilon)
    return x / size * weight


def _round_groups(x: Array) -> Array:
    groups = x.reshape(-1, 32)
    scale = np.abs(groups).max(axis=1, keepdims=True) / 127
    scale[scale == 0] = 1
    rounded: Array = np.rint(groups / scale) * scale
    return rounded.reshape(x.shape)


def _round_tokens(x: Array) -> Array:
    """BitNet b1.58: 127 steps up to the token's largest magnitude."""
    scale = np.maximum(np.abs(x).max(axis=-1, keepdims=True), 1e-5) / 127
    rounded: Array = np.rint(x / scale) * scale
    return rounded


def _linear(model: TinyModel, name: str, x: Array, rounding: Rounding) -> Array:
    if model.tiny.ternary:
        x = _round_tokens(x)
    elif rounding.activations and not _is_float(model.tiny.kind):
        x = _round_groups(x)
    out: Array = x @ model.weights[name + ".weight"].T
    bias = model.weights.get(name + ".bias")
    return out if bias is None else out + bias


def _feed_forward(model: TinyModel, at: str, x: Array, rounding: Rounding) -> Array:
    gate = _linear(model, at + "ffn_gate", x, rounding)
    up = _linear(model, at + "ffn_up", x, rounding)
    if model.tiny.ternary:
        inner = np.maximum(gate, 0) ** 2 * up
        inner = _norm(inner, model.weights[at + "ffn_sub_norm.weight"], model.tiny)
    elif model.tiny.gemma:
        inner = 0.5 * gate * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3))) * up
    else:
        inner = gate / (1 + np.exp(-gate)) * up
    return _linear(model, at + "ffn_down", inner, rounding)


def _attention(model: TinyModel, layer: int, x: Array, steps: Sequence[int], rounding: Rounding) -> Array:
    tiny, at = model.tiny, f"blk.{layer}."
    count = len(x)
    q = _linear(model, at + "attn_q", x, rounding).reshape(count, tiny.heads, tiny.head_dim)
    k = _linear(model, at + "attn_k", x, rounding).reshape(count, tiny.kv_heads, tiny.head_dim)
    v = _linear(model, at + "attn_v", x, rounding).reshape(count, tiny.kv_heads, tiny.head_dim)
    if tiny.head_norms:
        q = _norm(q, model.weights[at + "attn_q_norm.weight"], tiny)
        k = _norm(k, model.weights[at + "attn_k_norm.weight"], tiny)
    local = tiny.window > 0 and (layer + 1) % tiny.pattern != 0
    position = np.arange(count, dtype=np.float64)
    q = _turn(model, q, position, local)
    keys, values = _turn(model, k, position, local), v
    paged_keys, paged_values = _as_pages(model, k, v, local)
    out = np.empty_like(q)
    begin = 0
    for step in steps:
        end = begin + step
        full = end // BLOCK * BLOCK if rounding.pages else 0
        seen_k = np.concatenate([paged_keys[:full], keys[full:end]])
        seen_v = np.concatenate([paged_values[:full], values[full:end]])
        out[begin:end] = _attend(tiny, q[begin:end], seen_k, seen_v, begin, tiny.window if local else 0)
        begin = end
    joined = out.reshape(count, -1)
    if tiny.ternary:
        joined = _norm(joined, model.weights[at + "attn_sub_norm.weight"], tiny)
    return _linear(model, at + "attn_output", joined, rounding)


def _attend(tiny: Tiny, q: Array, k: Array, v: Array, begin: int, window: int) -> Array:
    group = tiny.heads // tiny.kv_heads
    # Heads first: queries of a head with its keys.
    heads_k, heads_v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = q.transpose(1, 0, 2) @ heads_k.transpose(1, 2, 0) / math.sqrt(tiny.head_dim)
    distance = (begin + np.arange(len(q)))[:, None] - np.arange(len(k))[None, :]
    hidden = distance < 0
    if window:
        hidden |= distance >= window
    scores = np.where(hidden, -np.inf, scores)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    out: Array = (weights @ heads_v.transpose(1, 0, 2)).transpose(1, 0, 2)
    return out


def _turn(model: TinyModel, x: Array, position: Array, local: bool) -> Array:
    """x: tokens x heads x head_dim. Angle of pair i: position * base^(-2i / dims) / factors[i]."""
    tiny = model.tiny
    pairs = tiny.turned // 2
    base = tiny.local_rope_base if local else tiny.rope_base
    frequency = base ** (-np.arange(pairs) / pairs)
    if not local and tiny.rope_linear:
        frequency = frequency / tiny.rope_linear
    factors = model.weights.get("rope_freqs.weight")
    if factors is not None:
        frequency = frequency / factors
    angle = (position[:, None] * frequency[None, :])[:, None, :]
    out = x.copy()
    if tiny.architecture == "llama":
        first, second = slice(0, tiny.turned, 2), slice(1, tiny.turned, 2)
    else:
        first, second = slice(0, pairs), slice(pairs, tiny.turned)
    a, b = x[..., first], x[..., second]
    out[..., first] = a * np.cos(angle) - b * np.sin(angle)
    out[..., second] = b * np.cos(angle) + a * np.sin(angle)
    return out


def _as_pages(model: TinyModel, k: Array, v: Array, local: bool) -> tuple[Array, Array]:
    """Keys (turned to their positions) and values after a page has rounded them to 8 bits: keys turned by
    their offset in the block with a half-precision scale for each channel, values with one for each token."""
    position = np.arange(len(k), dtype=np.float64)
    turned = _turn(model, k, position % BLOCK, local)
    for first in range(0, len(k) // BLOCK * BLOCK, BLOCK):
        block = turned[first : first + BLOCK]
        scale = _half(np.abs(block).max(axis=0, keepdims=True) / 127)
        turned[first : first + BLOCK] = np.clip(np.rint(block / scale), -127, 127) * scale
    scale = _half(np.abs(v).max(axis=-1, keepdims=True) / 127)
    values = np.clip(np.rint(v / scale), -127, 127) * scale
    return _turn(model, turned, position // BLOCK * BLOCK, local), values


def _half(x: Array) -> Array:
    return x.astype(np.float32).astype(np.float16).astype(np.float64)
