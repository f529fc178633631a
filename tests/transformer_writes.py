"""Small memories and what is written into them, for the tests of the transformer's memory. Needs torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.writes import Writes

torch.set_num_threads(1)

SMALL = Shape(sets=4, ways=2, key_width=3, value_width=2, payload=2)


@dataclass(frozen=True)
class Token:
    """One write, but for what it holds."""

    tag: int
    set: int = 0
    gate: float = 0.5
    priority: float = 0.0
    stream: int = 0


def chunk(
    tokens: Iterable[Token],
    shape: Shape,
    clock: int = 0,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Writes:
    """The writes of a chunk, one for each token, with contents drawn from `seed`; they want gradients."""
    drawn = list(tokens)
    n = len(drawn)
    random = torch.Generator().manual_seed(seed * 1000 + clock)
    time = torch.arange(clock, clock + n)

    def rows(*size: int) -> Tensor:
        return torch.randn(*size, generator=random, dtype=dtype).requires_grad_()

    return Writes(
        stream=torch.tensor([token.stream for token in drawn], dtype=torch.int64),
        set=torch.tensor([token.set for token in drawn], dtype=torch.int64),
        tag=torch.tensor([token.tag for token in drawn], dtype=torch.int64),
        gate=torch.tensor([token.gate for token in drawn], dtype=dtype).requires_grad_(),
        key=rows(n, shape.key_width),
        value=rows(n, shape.value_width),
        payload=torch.randint(0, 9999, (n, shape.payload), generator=random, dtype=torch.int32),
        place=time + 1,
        time=time,
        priority=torch.tensor([token.priority for token in drawn], dtype=torch.float32),
    )


def empty(shape: Shape = SMALL, batch: int = 1) -> Entries:
    """A memory of float64, for gradients that can be compared."""
    return Entries.empty(shape, batch, dtype=torch.float64)


def tags(entries: Entries, stream: int = 0, set_: int = 0) -> set[int]:
    """The tags that a set holds."""
    return set(entries.tag[stream, set_].tolist()) - {-1}


def gradients(entries: Entries, chunks: Sequence[Writes], seed: int = 5) -> list[Tensor]:
    """Those of a random sum of all keys and values, to the gates, keys and values of the chunks."""
    if not entries.key.requires_grad:
        assert not any(len(writes) for writes in chunks)
        return []
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros((), dtype=entries.key.dtype)
    for tensor in (entries.key, entries.value):
        total = total + (tensor * torch.randn(tensor.shape, generator=random, dtype=tensor.dtype)).sum()
    inputs = [tensor for writes in chunks for tensor in (writes.gate, writes.key, writes.value)]
    return list(torch.autograd.grad(total, inputs, materialize_grads=True))


def assert_equal(one: Entries, other: Entries) -> None:
    """Contents within rounding, all else exactly."""
    for name, tensor in one.tensors().items():
        theirs = other.tensors()[name]
        if name in ("key", "value"):
            torch.testing.assert_close(tensor, theirs, rtol=0, atol=1e-12)
        else:
            assert torch.equal(tensor, theirs), f"{name}: {tensor} is not {theirs}"
