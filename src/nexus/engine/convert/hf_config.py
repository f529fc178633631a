"""`config.json` of a published model: what it is and which of its settings the engine computes.

Knows settings, not weights. A setting that changes the numbers and is not known here is refused by
name: a model that is converted computes what its makers meant, or it is not converted.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError
from nexus.engine.convert.gguf_writer import GgufWriter

# The class that the makers name: our name of the architecture, its activation.
ARCHITECTURES = {
    "LlamaForCausalLM": ("llama", "silu"),
    "MistralForCausalLM": ("llama", "silu"),
    "Qwen2ForCausalLM": ("qwen2", "silu"),
    "BitNetForCausalLM": ("bitnet-b1.58", "relu2"),
}


@dataclass(frozen=True, slots=True)
class HfConfig:
    """Sizes and variants of one model."""

    architecture: str
    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    context: int
    epsilon: float
    rope: dict[str, Any]  # rope_theta and, if scaled, rope_type with its factors
    sliding_window: int | None
    tied: bool
    inverse_scales: bool  # packed ternary weights are divided by their scale, not multiplied
    source: dict[str, Any]

    @property
    def ternary(self) -> bool:
        """Whether the linear layers compute with ternary weights."""
        return self.architecture == "bitnet-b1.58"

    @property
    def interleaved_rope(self) -> bool:
        """Whether the GGUF architecture turns neighbouring pairs, so that rows must be reordered."""
        return self.architecture == "llama"

    @classmethod
    def read(cls, folder: Path) -> HfConfig:
        """Raises `ModelMissingError`, `ModelCorruptError`, or `InvalidInputError` for unknown settings."""
        source = read_json(folder / "config.json", needed=True)
        classes = source.get("architectures")
        classes = [str(name) for name in classes] if isinstance(classes, list) else []
        known = ARCHITECTURES.get(classes[0] if classes else "")
        if known is None:
            raise InvalidInputError(
                f"the model in {folder} is a {', '.join(classes) or 'model of no named class'}",
                hint=f"convertible are {', '.join(ARCHITECTURES)}",
            )
        architecture, activation = known
        _expect(source, "hidden_act", activation, activation)
        _expect(source, "partial_rotary_factor", 1.0, 1.0)
        _expect(source, "use_sliding_window", False, False)
        _expect(source, "rope_interleaved", False, False)
        width, heads = _size(source, "hidden_size"), _size(source, "num_attention_heads")
        windowed = classes[0] == "MistralForCausalLM" and source.get("sliding_window")
        packing = _object(source, "quantization_config")
        if packing and packing.get("quant_method") != "bitnet":
            raise InvalidInputError(
                f"the weights in {folder} are quantised with {packing.get('quant_method')}",
                hint="convert the model's original weights",
            )
        return cls(
            architecture=architecture,
            name=str(source.get("_name_or_path") or "").rstrip("/").rpartition("/")[2]
            or folder.resolve().name,
            layers=_size(source, "num_hidden_layers"),
            width=width,
            feed_forward=_size(source, "intermediate_size"),
            heads=heads,
            kv_heads=_size(source, "num_key_value_heads", heads),
            head_dim=_size(source, "head_dim", width // heads),
            vocabulary=_size(source, "vocab_size"),
            context=_size(source, "max_position_embeddings"),
            epsilon=_positive(source, "rms_norm_eps", 1e-6),
            rope=_rope(source),
            sliding_window=_size(source, "sliding_window") if windowed else None,
            tied=bool(source.get("tie_word_embeddings", False)),
            inverse_scales=packing.get("linear_class", "bitlinear") == "bitlinear",
            source=source,
        )

    def describe(self, writer: GgufWriter) -> None:
        """Declare the architecture's keys."""
        prefix = self.architecture
        writer.text("general.architecture", prefix)
        writer.text("general.name", self.name)
        writer.integer(f"{prefix}.vocab_size", self.vocabulary)
        writer.integer(f"{prefix}.context_length", self.context)
        writer.integer(f"{prefix}.embedding_length", self.width)
        writer.integer(f"{prefix}.block_count", self.layers)
        writer.integer(f"{prefix}.feed_forward_length", self.feed_forward)
        writer.integer(f"{prefix}.attention.head_count", self.heads)
        writer.integer(f"{prefix}.attention.head_count_kv", self.kv_heads)
        writer.real(f"{prefix}.attention.layer_norm_rms_epsilon", self.epsilon)
        writer.integer(f"{prefix}.rope.dimension_count", self.head_dim)
        writer.real(f"{prefix}.rope.freq_base", self.rope["rope_theta"])
        if self.head_dim * self.heads != self.width:
            writer.integer(f"{prefix}.attention.key_length", self.head_dim)
            writer.integer(f"{prefix}.attention.value_length", self.head_dim)
        if self.sliding_window is not None:
            writer.integer(f"{prefix}.attention.sliding_window", self.sliding_window)
        if self.rope["rope_type"] == "linear":
            writer.text(f"{prefix}.rope.scaling.type", "linear")
            writer.real(f"{prefix}.rope.scaling.factor", self.rope["factor"])

    def rope_factors(self) -> list[float] | None:
        """Llama 3: what each pair's frequency is divided by. None for the others."""
        if self.rope["rope_type"] != "llama3":
            return None
        factor, low, high = (self.rope[key] for key in ("factor", "low_freq_factor", "high_freq_factor"))
        original = self.rope["original_max_position_embeddings"]
        factors = []
        for pair in range(self.head_dim // 2):
            wave = 2 * math.pi * self.rope["rope_theta"] ** (2 * pair / self.head_dim)
            blend = (original / wave - low) / (high - low)
            if wave < original / high:
                factors.append(1.0)
            elif wave > original / low:
                factors.append(float(factor))
            else:
                factors.append(1 / ((1 - blend) / factor + blend))
        return factors


def read_json(path: Path, *, needed: bool = False) -> dict[str, Any]:
    """The object in a JSON file; {} where it is not there and not `needed`."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        if not needed:
            return {}
        raise ModelMissingError(
            f"{path} does not exist", hint="name a folder with config.json, tokenizer.json and *.safetensors"
        ) from error
    except OSError as error:
        raise ModelMissingError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelCorruptError(f"{path} is not JSON: {error}", hint="download it again") from error
    if not isinstance(value, dict):
        raise ModelCorruptError(f"{path} holds no JSON object", hint="download it again")
    return value


def _rope(source: dict[str, Any]) -> dict[str, Any]:
    """rope_theta, rope_type and factors from any of the three ways in which configs say them."""
    scaling = _object(source, "rope_parameters") or _object(source, "rope_scaling")
    rope = {"rope_theta": source.get("rope_theta", 10000.0), **scaling}
    rope["rope_type"] = str(scaling.get("rope_type", scaling.get("type", "default")))
    needed = {
        "default": ("rope_theta",),
        "linear": ("rope_theta", "factor"),
        "llama3": ("rope_theta", "factor", "low_freq_factor", "high_freq_factor"),
    }.get(rope["rope_type"])
    if needed is None:
        raise InvalidInputError(
            f"config.json asks for the rope scaling {rope['rope_type']!r}",
            hint="computed are default, linear and llama3",
        )
    if rope["rope_type"] == "llama3":
        rope.setdefault("original_max_position_embeddings", source.get("max_position_embeddings"))
        needed = (*needed, "original_max_position_embeddings")
    for key in needed:
        rope[key] = _positive(rope, key)
    if rope["rope_type"] == "llama3" and rope["low_freq_factor"] >= rope["high_freq_factor"]:
        raise ModelCorruptError("config.json: low_freq_factor is not below high_freq_factor")
    return rope


def _object(source: dict[str, Any], key: str) -> dict[str, Any]:
    value = source.get(key) or {}
    if not isinstance(value, dict):
        raise ModelCorruptError(f"config.json has {key} = {value!r}, no object", hint="download it again")
    return value


def _expect(source: dict[str, Any], key: str, wanted: object, default: object) -> None:
    if source.get(key, default) not in (wanted, None):
        raise InvalidInputError(
            f"config.json has {key} = {source[key]!r}", hint=f"the engine computes this model with {wanted!r}"
        )


def _size(source: dict[str, Any], key: str, default: int | None = None) -> int:
    value = source.get(key)
    value = default if value is None else value
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ModelCorruptError(f"config.json has {key} = {value!r}, not a size", hint="download it again")
    return value


def _positive(source: dict[str, Any], key: str, default: float | None = None) -> float:
    value = source.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ModelCorruptError(f"config.json has {key} = {value!r}, not a positive number")
    return float(value)
