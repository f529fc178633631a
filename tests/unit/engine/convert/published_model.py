"""Small random models in the form in which model hubs publish them: a folder with config.json,
tokenizer.json and safetensors. Written here byte by byte, so that any of it can be wrong on purpose."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "vocab_size": 40,
    "tie_word_embeddings": False,
}
QWEN2 = {**LLAMA, "architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": True}
BITNET = {
    **LLAMA,
    "architectures": ["BitNetForCausalLM"],
    "hidden_act": "relu2",
    "hidden_size": 256,
    "intermediate_size": 512,
    "tie_word_embeddings": True,
    "quantization_config": {
        "quant_method": "bitnet",
        "linear_class": "autobitlinear",
        "quantization_mode": "offline",
    },
}
_DTYPES = {"float32": "F32", "float16": "F16", "uint16": "BF16", "uint8": "U8", "int8": "I8", "int64": "I64"}
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """BF16 is given as uint16."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        start, data = len(data), data + tensor.tobytes()
        facts = {"dtype": _DTYPES[tensor.dtype.name], "shape": list(tensor.shape)}
        header[name] = {**facts, "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def bf16(values: np.ndarray) -> np.ndarray:
    """Cut off, not rounded: fit for making test weights."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


def widened(values: np.ndarray) -> np.ndarray:
    return (values.astype(np.uint32) << 16).view(np.float32)


def random_weights(config: dict[str, Any], *, biases: bool = False) -> dict[str, np.ndarray]:
    """f32 weights by their published names."""
    random = np.random.default_rng(4)
    width, inner = config["hidden_size"], config["intermediate_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], width)}
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        for name, rows, columns in [
            ("self_attn.q_proj", width, width),
            ("self_attn.k_proj", keys, width),
            ("self_attn.v_proj", keys, width),
            ("self_attn.o_proj", width, width),
            ("mlp.gate_proj", inner, width),
            ("mlp.up_proj", inner, width),
            ("mlp.down_proj", width, inner),
        ]:
            shapes[f"{at}{name}.weight"] = (rows, columns)
            if biases and name[-6] in "qkv" and "attn" in name:
                shapes[f"{at}{name}.bias"] = (rows,)
        shapes[at + "input_layernorm.weight"] = shapes[at + "post_attention_layernorm.weight"] = (width,)
        if config["architectures"] == ["BitNetForCausalLM"]:
            shapes[at + "self_attn.attn_sub_norm.weight"] = (width,)
            shapes[at + "mlp.ffn_sub_norm.weight"] = (inner,)
    shapes["model.norm.weight"] = (width,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], width)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def byte_level_tokenizer(words: str = LLAMA3_WORDS) -> dict[str, Any]:
    vocabulary = {token: number for number, token in enumerate("abcdefghij")}
    vocabulary |= {"ab": 10, "Ġa": 11, "Ġ": 12, "Ġab": 13}
    return {
        "added_tokens": [
            {"id": 14, "content": "<|begin|>", "special": True},
            {"id": 15, "content": "<|end|>", "special": True},
            {"id": 16, "content": "<tool>", "special": False},
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": words}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "model": {
            "type": "BPE",
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [["a", "b"], ["Ġ", "a"], ["Ġ", "ab"]],
        },
    }


def piece_tokenizer() -> dict[str, Any]:
    pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "b", "ab", "▁ab", "c"]
    return {
        "added_tokens": [{"id": number, "content": pieces[number], "special": True} for number in range(3)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
        },
        "model": {
            "type": "BPE",
            "byte_fallback": True,
            "unk_token": "<unk>",
            "vocab": {piece: number for number, piece in enumerate(pieces)},
            "merges": ["a b", "▁ ab"],
        },
    }


def publish(
    folder: Path,
    config: dict[str, Any],
    weights: dict[str, np.ndarray],
    *,
    tokenizer: dict[str, Any] | None = None,
    files: dict[str, Any] | None = None,
) -> Path:
    """Write the folder; `files` are further JSON files by name."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer or byte_level_tokenizer()))
    for name, content in (files or {}).items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    write_safetensors(folder / "model.safetensors", weights)
    return folder
