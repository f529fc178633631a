"""The first look at a model file: named and refused before a process is started."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from nexus.core.errors import ModelCorruptError, ModelMissingError
from nexus.engine import gguf


def test_a_missing_file_names_itself_and_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError) as caught:
        gguf.check(tmp_path / "no.gguf", "small")
    assert "no.gguf" in caught.value.message
    assert "nexus models pull small" in caught.value.hint


def test_a_folder_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="cannot be read"):
        gguf.check(tmp_path, "small")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "only 0 bytes"),
        (b"GGUF\x03\x00", "only 6 bytes"),
        (b"<html><body>not found</body>", "not a GGUF file"),
        (struct.pack("<4sIQQ", b"GGUF", 99, 3, 3), "version 99"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 0), "0 tensors"),
    ],
)
def test_a_file_that_cannot_be_a_model_is_refused(head: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(head)
    with pytest.raises(ModelCorruptError, match=said):
        gguf.check(path, "small")


def test_a_sound_header_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(struct.pack("<4sIQQ", b"GGUF", 3, 200, 30))
    gguf.check(path, "small")
