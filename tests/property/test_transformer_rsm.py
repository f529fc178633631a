"""The write of a chunk at once is the token loop that defines it: contents, membership and every gradient."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nexus.transformer.rsm import chunked, read, reference
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes
from tests.transformer_writes import Token, assert_equal, chunk, empty, gradients

SHAPES = st.builds(
    Shape,
    sets=st.integers(1, 3),
    ways=st.integers(1, 4),
    key_width=st.just(3),
    value_width=st.just(2),
    payload=st.integers(0, 2),
    replacement=st.sampled_from(["lru", "priority"]),
    priority_halflife=st.sampled_from([0, 8]),
)
# Few tags, so that they repeat; more than ways, so that they fight; gates and priorities that are equal.
GATES = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1, width=32)
PRIORITIES = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 4, width=32)


@st.composite
def worlds(draw: st.DrawFn, gates: st.SearchStrategy[float] = GATES) -> tuple[Shape, int, list[list[Token]]]:
    """A shape, a number of streams, and the tokens of some chunks."""
    shape, batch = draw(SHAPES), draw(st.integers(1, 3))
    tokens = st.builds(
        Token,
        tag=st.integers(0, draw(st.sampled_from([1, 6, 20]))),
        set=st.integers(0, shape.sets - 1),
        gate=gates,
        priority=PRIORITIES,
        stream=st.integers(0, batch - 1),
    )
    return shape, batch, draw(st.lists(st.lists(tokens, max_size=16), min_size=1, max_size=4))


def made(shape: Shape, tokens: list[list[Token]]) -> list[Writes]:
    return [chunk(each, shape, 16 * n) for n, each in enumerate(tokens)]


@given(world=worlds())
def test_a_chunk_at_once_is_the_loop(world: tuple[Shape, int, list[list[Token]]]) -> None:
    shape, batch, tokens = world
    chunks = made(shape, tokens)
    loop = fast = empty(shape, batch)
    place = empty(shape, batch)
    for writes in chunks:
        loop = reference.write(loop, writes, 16)
        fast = chunked.write(fast, writes, 16)
        chunked.write_(place, writes, 16)
        assert_equal(loop, fast)
        assert_equal(loop, place)
    for one, other in zip(gradients(loop, chunks), gradients(fast, chunks), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@given(world=worlds())
def test_a_tape_gives_the_gradients_of_the_loop(world: tuple[Shape, int, list[list[Token]]]) -> None:
    shape, batch, tokens = world
    chunks = made(shape, tokens)
    loop, tape = empty(shape, batch), Tape(empty(shape, batch))
    losses = []
    sets = torch.arange(shape.sets).repeat_interleave(8).expand(batch, -1)
    asked = torch.arange(8).repeat(shape.sets).expand(batch, -1)
    for source in (loop, tape):
        total = torch.zeros((), dtype=torch.float64)
        for n, writes in enumerate(chunks):
            found = read.exact(source, sets, asked)
            total = total + (n + 1) * (found.key.sin().sum() + found.value.cos().sum())
            if isinstance(source, Entries):
                source = reference.write(source, writes, 16)
            else:
                source.write(writes, 16)
        losses.append(total)
        if isinstance(source, Entries):
            loop = source
    assert_equal(loop, tape.entries)
    inputs = [tensor for writes in chunks for tensor in (writes.gate, writes.key, writes.value)]
    torch.testing.assert_close(losses[0], losses[1])
    if losses[0].requires_grad:
        ours, theirs = (torch.autograd.grad(loss, inputs, materialize_grads=True) for loss in losses)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@given(world=worlds(gates=st.just(1.0)))
def test_with_gates_of_one_the_last_writer_wins_exactly(world: tuple[Shape, int, list[list[Token]]]) -> None:
    shape, batch, tokens = world
    memory = empty(shape, batch)
    latest: dict[tuple[int, int, int], Tensor] = {}
    for writes in made(shape, tokens):
        chunked.write_(memory, writes, 16)
        for n in range(len(writes)):
            latest[int(writes.stream[n]), int(writes.set[n]), int(writes.tag[n])] = writes.value[n]
    for stream, set_, way in (memory.tag >= 0).nonzero().tolist():
        tag = int(memory.tag[stream, set_, way])
        assert torch.equal(memory.value[stream, set_, way], latest[stream, set_, tag])


@given(world=worlds())
def test_streams_know_nothing_of_each_other(world: tuple[Shape, int, list[list[Token]]]) -> None:
    shape, batch, tokens = world
    together, apart = empty(shape, batch), [empty(shape) for _ in range(batch)]
    for writes in made(shape, tokens):
        chunked.write_(together, writes, 16)
        for stream, memory in enumerate(apart):
            mine = writes.chosen((writes.stream == stream).nonzero().flatten())
            mine.stream.zero_()
            chunked.write_(memory, mine, 16)
    for stream, memory in enumerate(apart):
        assert_equal(together.streams(torch.tensor([stream])), memory)


@given(world=worlds())
def test_a_set_holds_a_tag_once_and_what_was_written_under_it(
    world: tuple[Shape, int, list[list[Token]]],
) -> None:
    """No entry is ever a mixture of two tags: contents are told apart by their sign and size."""
    shape, batch, tokens = world
    memory = empty(shape, batch)
    for writes in made(shape, tokens):
        with torch.no_grad():
            writes.value.copy_((writes.tag + 1)[:, None].expand_as(writes.value))
        chunked.write_(memory, writes, 16)
    held = memory.tag >= 0
    expected = torch.where(held, memory.tag + 1, 0)[..., None].expand_as(memory.value)
    torch.testing.assert_close(memory.value, expected.double())
    for stream in range(batch):
        for set_ in range(shape.sets):
            tags = memory.tag[stream, set_]
            known = tags[tags >= 0].tolist()
            assert len(known) == len(set(known))


@given(world=worlds())
def test_equal_priorities_are_lru(world: tuple[Shape, int, list[list[Token]]]) -> None:
    shape, batch, tokens = world
    numbers = {
        "sets": shape.sets,
        "ways": shape.ways,
        "key_width": 3,
        "value_width": 2,
        "payload": shape.payload,
    }
    memories = [
        empty(Shape(**numbers, replacement=replacement), batch) for replacement in ("lru", "priority")
    ]
    for n, each in enumerate(tokens):
        writes = chunk([Token(t.tag, t.set, t.gate, 1.0, t.stream) for t in each], shape, 16 * n)
        for memory in memories:
            chunked.write_(memory, writes, 16)
    for name, tensor in memories[0].tensors().items():
        assert torch.equal(tensor, memories[1].tensors()[name]), name
