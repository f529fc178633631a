"""A model made ternary: its linear matrices are, everything else is what it was, and the loss is said."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nexus.core.errors import InvalidInputError, ModelCorruptError
from nexus.engine.convert.gguf_reader import GgufReader
from nexus.engine.convert.gguf_writer import GgufWriter
from nexus.engine.convert.quantise import encode
from nexus.engine.convert.tensor_types import TensorType
from nexus.engine.convert.ternarise import ternarise


def _model(path: Path, *, columns: int = 512, architecture: str = "qwen2") -> dict[str, np.ndarray]:
    """A GGUF file with one layer of Q8_0 matrices, and its weights as they lie there."""
    random = np.random.default_rng(6)
    writer = GgufWriter(path)
    writer.text("general.architecture", architecture)
    writer.integer("general.file_type", 7)
    writer.texts("tokenizer.ggml.tokens", ["a", "b"])
    shapes = {
        "token_embd.weight": (4, columns),
        "blk.0.attn_q.weight": (8, columns),
        "blk.0.attn_q.bias": (8,),
        "blk.0.ffn_norm.weight": (columns,),
        "blk.0.ffn_down.weight": (columns, 256),
        "output.weight": (4, columns),
    }
    for name, shape in shapes.items():
        weights = random.normal(size=shape).astype(np.float32)
        kind = TensorType.Q8_0 if len(shape) == 2 else TensorType.F32
        data = encode(weights, kind)
        writer.tensor(name, shape, kind, partial(list, (data,)))
    writer.write()
    with GgufReader(path) as reader:
        return {tensor.name: reader.rows(tensor, 0, tensor.rows) for tensor in reader.tensors}


def test_only_the_linear_matrices_change(tmp_path: Path) -> None:
    source, target = tmp_path / "model.gguf", tmp_path / "ternary.gguf"
    weights = _model(source)
    done = ternarise(source, target)
    assert (done.rewritten, done.kept) == (2, [])
    assert done.size == target.stat().st_size < source.stat().st_size
    assert "lose most of a model's quality" in done.warning
    assert 0.4 < done.error < 0.6  # of normally distributed weights
    with GgufReader(source) as before, GgufReader(target) as after:
        assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in before.tensors]
        assert after.integer("general.file_type") == 37
        assert {**before.values, "general.file_type": b""} == {**after.values, "general.file_type": b""}
        for old, new in zip(before.tensors, after.tensors, strict=True):
            rows = after.rows(new, 0, new.rows)
            if new.name in ("blk.0.attn_q.weight", "blk.0.ffn_down.weight"):
                assert new.kind is TensorType.TQ2_0
                blocks = weights[new.name].reshape(-1, 256)
                scales = np.abs(blocks).mean(axis=1).astype(np.float16).astype(np.float32)[:, None]
                assert np.array_equal(
                    rows.reshape(-1, 256), np.clip(np.rint(blocks / scales), -1, 1) * scales
                )
            else:
                assert (new.kind, new.shape) == (old.kind, old.shape)
                assert np.array_equal(rows, weights[new.name])


def test_a_matrix_without_whole_blocks_stays_and_is_listed(tmp_path: Path) -> None:
    _model(tmp_path / "model.gguf", columns=320)
    done = ternarise(tmp_path / "model.gguf", tmp_path / "ternary.gguf")
    assert done.rewritten == 1
    assert done.kept == ["blk.0.attn_q.weight has 320 columns, no multiple of 256"]


def test_a_model_may_be_rewritten_in_place_and_not_twice(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    _model(path)
    assert ternarise(path, path).rewritten == 2
    with pytest.raises(InvalidInputError, match="no matrix that can be made ternary") as caught:
        ternarise(path, path)
    assert "is ternary already" in caught.value.hint


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    _model(tmp_path / "model.gguf", architecture="mamba")
    with pytest.raises(InvalidInputError, match="architecture 'mamba'"):
        ternarise(tmp_path / "model.gguf", tmp_path / "ternary.gguf")
    assert not (tmp_path / "ternary.gguf").exists()


def test_weights_that_are_no_numbers_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = GgufWriter(path)
    writer.text("general.architecture", "llama")
    weights = np.zeros(256, dtype="<f4")
    weights[7] = np.inf
    writer.tensor("blk.0.ffn_up.weight", (1, 256), TensorType.F32, lambda: [weights.tobytes()])
    writer.write()
    with pytest.raises(InvalidInputError, match=r"blk.0.ffn_up.weight holds .* not a finite number"):
        ternarise(path, tmp_path / "ternary.gguf")
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    _model(path)
    path.write_bytes(path.read_bytes()[:-4096])
    with pytest.raises(ModelCorruptError, match="ends past"):
        ternarise(path, tmp_path / "ternary.gguf")
