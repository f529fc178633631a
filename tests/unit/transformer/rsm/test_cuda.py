"""A memory on CUDA is the memory on the CPU: addresses and membership exactly, contents within rounding."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from nexus.transformer.lexical import Lexical
from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Replacement, Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

TOKENS = 256


def chunk(shape: Shape, clock: int, device: str) -> Writes:
    random = torch.Generator().manual_seed(clock)
    n = 2 * TOKENS
    tag = torch.randint(0, 90, (n,), generator=random)
    writes = {
        "stream": torch.randint(0, 2, (n,), generator=random),
        "set": tag % shape.sets,
        "tag": tag,
        "gate": torch.rand(n, generator=random),
        "key": torch.randn(n, shape.key_width, generator=random),
        "value": torch.randn(n, shape.value_width, generator=random),
        "payload": torch.randint(0, 99, (n, shape.payload), generator=random, dtype=torch.int32),
        "place": torch.arange(n) + clock,
        "time": torch.arange(n) // 2 + clock,
        "priority": torch.randint(0, 4, (n,), generator=random).float(),
    }
    made = Writes(**{name: tensor.to(device) for name, tensor in writes.items()})
    for tensor in (made.gate, made.key, made.value):
        tensor.requires_grad_()
    return made


@pytest.mark.parametrize("replacement", ["lru", "priority"])
def test_writes_and_their_gradients(replacement: Replacement) -> None:
    shape = Shape(8, 4, 16, 16, 4, replacement, 512)
    found = []
    for device in ("cpu", "cuda"):
        memory, tape = Entries.empty(shape, 2, device), Tape(Entries.empty(shape, 2, device))
        chunks = [chunk(shape, TOKENS * n, device) for n in range(4)]
        asked = torch.arange(90, device=device).expand(2, -1)
        loss = torch.zeros((), device=device)
        for writes in chunks:
            memory = chunked.write(memory, writes, TOKENS)
            tape.write(writes, TOKENS)
            loss = loss + read.exact(tape, asked % shape.sets, asked).value.sin().sum()
        gradients = torch.autograd.grad(
            loss, [tensor for w in chunks for tensor in (w.gate, w.key, w.value)], materialize_grads=True
        )
        found.append((memory, tape.entries, gradients))
    for one, other in zip(found[0][:2], found[1][:2], strict=True):
        for name, tensor in one.tensors().items():
            theirs = other.tensors()[name].cpu()
            if name in ("key", "value"):
                torch.testing.assert_close(tensor, theirs)
            else:
                assert torch.equal(tensor, theirs), name
    for one, other in zip(found[0][2], found[1][2], strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=1e-4, atol=1e-4)


def test_addresses() -> None:
    line = torch.randint(0, 8192, (3, 500))
    lexical = Lexical((1, 2, 5), sets=2048)
    here = lexical.addresses(line, lexical.begin(3))
    there = lexical.addresses(line.cuda(), lexical.begin(3, "cuda"))
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one, other.cpu())
