"""What cannot be written is refused by name, and then nothing was written."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from torch import Tensor

from nexus.core.errors import InvalidInputError
from nexus.transformer.rsm import chunked, reference
from nexus.transformer.rsm.errors import MemoryShapeError, MemoryValueError
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.tape import Tape
from tests.transformer_writes import SMALL, Token, assert_equal, chunk, empty

TWO = [Token(1), Token(2)]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("gate", float("nan"), "gate of write 1 .* is NaN"),
        ("key", float("inf"), "key of write 1 .* infinite"),
        ("value", float("nan"), "value of write 1"),
        ("priority", float("nan"), "priority of write 1"),
        ("gate", 1.5, "gate of the writes goes from 0.5 to 1.5"),
        ("gate", -0.5, "sigmoid"),
        ("priority", -1.0, "softplus"),
        ("tag", 1 << 44, "lowest 44 bits"),
        ("tag", -1, "tag of the writes"),
        ("set", 4, "set of the writes goes from 0 to 4, allowed is 0 to 3"),
        ("stream", 1, "stream of the writes"),
        ("time", 16, "allowed is 0 to 15"),
    ],
)
def test_numbers_that_no_memory_holds(field: str, value: float, said: str) -> None:
    writes = chunk(TWO, SMALL)
    tensor = getattr(writes, field).detach().clone()
    tensor[1] = value
    bad = dataclasses.replace(writes, **{field: tensor})
    memory = empty()
    tape = Tape(memory)
    for refuses in (
        lambda: reference.write(memory, bad, 16),
        lambda: chunked.write(memory, bad, 16),
        lambda: chunked.write_(memory, bad, 16),
        lambda: tape.write(bad, 16),
    ):
        with pytest.raises(MemoryValueError, match=said):
            refuses()
    assert_equal(memory, empty())


@pytest.mark.parametrize(
    ("field", "tensor"),
    [
        ("key", torch.zeros(2, 4, dtype=torch.float64)),
        ("value", torch.zeros(3, 2, dtype=torch.float64)),
        ("gate", torch.zeros(2, 1, dtype=torch.float64)),
        ("gate", torch.zeros(2)),
        ("payload", torch.zeros(2, 2, dtype=torch.int64)),
        ("set", torch.zeros(2)),
        ("priority", torch.zeros(1)),
    ],
)
def test_shapes_and_types(field: str, tensor: Tensor) -> None:
    bad = dataclasses.replace(chunk(TWO, SMALL), **{field: tensor})
    with pytest.raises(MemoryShapeError, match=f"{field} of the writes is .*not"):
        chunked.write(empty(), bad, 16)


def test_large_finite_numbers_are_no_nan() -> None:
    writes = chunk(TWO, SMALL)
    large = dataclasses.replace(writes, key=torch.full_like(writes.key, 1e308))
    assert float(chunked.write(empty(), large, 16).detach().key.max()) == 1e308


def test_a_chunk_of_negative_length_and_too_many_sets() -> None:
    with pytest.raises(MemoryShapeError, match="-1 tokens"):
        chunked.write(empty(), chunk([], SMALL), -1)
    wide = Shape(sets=1 << 19, ways=1, key_width=1, value_width=1, payload=0)
    with pytest.raises(MemoryShapeError, match="fewer streams"):
        chunked.write(empty(wide, 2), chunk([], wide), 1)


@pytest.mark.parametrize(
    "numbers",
    [{"sets": 0}, {"ways": 65}, {"payload": -1}, {"replacement": "fifo"}, {"priority_halflife": 1.5}],
)
def test_shapes_of_no_memory(numbers: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"memory {next(iter(numbers))} is"):
        Shape(**numbers)
