"""A safetensors file is read as it was written, or refused with what is wrong about it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError
from nexus.engine.convert.safetensors import SafetensorsFile
from tests.unit.engine.convert.published_model import bf16, widened, write_safetensors


def test_every_type_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    floats = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    tensors: dict[str, np.ndarray] = {
        "f32": floats,
        "f16": floats.astype(np.float16),
        "bf16": bf16(floats),
        "u8": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "i8": np.arange(-3, 3, dtype=np.int8),
        "scalar": np.array(2.5, dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "ids": np.arange(3, dtype=np.int64),
    }
    write_safetensors(path, tensors)
    with SafetensorsFile(path) as file:
        assert set(file.entries) == set(tensors)
        assert np.array_equal(file.floats("f32"), floats)
        assert np.array_equal(file.rows("f32", 1, 4), floats[1:4])
        assert np.array_equal(file.floats("f16"), floats.astype(np.float16).astype(np.float32))
        assert np.array_equal(file.floats("bf16"), widened(bf16(floats)))
        assert np.array_equal(file.raw("u8"), tensors["u8"])
        assert file.floats("i8").tolist() == [-3, -2, -1, 0, 1, 2]
        assert file.floats("scalar") == 2.5
        assert file.floats("empty").shape == (0, 4)
        with pytest.raises(InvalidInputError, match=r"ids of .* has the type I64"):
            file.floats("ids")
        with pytest.raises(ValueError, match="rows 4 to 6 of f32"):
            file.rows("f32", 4, 6)


def _file(tmp_path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def _entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"[", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"' + b"\xff" * 4 + b'"', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "not JSON"),
        (b'{"a": {}, "a": {}}', "'a' is there twice"),
        ({"a": 5}, "'a' lacks dtype"),
        ({"a": {"dtype": "F32"}}, "'a' lacks dtype"),
        ({"a": _entry(dtype="F31")}, "unknown type 'F31'"),
        ({"a": _entry(dtype=["F32"])}, "unknown type"),
        ({"a": _entry(shape=-2)}, "shape -2"),
        ({"a": _entry(shape=[-2])}, "shape"),
        ({"a": _entry(shape=[2.0])}, "shape"),
        ({"a": _entry(shape=[True, 2])}, "shape"),
        ({"a": _entry(shape=[1] * 9)}, "shape"),
        ({"a": _entry(shape=[1 << 63])}, "shape"),
        ({"a": _entry(shape=[1 << 61, 1 << 61])}, "has 8 bytes"),
        ({"a": _entry(shape=[3])}, "has 8 bytes"),
        ({"a": _entry(offsets=[8, 0])}, "lies at"),
        ({"a": _entry(offsets=[0, 9])}, "lies at"),
        ({"a": _entry(offsets=[0])}, "lies at"),
        ({"a": _entry(offsets=[-8, 0])}, "lies at"),
        ({"a": _entry(), "b": _entry()}, "overlaps"),
        ({"a": _entry(shape=[1], offsets=[4, 8])}, "leaves bytes before it unused"),
        ({"a": _entry(shape=[1], offsets=[0, 4])}, "tensors end at byte"),
        ({}, "tensors end at byte"),
    ],
)
def test_a_broken_header_is_refused(header: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelCorruptError, match=said):
        SafetensorsFile(_file(tmp_path, header, bytes(8)))


@pytest.mark.parametrize("length", [1 << 63, 200_000_000, 9])
def test_a_header_longer_than_the_file_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}      ")
    with pytest.raises(ModelCorruptError, match="its header claims"):
        SafetensorsFile(path)


def test_no_part_of_a_file_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": np.arange(4, dtype=np.float32)})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelCorruptError):
            SafetensorsFile(path)


def test_a_file_cut_short_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": np.zeros((64, 64), dtype=np.float32)})
    with SafetensorsFile(path) as file:
        with path.open("r+b") as writer:
            writer.truncate(4096)
        with pytest.raises(ModelCorruptError, match="ended inside the tensor a"):
            file.floats("a")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"none\.safetensors"):
        SafetensorsFile(tmp_path / "none.safetensors")
