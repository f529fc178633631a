"""A memory is saved, sent to another process, and refused by a model that it is not of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed: scripts/torch.sh")

from safetensors.torch import load_file, save_file

from nexus.transformer.rsm import chunked
from nexus.transformer.rsm.entries import NAMES, Entries
from nexus.transformer.rsm.errors import ForeignMemoryError
from nexus.transformer.rsm.shape import Shape
from tests.transformer_writes import SMALL, Token, assert_equal, chunk, empty


def filled() -> Entries:
    return chunked.write(empty(batch=2), chunk([Token(1), Token(2, stream=1), Token(1)], SMALL), 16).detach()


def test_saved_and_restored_and_written_on_it_is_the_same(tmp_path: Path) -> None:
    memory = filled()
    tensors, metadata = memory.saved("model-1")
    save_file(tensors, tmp_path / "memory.safetensors", metadata)
    with safetensors.safe_open(tmp_path / "memory.safetensors", "pt") as file:
        found = file.metadata()
    again = Entries.restored(load_file(tmp_path / "memory.safetensors"), found, SMALL, "model-1")
    assert_equal(memory, again)
    more = chunk([Token(2), Token(1, stream=1)], SMALL, 16)
    assert_equal(chunked.write(memory, more, 16), chunked.write(again, more, 16))


@pytest.mark.parametrize(
    ("shape", "fingerprint", "said"),
    [
        (SMALL, "model-2", "fingerprint 'model-1'"),
        (replace(SMALL, sets=8), "model-1", "has shape"),
        (replace(SMALL, replacement="priority"), "model-1", "has shape"),
    ],
)
def test_a_memory_of_another_model_is_refused(shape: Shape, fingerprint: str, said: str) -> None:
    with pytest.raises(ForeignMemoryError, match=said):
        Entries.restored(*filled().saved("model-1"), shape, fingerprint)


def test_damaged_memories_are_refused() -> None:
    tensors, metadata = filled().saved()
    damaged = {
        "format is None": (tensors, None),
        "has the tensors": ({name: t for name, t in tensors.items() if name != "hits"}, metadata),
        "tag of the saved memory": (tensors | {"tag": tensors["tag"][:, :1]}, metadata),
        "place of the saved memory": (tensors | {"place": tensors["place"].float()}, metadata),
        "holds NaN": (tensors | {"value": tensors["value"] * float("nan")}, metadata),
    }
    for said, (given, described) in damaged.items():
        with pytest.raises(ForeignMemoryError, match=said):
            Entries.restored(given, described, SMALL)


def test_the_seeds_memory_takes_what_its_numbers_say() -> None:
    memory = Entries.empty(Shape(), 1)
    assert memory.shape.entries == 16_384
    # Key and value of 64 float32, two payloads of 32 tokens, 44 bytes of tag, places, last, hits, priority.
    assert memory.bytes() == 16_384 * (4 * 128 + 2 * 4 * 32 + 44) + 8


def test_a_shape_is_taken_from_what_names_its_numbers() -> None:
    class Memory:
        sets, ways, payload = 4, 2, 0

    assert Entries.empty(Memory(), 1).shape == Shape(sets=4, ways=2, payload=0)
    assert set(NAMES) == set(Entries.empty(SMALL, 1).tensors())
    assert Shape(sets=4).fingerprint != Shape(sets=8).fingerprint
