"""A published folder becomes a GGUF file with the right keys, names and weights, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError
from nexus.engine.convert.from_safetensors import Kind, convert
from nexus.engine.convert.gguf_reader import GgufReader
from nexus.engine.convert.tensor_types import TensorType
from tests.unit.engine.convert.published_model import (
    BITNET,
    LLAMA,
    QWEN2,
    bf16,
    publish,
    random_weights,
    widened,
    write_safetensors,
)


def _tensors(path: Path) -> dict[str, tuple[TensorType, np.ndarray]]:
    with GgufReader(path) as reader:
        return {
            tensor.name: (tensor.kind, reader.rows(tensor, 0, tensor.rows).reshape(tensor.shape))
            for tensor in reader.tensors
        }


def _neighbours(rows: np.ndarray, heads: int) -> np.ndarray:
    """The definition: row i and row i + d/2 of a head come to lie at 2i and 2i + 1."""
    size = len(rows) // heads
    order = [
        head * size + part * size // 2 + pair
        for head in range(heads)
        for pair in range(size // 2)
        for part in (0, 1)
    ]
    return rows[order]


def test_a_llama_has_its_weights_under_their_new_names(tmp_path: Path) -> None:
    weights = random_weights(LLAMA)
    folder = publish(tmp_path / "my-llama", LLAMA, weights)
    done = convert(folder, tmp_path / "out.gguf", "f32")
    assert (done.architecture, done.kind, done.tensors, done.notes) == ("llama", "F32", 21, ())
    found = _tensors(tmp_path / "out.gguf")
    assert len(found) == 21
    assert np.array_equal(found["token_embd.weight"][1], weights["model.embed_tokens.weight"])
    assert np.array_equal(found["output.weight"][1], weights["lm_head.weight"])
    assert np.array_equal(found["output_norm.weight"][1], weights["model.norm.weight"])
    for layer in range(2):
        theirs, ours = f"model.layers.{layer}.", f"blk.{layer}."
        for source, name in [
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
        ]:
            assert np.array_equal(found[f"{ours}{name}.weight"][1], weights[f"{theirs}{source}.weight"])
        query, key = weights[theirs + "self_attn.q_proj.weight"], weights[theirs + "self_attn.k_proj.weight"]
        assert np.array_equal(found[ours + "attn_q.weight"][1], _neighbours(query, 4))
        assert np.array_equal(found[ours + "attn_k.weight"][1], _neighbours(key, 2))


def test_a_llama_says_what_it_is(tmp_path: Path) -> None:
    config = {**LLAMA, "head_dim": 16, "rope_theta": 500000.0}
    convert(publish(tmp_path / "my-llama", config, random_weights(LLAMA)), tmp_path / "out.gguf")
    with GgufReader(tmp_path / "out.gguf") as reader:
        assert reader.text("general.architecture") == "llama"
        assert reader.text("general.name") == "my-llama"
        sizes = {
            "vocab_size": 40,
            "context_length": 512,
            "embedding_length": 64,
            "block_count": 2,
            "feed_forward_length": 96,
            "attention.head_count": 4,
            "attention.head_count_kv": 2,
            "rope.dimension_count": 16,
        }
        assert {key: reader.integer(f"llama.{key}") for key in sizes} == sizes
        assert reader.integer("general.file_type") == 1
        assert "llama.attention.key_length" not in reader.values


def test_a_qwen2_keeps_its_rows_and_has_biases_and_no_output(tmp_path: Path) -> None:
    weights = random_weights(QWEN2, biases=True)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]  # some exports repeat a tied matrix
    convert(publish(tmp_path / "qwen", QWEN2, weights), tmp_path / "out.gguf", "f32")
    found = _tensors(tmp_path / "out.gguf")
    assert "output.weight" not in found
    for name in "qkv":
        for part in ("weight", "bias"):
            source = weights[f"model.layers.1.self_attn.{name}_proj.{part}"]
            assert np.array_equal(found[f"blk.1.attn_{name}.{part}"][1], source)


def test_a_llama_with_biases_reorders_them_too(tmp_path: Path) -> None:
    weights = random_weights(LLAMA, biases=True)
    convert(publish(tmp_path / "m", LLAMA, weights), tmp_path / "out.gguf", "bf16")
    kind, bias = _tensors(tmp_path / "out.gguf")["blk.0.attn_k.bias"]
    assert kind is TensorType.F32
    assert np.array_equal(bias, _neighbours(weights["model.layers.0.self_attn.k_proj.bias"], 2))


@pytest.mark.parametrize(
    ("kind", "stored", "tolerance"),
    [("f16", TensorType.F16, 2**-11), ("bf16", TensorType.BF16, 2**-8), ("q8_0", TensorType.Q8_0, 2**-5)],
)
def test_matrices_have_the_kind_and_vectors_are_f32(
    kind: Kind, stored: TensorType, tolerance: float, tmp_path: Path
) -> None:
    weights = random_weights(LLAMA)
    done = convert(publish(tmp_path / "m", LLAMA, weights), tmp_path / "out.gguf", kind)
    assert done.size == (tmp_path / "out.gguf").stat().st_size
    for name, (found, values) in _tensors(tmp_path / "out.gguf").items():
        assert found is (TensorType.F32 if values.ndim == 1 else stored), name
    up = _tensors(tmp_path / "out.gguf")["blk.1.ffn_up.weight"][1]
    assert np.abs(up - weights["model.layers.1.mlp.up_proj.weight"]).max() <= 4 * tolerance


def test_auto_keeps_the_precision_of_the_weights(tmp_path: Path) -> None:
    weights = random_weights(LLAMA)
    brain = {name: bf16(values) for name, values in weights.items()}
    assert convert(publish(tmp_path / "m", LLAMA, brain), tmp_path / "out.gguf").kind == "BF16"
    down = _tensors(tmp_path / "out.gguf")["blk.0.ffn_down.weight"][1]
    assert np.array_equal(down, widened(brain["model.layers.0.mlp.down_proj.weight"]))
    assert convert(publish(tmp_path / "m", LLAMA, weights), tmp_path / "out.gguf").kind == "F16"


def test_a_matrix_that_has_no_whole_blocks_is_told(tmp_path: Path) -> None:
    config = {**LLAMA, "intermediate_size": 80}
    done = convert(publish(tmp_path / "m", config, random_weights(config)), tmp_path / "out.gguf", "q8_0")
    assert len(done.notes) == 2
    assert "blk.0.ffn_down.weight is F16: its 80 columns" in done.notes[0]
    assert _tensors(tmp_path / "out.gguf")["blk.0.ffn_down.weight"][0] is TensorType.F16


def test_weights_in_several_files_are_one_model(tmp_path: Path) -> None:
    weights = random_weights(LLAMA)
    folder = publish(tmp_path / "m", LLAMA, weights)
    names = sorted(weights)
    (folder / "model.safetensors").unlink()
    write_safetensors(folder / "model-1.safetensors", {name: weights[name] for name in names[:9]})
    write_safetensors(folder / "model-2.safetensors", {name: weights[name] for name in names[9:]})
    assert convert(folder, tmp_path / "out.gguf").tensors == 21
    write_safetensors(folder / "model-3.safetensors", {names[0]: weights[names[0]]})
    with pytest.raises(ModelCorruptError, match=r"is in model-1.safetensors and in model-3.safetensors"):
        convert(folder, tmp_path / "other.gguf")


def _packed(codes: np.ndarray) -> np.ndarray:
    """Four quarters of the rows, two bits each, the first in the lowest bits."""
    quarters = (codes + 1).astype(np.uint8).reshape(4, -1, codes.shape[1])
    packed: np.ndarray = quarters[0] | quarters[1] << 2 | quarters[2] << 4 | quarters[3] << 6
    return packed


def _bitnet(folder: Path, config: dict[str, Any] = BITNET) -> tuple[Path, dict[str, np.ndarray]]:
    """A folder with packed weights, and the codes by name."""
    weights = random_weights(config)
    codes = {}
    for name in [name for name in weights if "_proj" in name]:
        codes[name] = (
            np.random.default_rng(len(name)).integers(-1, 2, size=weights[name].shape).astype(np.int8)
        )
        weights[name] = _packed(codes[name])
        weights[name.replace(".weight", ".weight_scale")] = bf16(np.array([1.5]))
    return publish(folder, config, weights), codes


@pytest.mark.parametrize(
    ("kind", "stored"), [("auto", TensorType.I2_S), ("tq2_0", TensorType.TQ2_0), ("f16", TensorType.F16)]
)
def test_packed_ternary_weights_are_kept_exactly(kind: Kind, stored: TensorType, tmp_path: Path) -> None:
    folder, codes = _bitnet(tmp_path / "bitnet")
    convert(folder, tmp_path / "out.gguf", kind)
    found = _tensors(tmp_path / "out.gguf")
    for source, name in [
        ("self_attn.q_proj", "attn_q"),  # this architecture pairs halves: nothing is reordered
        ("self_attn.k_proj", "attn_k"),
        ("mlp.down_proj", "ffn_down"),
    ]:
        kept, values = found[f"blk.1.{name}.weight"]
        assert kept is stored
        assert np.array_equal(values, codes[f"model.layers.1.{source}.weight"] * np.float32(1.5))
    assert found["token_embd.weight"][0] is TensorType.F16
    assert found["blk.0.attn_sub_norm.weight"][1].shape == (256,)
    assert found["blk.0.ffn_sub_norm.weight"][1].shape == (512,)
    assert "output.weight" not in found


def test_the_older_packing_divides_by_its_scale_and_a_llama_is_reordered(tmp_path: Path) -> None:
    config = {
        **BITNET,
        "architectures": ["LlamaForCausalLM"],
        "hidden_act": "silu",
        "quantization_config": {"quant_method": "bitnet"},
    }
    folder, codes = _bitnet(tmp_path / "m", config)
    done = convert(folder, tmp_path / "out.gguf")
    assert (done.architecture, done.kind) == ("llama", "I2_S")
    expected = _neighbours(codes["model.layers.0.self_attn.q_proj.weight"], 4) * (
        np.float32(1) / np.float32(1.5)
    )
    assert np.array_equal(_tensors(tmp_path / "out.gguf")["blk.0.attn_q.weight"][1], expected)


def test_unpacked_bitnet_weights_are_made_ternary_as_in_training(tmp_path: Path) -> None:
    weights = random_weights(BITNET)
    convert(publish(tmp_path / "m", BITNET, weights), tmp_path / "out.gguf")
    kind, values = _tensors(tmp_path / "out.gguf")["blk.0.ffn_gate.weight"]
    source = weights["model.layers.0.mlp.gate_proj.weight"]
    scale = np.abs(source).mean()
    assert kind is TensorType.I2_S
    assert np.allclose(np.abs(values).max(), scale)
    assert (np.round(values / scale) == np.clip(np.round(source / scale), -1, 1)).mean() > 0.9999


def test_linear_and_llama3_rope_scaling_are_written(tmp_path: Path) -> None:
    weights = random_weights(LLAMA)
    linear = {**LLAMA, "rope_scaling": {"type": "linear", "factor": 4.0}}
    convert(publish(tmp_path / "m", linear, weights), tmp_path / "out.gguf")
    with GgufReader(tmp_path / "out.gguf") as reader:
        assert reader.text("llama.rope.scaling.type") == "linear"
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
        "rope_theta": 10000.0,
    }
    config = {key: value for key, value in LLAMA.items() if key != "rope_theta"}
    convert(publish(tmp_path / "m", {**config, "rope_parameters": scaling}, weights), tmp_path / "out.gguf")
    factors = _tensors(tmp_path / "out.gguf")["rope_freqs.weight"][1]
    assert factors.shape == (8,)
    assert factors[0] == 1.0  # its wave is shorter than 64 / 4
    assert 1 < factors[1] < 8  # between
    assert (factors[4:] == 8.0).all()  # longer than 64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["GPTNeoXForCausalLM"]}, "is a GPTNeoXForCausalLM"),
        ({"architectures": []}, "no named class"),
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "rope scaling 'yarn'"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised with gptq"),
        ({"hidden_size": 0}, "hidden_size = 0"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers = 'two'"),
        ({"rms_norm_eps": -1}, "rms_norm_eps = -1"),
        ({"quantization_config": "gptq"}, "quantization_config = 'gptq', no object"),
        ({"rope_scaling": [1]}, "rope_scaling"),
        ({"architectures": 5}, "no named class"),
        ({"rope_theta": True}, "rope_theta = True"),
        ({"num_hidden_layers": 3}, "lack the tensor model.layers.2"),
        ({"num_hidden_layers": 1}, "hold 9 tensors .* among them model.layers.1"),
        ({"vocab_size": 41}, r"shape \(40, 64\), config.json makes it \(41, 64\)"),
        ({"vocab_size": 10}, "id 10, the model's embedding has 10 rows"),
    ],
)
def test_a_config_that_is_not_computed_or_does_not_fit_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = publish(tmp_path / "m", {**LLAMA, **change}, random_weights(LLAMA))
    with pytest.raises((InvalidInputError, ModelCorruptError), match=said):
        convert(folder, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path) -> None:
    weights = random_weights(LLAMA)
    weights["model.layers.1.mlp.up_proj.weight"][3, 3] = np.nan
    with pytest.raises(InvalidInputError, match=r"layers.1.mlp.up_proj.weight .* not a finite number"):
        convert(publish(tmp_path / "m", LLAMA, weights), tmp_path / "out.gguf")
    weights["model.layers.1.mlp.up_proj.weight"][3, 3] = 1e5
    with pytest.raises(InvalidInputError, match="too large for half precision"):
        convert(publish(tmp_path / "m", LLAMA, weights), tmp_path / "out.gguf", "f16")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_ternary_kinds_are_for_ternary_weights(tmp_path: Path) -> None:
    folder = publish(tmp_path / "m", LLAMA, random_weights(LLAMA))
    with pytest.raises(InvalidInputError, match="has no ternary weights") as caught:
        convert(folder, tmp_path / "out.gguf", "i2_s")
    assert "quantize --ternary" in caught.value.hint
    with pytest.raises(InvalidInputError, match="'q2_k' is no kind"):
        convert(folder, tmp_path / "out.gguf", "q2_k")  # type: ignore[arg-type]


def test_broken_ternary_weights_are_refused(tmp_path: Path) -> None:
    weights = random_weights(BITNET)
    name = "model.layers.0.mlp.up_proj"
    weights[f"{name}.weight"] = np.full((128, 256), 0xFF, dtype=np.uint8)
    with pytest.raises(ModelCorruptError, match=r"up_proj.weight has no weight_scale"):
        convert(publish(tmp_path / "m", BITNET, weights), tmp_path / "out.gguf")
    weights[f"{name}.weight_scale"] = np.array([1.0], dtype=np.float32)
    with pytest.raises(InvalidInputError, match=r"up_proj.weight .* code 3"):
        convert(publish(tmp_path / "m", BITNET, weights), tmp_path / "out.gguf")
    weights[f"{name}.weight"][:] = 0
    weights[f"{name}.weight_scale"] = np.array([np.nan], dtype=np.float32)
    with pytest.raises(InvalidInputError, match=r"weight_scale is \[nan\]"):
        convert(publish(tmp_path / "m", BITNET, weights), tmp_path / "out.gguf")


def test_what_is_missing_from_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"config.json does not exist"):
        convert(tmp_path, tmp_path / "out.gguf")
    folder = publish(tmp_path / "m", LLAMA, random_weights(LLAMA))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelMissingError, match=r"no \*.safetensors"):
        convert(folder, tmp_path / "out.gguf")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelMissingError, match=r"tokenizer.json does not exist"):
        convert(folder, tmp_path / "out.gguf")
    for broken in ("[", "[]", json.dumps("x")):
        (folder / "config.json").write_text(broken)
        with pytest.raises(ModelCorruptError, match=r"config.json"):
            convert(folder, tmp_path / "out.gguf")
