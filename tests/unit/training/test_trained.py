"""The model's own weights with less of a memory, which a table needs no training for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.core.errors import InvalidInputError
from nexus.training.trained import LESS, candidates, less
from nexus.transformer import weights
from nexus.transformer.step import Writing
from tests.transformer_commands import model


@pytest.mark.parametrize("name", LESS)
def test_less_of_a_memory_is_as_many_entries_of_the_same_weights(name: str) -> None:
    torch.set_num_threads(1)
    whole = model()
    part = less(whole, name)
    assert all(torch.equal(value, part.state_dict()[n]) for n, value in whole.state_dict().items())
    one, other = whole.config.memory, part.config.memory
    assert other.sets * other.ways == one.sets * one.ways
    tokens = torch.randint(
        0, 8192, (1, 4 * whole.config.chunk + 3), generator=torch.Generator().manual_seed(0)
    )
    state = part.stream(tokens, part.start(1))
    assert state.position == tokens.shape[1]
    occupied = int(state.entries.occupied()[0])
    assert (occupied == 0) == (name == "no-memory")
    changed = {"one-way": other.ways == 1, "lru": other.replacement == "lru", "no-memory": other == one}
    assert changed[name]


def test_they_stand_beside_the_model_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    whole = model()
    whole.writing = Writing(whole.regret)
    weights.save(whole, path, step=1)
    assert list(candidates(path, ["lru", "one-way"])) == ["nexus", "lru", "one-way"]
    with pytest.raises(InvalidInputError, match="'two-way' names no checkpoint"):
        candidates(path, ["two-way"])
    with pytest.raises(InvalidInputError, match="no memory 'two-way'"):
        less(model(), "two-way")
