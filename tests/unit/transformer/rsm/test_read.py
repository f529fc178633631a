"""Reads find what was written, in the stream that wrote it, and say so when there is nothing."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import MemoryShapeError
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes
from tests.transformer_writes import SMALL, Token, chunk, empty

TWO_STREAMS = [Token(1, set=3), Token(2, set=3), Token(1, set=3, stream=1)]


def test_a_tag_is_found_in_its_set_and_its_stream_only() -> None:
    writes = chunk(TWO_STREAMS, SMALL)
    memory = chunked.write(empty(batch=2), writes, 16)
    sets = torch.tensor([[3, 3, 2, 3], [3, 3, 2, 3]])
    found = read.exact(memory, sets, torch.tensor([[2, 9, 1, -1], [1, 2, 1, -1]]))
    assert found.hit.tolist() == [[True, False, False, False], [True, False, False, False]]
    assert torch.equal(found.value[0, 0], writes.value[1])
    assert torch.equal(found.key[1, 0], writes.key[2])
    assert torch.equal(found.payload[1, 0], writes.payload[2])
    assert found.place[:, 0].tolist() == [2, 3]
    assert found.age[:, 0].tolist() == [15, 14]
    for nothing, told in (
        (found.value, 0),
        (found.payload, -1),
        (found.place, -1),
        (found.way, -1),
        (found.age, -1),
    ):
        assert (nothing[:, 1:] == told).all()
    (gradient,) = torch.autograd.grad(found.value.sum(), writes.value)
    assert gradient.tolist() == [[0, 0], [1, 1], [1, 1]]


def test_addresses_of_several_orders_are_read_at_once() -> None:
    memory = chunked.write(empty(), chunk([Token(4, set=1), Token(5, set=2)], SMALL), 16)
    found = read.exact(memory, torch.tensor([[[1, 2]]]), torch.tensor([[[4, 4]]]), payload=False)
    assert found.hit.tolist() == [[[True, False]]]
    assert found.value.shape == (1, 1, 2, SMALL.value_width)
    assert found.payload.shape == (1, 1, 2, 0)


def test_the_dense_read_is_the_softmax_over_what_is_there() -> None:
    writes = chunk(TWO_STREAMS, SMALL)
    memory = chunked.write(empty(batch=2), writes, 16)
    query = torch.randn(2, 3, SMALL.key_width, dtype=torch.float64)
    found = read.dense(memory, query, scale=1.0)
    weights = torch.softmax(query[0] @ writes.key[:2].T, dim=1)
    torch.testing.assert_close(found.value[0], weights @ writes.value[:2])
    torch.testing.assert_close(found.value[1], writes.value[2:].expand(3, -1))
    best = read.payload_at(memory, found.slot)
    assert torch.equal(best[0, 0], writes.payload[int(weights[0].argmax())])


def test_an_empty_memory_gives_zeros_and_no_nan() -> None:
    query = torch.randn(2, 3, SMALL.key_width, dtype=torch.float64, requires_grad=True)
    centroids = torch.randn(SMALL.sets, SMALL.key_width, dtype=torch.float64)
    for found in (read.dense(empty(batch=2), query), read.probe(empty(batch=2), query, centroids, 2)):
        assert (found.value == 0).all()
        assert (found.slot == -1).all()
        assert (read.payload_at(empty(batch=2), found.slot) == -1).all()
        found.value.sum().backward()
        assert (query.grad == 0).all()


def filled(batch: int = 2) -> tuple[Writes, Entries]:
    tokens = [Token(n, set=n % 4, stream=n % batch) for n in range(12)]
    writes = chunk(tokens, SMALL)
    return writes, chunked.write(empty(batch=batch), writes, 16)


def test_a_probe_of_all_sets_that_the_router_believes_in_is_the_dense_read() -> None:
    _, memory = filled()
    query = torch.randn(2, 5, SMALL.key_width, dtype=torch.float64)
    query[..., 0] = 1
    centroids = torch.zeros(SMALL.sets, SMALL.key_width, dtype=torch.float64)
    centroids[:, 0] = 100  # sigmoid(100) is 1
    one, other = read.dense(memory, query), read.probe(memory, query, centroids, SMALL.sets)
    torch.testing.assert_close(one.value, other.value)
    assert torch.equal(one.slot, other.slot)


def test_a_probe_looks_into_the_nearest_sets_and_teaches_the_router() -> None:
    writes, memory = filled(batch=1)
    query = torch.randn(1, 2, SMALL.key_width, dtype=torch.float64, requires_grad=True)
    centroids = torch.randn(SMALL.sets, SMALL.key_width, dtype=torch.float64, requires_grad=True)
    found = read.probe(memory, query, centroids, 1)
    nearest = (query @ centroids.T).argmax(-1)
    assert torch.equal(found.slots // SMALL.ways, nearest[..., None].expand_as(found.slots))
    assert torch.allclose(found.weights.sum(-1), (query @ centroids.T).max(-1).values.sigmoid())
    assert torch.autograd.gradcheck(
        lambda q, c: read.probe(memory.detach(), q, c, 2).value, (query, centroids)
    )
    gradients = torch.autograd.grad(found.value.sum(), (query, centroids, writes.key, writes.value))
    assert all(bool(gradient.abs().sum() > 0) for gradient in gradients)


def test_a_read_changes_nothing_and_a_tape_reads_as_its_memory() -> None:
    _, memory = filled()
    memory = memory.detach()
    before = memory.clone()
    tape = Tape(memory)
    tape.write(chunk([Token(3, set=3), Token(77, set=1, stream=1)], SMALL, 16), 16)
    query = torch.randn(2, 5, SMALL.key_width, dtype=torch.float64)
    sets, tags = torch.arange(4).expand(2, 4), torch.tensor([[0, 77, 2, 3], [0, 77, 2, 3]])
    for one, other in (
        (read.dense(tape, query), read.dense(tape.entries, query)),
        (read.exact(tape, sets, tags), read.exact(tape.entries, sets, tags)),
    ):
        torch.testing.assert_close(one.value, other.value)
        assert one.value.requires_grad
        assert not other.value.requires_grad
    assert tape.rows == 2
    assert not torch.equal(before.value, memory.value)
    tape.cut()
    assert not read.dense(tape, query).value.requires_grad


@pytest.mark.parametrize(
    "ask",
    [
        lambda memory: read.exact(memory, torch.zeros(1, 3).long(), torch.zeros(1, 3).long()),
        lambda memory: read.exact(memory, torch.zeros(2, 3), torch.zeros(2, 3).long()),
        lambda memory: read.exact(memory, torch.zeros(2, 3).long(), torch.zeros(2, 4).long()),
        lambda memory: read.dense(memory, torch.zeros(2, 3, 4).double()),
        lambda memory: read.dense(memory, torch.zeros(2, 3, 3)),
        lambda memory: read.probe(memory, torch.zeros(2, 3, 3).double(), torch.zeros(3, 3).double(), 1),
        lambda memory: read.probe(memory, torch.zeros(2, 3, 3).double(), torch.zeros(4, 3).double(), 5),
    ],
)
def test_questions_of_another_shape_are_refused(ask) -> None:
    with pytest.raises(MemoryShapeError):
        ask(empty(Shape(sets=4, ways=2, key_width=3, value_width=2, payload=2), 2))
