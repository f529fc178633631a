"""What the writer writes, the reader reads; a file is whole or not there; what is broken is named."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError, StorageError
from nexus.engine.convert.gguf_reader import GgufReader
from nexus.engine.convert.gguf_writer import GgufWriter, ValueType
from nexus.engine.convert.tensor_types import TensorType


def _sample(path: Path, **options: int) -> None:
    writer = GgufWriter(path, **options)
    writer.text("general.architecture", "llama")
    writer.integer("llama.block_count", 2)
    writer.real("eps", 0.5)
    writer.boolean("yes", True)
    writer.texts("tokens", ["a", "", "é"])
    writer.integers("kinds", [1, -2])
    writer.reals("scores", [0.5, -1.5])
    numbers = np.arange(12, dtype="<f4")
    writer.tensor("w", (3, 4), TensorType.F32, lambda: [numbers[:8].tobytes(), numbers[8:].tobytes()])
    writer.tensor("v", (32,), TensorType.Q8_0, lambda: [struct.pack("<e", 2.0) + bytes(range(32))])
    writer.write()


@pytest.mark.parametrize("alignment", [32, 128])
def test_a_file_is_read_as_it_was_written(alignment: int, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    _sample(path, alignment=alignment)
    with GgufReader(path) as reader:
        assert reader.text("general.architecture") == "llama"
        assert reader.integer("llama.block_count") == 2
        assert reader.text("yes") is None
        assert reader.integer("eps") is None
        assert reader.integer("no such key") is None
        assert [tensor.name for tensor in reader.tensors] == ["w", "v"]
        w, v = reader.tensors
        assert (w.shape, w.kind, w.size) == ((3, 4), TensorType.F32, 48)
        assert w.start % alignment == 0
        assert v.start % alignment == 0
        assert reader.rows(w, 1, 3).tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
        assert reader.rows(v, 0, 1).tolist() == [[2.0 * number for number in range(32)]]
        assert b"".join(reader.pieces(w)) == np.arange(12, dtype="<f4").tobytes()


def test_the_header_is_the_formats_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = GgufWriter(path)
    writer.integer("k", 7)
    writer.tensor("w", (2, 4), TensorType.F16, lambda: [b"0123456789abcdef"])
    assert writer.write() == path.stat().st_size
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<II", 4, 7)
    head += struct.pack("<Q", 1) + b"w" + struct.pack("<IQQIQ", 2, 4, 2, 1, 0)
    data = b"0123456789abcdef"
    assert path.read_bytes() == head + bytes(-len(head) % 32) + data + bytes(16)


def test_a_failing_tensor_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"old")

    def produce() -> Iterator[bytes]:
        yield bytes(8)
        raise RuntimeError("the source broke")

    writer = GgufWriter(path)
    writer.tensor("w", (4,), TensorType.F32, produce)
    with pytest.raises(RuntimeError, match="the source broke"):
        writer.write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_tensor_of_too_few_bytes_is_no_file(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "model.gguf")
    writer.tensor("w", (4,), TensorType.F32, lambda: [bytes(12)])
    with pytest.raises(ValueError, match="w has 12 bytes, not 16"):
        writer.write()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none"):
        GgufWriter(tmp_path / "none" / "model.gguf").write()


def test_what_the_format_does_not_have_is_refused_when_it_is_declared(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "model.gguf")
    writer.integer("k", 1)
    with pytest.raises(ValueError, match="k is there twice"):
        writer.text("k", "")
    with pytest.raises(InvalidInputError, match="big is 4294967296"):
        writer.integer("big", 1 << 32)
    with pytest.raises(ValueError, match="33 columns are not a multiple of 32"):
        writer.tensor("w", (2, 33), TensorType.Q8_0, list)
    with pytest.raises(ValueError, match="not 1 to 64 bytes"):
        writer.tensor("w" * 65, (2,), TensorType.F32, list)
    with pytest.raises(ValueError, match="shape"):
        writer.tensor("w", (1, 1, 1, 1, 1), TensorType.F32, list)
    writer.tensor("w", (2,), TensorType.F32, list)
    with pytest.raises(ValueError, match="w is there twice"):
        writer.tensor("w", (2,), TensorType.F32, list)
    with pytest.raises(ValueError, match="alignment 48"):
        GgufWriter(tmp_path / "other.gguf", alignment=48)


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    writer = GgufWriter(tmp_path / "model.gguf")
    writer.tensor("a", (4,), TensorType.F32, lambda: [bytes(8), bytes(8)])
    writer.tensor("b", (2,), TensorType.F32, lambda: [bytes(8)])
    told: list[tuple[int, int]] = []
    writer.write(lambda done, total: told.append((done, total)))
    assert told == [(8, 24), (16, 24), (24, 24)]


def test_no_part_of_a_file_is_read_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    _sample(path)
    whole = path.read_bytes()
    last = whole.rindex(bytes(range(32))) + 32  # behind it is only padding
    for size in range(last):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelCorruptError):
            GgufReader(path)


def _head(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def _key(kind: int, payload: bytes) -> bytes:
    return struct.pack("<Q", 1) + b"k" + struct.pack("<I", kind) + payload


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html>not a model</html>", "does not begin with GGUF"),
        (_head(0, 1 << 63), "bytes are missing"),
        (_head(1 << 63, 0), "bytes are missing"),
        (_head(0, 1) + struct.pack("<Q", 1 << 63), "bytes are missing"),
        (_head(0, 1) + struct.pack("<Q", 1) + b"\xff" + bytes(8), "not UTF-8"),
        (_head(0, 1) + _key(13, bytes(8)), "value type 13"),
        (_head(0, 1) + _key(9, struct.pack("<IQ", 12, 1 << 61)), "bytes are missing"),
        (_head(0, 1) + _key(9, struct.pack("<IQ", 8, 1 << 63)), "bytes are missing"),
        (_head(0, 1) + _key(9, struct.pack("<IQ", 9, 1) * 9), "value type 9"),
        (_head(0, 2) + _key(4, bytes(4)) * 2, "k is there twice"),
        (_head(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQ", 0, 0), "0 dimensions"),
        (_head(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 33, 8, 0), "shape"),
        (_head(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 1 << 62, 0, 0), "ends past"),
    ],
)
def test_a_broken_file_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelCorruptError, match=said):
        GgufReader(path)


def test_a_sound_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(_head(0, 0, 1))
    with pytest.raises(InvalidInputError, match="version 1"):
        GgufReader(path)
    path.write_bytes(_head(1, 0) + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 256, 10, 0))
    with pytest.raises(InvalidInputError, match="type 10"):
        GgufReader(path)
    writer = GgufWriter(path)
    writer.raw("split.count", struct.pack("<IH", ValueType.U16, 3))
    writer.write()
    with pytest.raises(InvalidInputError, match="one part of several"):
        GgufReader(path)
    with pytest.raises(ModelMissingError, match="none"):
        GgufReader(tmp_path / "none.gguf")
