"""Which tensor of a published model becomes which tensor of a GGUF file, and of what shape.

Knows names and shapes. The whole list is fixed by the config: a tensor that is not in it, or that is
missing, or has another shape, is an error with its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nexus.core.errors import ModelCorruptError
from nexus.engine.convert.hf_config import HfConfig

# What some exports carry along and nobody computes with.
_IGNORED = re.compile(r"(\.rotary_emb\.inv_freq|\.attention\.bias|\.masked_bias)$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One tensor: `source` without its `.weight` or `.bias`."""

    source: str
    name: str
    part: str  # weight or bias
    shape: tuple[int, ...]
    heads: int = 0  # rows are reordered inside each of so many heads; 0: they stay
    linear: bool = False  # a matrix of a layer, which may be ternary

    @property
    def source_name(self) -> str:
        """In the checkpoint."""
        return f"{self.source}.{self.part}"

    @property
    def gguf_name(self) -> str:
        """In the GGUF file."""
        return f"{self.name}.{self.part}"


def wanted(config: HfConfig, present: Iterable[str]) -> list[Wanted]:
    """The tensors to write, in order. Raises `ModelCorruptError` where `present` does not fit the config."""
    left = {name for name in present if not _IGNORED.search(name)}
    found: list[Wanted] = []
    for item, needed in _all(config):
        if item.source_name in left:
            left.discard(item.source_name)
            left.discard(f"{item.source}.weight_scale")
            found.append(item)
        elif needed:
            raise ModelCorruptError(
                f"the weights lack the tensor {item.source_name}",
                hint="download all files of the folder again",
            )
    if config.tied:
        left.discard("lm_head.weight")
    if left:
        raise ModelCorruptError(
            f"the weights hold {len(left)} tensors that a {config.architecture} of {config.layers} layers "
            f"does not have, among them {min(left)}",
            hint="config.json and the weights are of different models, or of a variant that is not computed",
        )
    return found


def _all(config: HfConfig) -> Iterable[tuple[Wanted, bool]]:
    """Every tensor that there may be, and whether it must be."""
    words = (config.vocabulary, config.width)
    yield Wanted("model.embed_tokens", "token_embd", "weight", words), True
    query, key = config.heads * config.head_dim, config.kv_heads * config.head_dim
    turned = config.interleaved_rope
    matrices = [
        ("self_attn.q_proj", "attn_q", query, config.width, config.heads if turned else 0),
        ("self_attn.k_proj", "attn_k", key, config.width, config.kv_heads if turned else 0),
        ("self_attn.v_proj", "attn_v", key, config.width, 0),
        ("self_attn.o_proj", "attn_output", config.width, query, 0),
        ("mlp.gate_proj", "ffn_gate", config.feed_forward, config.width, 0),
        ("mlp.up_proj", "ffn_up", config.feed_forward, config.width, 0),
        ("mlp.down_proj", "ffn_down", config.width, config.feed_forward, 0),
    ]
    norms = [
        ("input_layernorm", "attn_norm", config.width),
        ("post_attention_layernorm", "ffn_norm", config.width),
    ]
    if config.ternary:
        norms.append(("self_attn.attn_sub_norm", "attn_sub_norm", query))
        norms.append(("mlp.ffn_sub_norm", "ffn_sub_norm", config.feed_forward))
    for layer in range(config.layers):
        theirs, ours = f"model.layers.{layer}.", f"blk.{layer}."
        for source, name, rows, columns, heads in matrices:
            yield Wanted(theirs + source, ours + name, "weight", (rows, columns), heads, linear=True), True
            yield Wanted(theirs + source, ours + name, "bias", (rows,), heads), False
        for source, name, size in norms:
            yield Wanted(theirs + source, ours + name, "weight", (size,)), True
    yield Wanted("model.norm", "output_norm", "weight", (config.width,)), True
    if not config.tied:
        yield Wanted("lm_head", "output", "weight", words), True
