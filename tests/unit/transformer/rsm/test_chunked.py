"""Rules of the write that a reader of the definition would check by hand, and its gradients."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from nexus.transformer.rsm import chunked, reference
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import MemoryShapeError
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.writes import Writes
from tests.transformer_writes import SMALL, Token, chunk, empty, tags

BOTH = pytest.mark.parametrize("write", [reference.write, chunked.write], ids=["reference", "chunked"])
PRIORITY = Shape(sets=1, ways=2, key_width=3, value_width=2, payload=2, replacement="priority")


@BOTH
def test_a_repeated_entity_is_one_entry(write) -> None:
    memory = empty()
    for clock in (0, 16, 32):
        memory = write(memory, chunk([Token(7), Token(7)], SMALL, clock), 16)
    assert memory.occupied().tolist() == [1]
    assert int(memory.hits.max()) == 5
    assert int(memory.clock) == 48


@BOTH
def test_the_first_write_of_a_new_tag_has_gate_one_and_later_ones_refine(write) -> None:
    writes = chunk([Token(7, gate=0.25), Token(7, gate=0.25)], SMALL)
    memory = write(empty(), writes, 16)
    torch.testing.assert_close(memory.value[0, 0, 0], 0.75 * writes.value[0] + 0.25 * writes.value[1])
    (to_gate,) = torch.autograd.grad(memory.value.sum(), writes.gate)
    assert float(to_gate[0]) == 0
    assert float(to_gate[1]) == pytest.approx(float((writes.value[1] - writes.value[0]).detach().sum()))


@BOTH
def test_another_tag_evicts_the_least_recently_written_and_never_blends(write) -> None:
    memory = write(empty(), chunk([Token(1), Token(2), Token(1)], SMALL), 16)
    writes = chunk([Token(3)], SMALL, 16)
    memory = write(memory, writes, 16)
    assert tags(memory) == {1, 3}
    way = memory.tag[0, 0].tolist().index(3)
    assert torch.equal(memory.value[0, 0, way], writes.value[0])


@BOTH
def test_more_tags_than_ways_in_one_chunk_leave_the_latest(write) -> None:
    memory = write(empty(), chunk([Token(1), Token(9)], SMALL), 16)
    memory = write(memory, chunk([Token(1), Token(2), Token(3), Token(4)], SMALL, 16), 16)
    assert tags(memory) == {3, 4}


@BOTH
def test_by_priority_a_newcomer_must_be_as_good_as_what_it_evicts(write) -> None:
    memory = write(empty(PRIORITY), chunk([Token(1, priority=3), Token(2, priority=2)], PRIORITY), 16)
    memory = write(memory, chunk([Token(3, priority=1)], PRIORITY, 16), 16)
    assert tags(memory) == {1, 2}
    memory = write(memory, chunk([Token(4, priority=2)], PRIORITY, 32), 16)
    assert tags(memory) == {1, 4}


@BOTH
def test_priorities_age_and_a_tag_seen_again_keeps_the_higher(write) -> None:
    shape = Shape(
        sets=1, ways=2, key_width=3, value_width=2, payload=2, replacement="priority", priority_halflife=16
    )
    memory = write(empty(shape), chunk([Token(1, priority=4)], shape), 16)
    memory = write(memory, chunk([Token(1, priority=1)], shape, 16), 16)
    assert memory.priority.max() == 2
    memory = write(memory, chunk([], shape, 32), 32)
    assert memory.priority.max() == 0.5


@BOTH
def test_the_payload_is_the_last_one_and_the_first_one_stays_beside_it(write) -> None:
    for shape in (SMALL, PRIORITY):
        writes = chunk([Token(5, priority=2), Token(5, priority=1)], shape)
        later = chunk([Token(5, priority=1)], shape, 16)
        memory = write(write(empty(shape), writes, 16), later, 16)
        assert torch.equal(memory.payload[0, 0, 0], later.payload[0])
        assert int(memory.place[0, 0, 0]) == int(later.place[0])
        assert torch.equal(memory.first_payload[0, 0, 0], writes.payload[0])
        assert int(memory.first_place[0, 0, 0]) == int(writes.place[0]) == 1
        assert int(memory.last[0, 0, 0]) == 16


@BOTH
def test_a_tag_that_comes_back_after_it_was_evicted_has_a_new_first_payload(write) -> None:
    memory = write(empty(SMALL), chunk([Token(1)], SMALL), 16)
    memory = write(memory, chunk([Token(n) for n in range(2, 2 + SMALL.ways)], SMALL, 16), 16)
    again = chunk([Token(1)], SMALL, 32)
    memory = write(memory, again, 16)
    (row,) = (memory.tag == 1).nonzero()
    assert int(memory.first_place[tuple(row)]) == int(again.place[0])
    assert torch.equal(memory.first_payload[tuple(row)], again.payload[0])


@BOTH
def test_the_same_tag_in_another_set_is_another_entry(write) -> None:
    writes = chunk([Token(5, set=0), Token(5, set=1)], SMALL)
    memory = write(empty(), writes, 16)
    assert torch.equal(memory.value[0, 0, 0], writes.value[0])
    assert torch.equal(memory.value[0, 1, 0], writes.value[1])


@BOTH
def test_a_chunk_without_writes_only_moves_the_clock(write) -> None:
    before = write(empty(), chunk([Token(5)], SMALL), 16)
    after = write(before, chunk([], SMALL, 16), 1024)
    assert after.clock.tolist() == [1040]
    for name in ("tag", "key", "value", "payload", "priority", "hits"):
        assert torch.equal(getattr(before, name), getattr(after, name))


@pytest.mark.parametrize("shape", [SMALL, PRIORITY], ids=["lru", "priority"])
def test_gradients_are_those_of_finite_differences(shape: Shape) -> None:
    held = chunked.write(empty(shape), chunk([Token(1), Token(2), Token(3)], shape), 16)
    gates = (0.3, 0.6, 0.2, 0.9, 0.5, 0.4)
    tokens = [Token(tag, gate=gate) for tag, gate in zip((2, 7, 2, 3, 7, 2), gates, strict=True)]
    writes = chunk(tokens, shape, 16)

    def written(gate, key, value, old_key, old_value):
        changed = Writes(
            **{
                name: getattr(writes, name)
                for name in ("stream", "set", "tag", "payload", "place", "time", "priority")
            },
            gate=gate,
            key=key,
            value=value,
        )
        after = chunked.write(held.with_(key=old_key, value=old_value), changed, 16)
        return after.key, after.value

    old = [tensor.detach().requires_grad_() for tensor in (held.key, held.value)]
    assert torch.autograd.gradcheck(written, (writes.gate, writes.key, writes.value, *old))


def test_the_gradient_to_a_gate_of_exactly_one_sees_what_it_overwrote() -> None:
    found = []
    for write in (reference.write, chunked.write):
        writes = chunk([Token(7), Token(7, gate=1.0), Token(7, gate=0.0)], SMALL)
        (gradient,) = torch.autograd.grad(write(empty(), writes, 16).value.sum(), writes.gate)
        found.append(gradient)
        assert float(gradient[1]) == pytest.approx(float((writes.value[1] - writes.value[0]).detach().sum()))
    torch.testing.assert_close(*found)


def test_long_runs_of_one_tag_stay_exact() -> None:
    """1,024 writes of one tag: products of gates near 1 and near 0 neither overflow nor become NaN."""
    for gate in (1e-6, 0.5, 1 - 1e-6):
        writes = chunk([Token(7, gate=gate)] * 1024, SMALL, dtype=torch.float32)
        memory = chunked.write(Entries.empty(SMALL, 1), writes, 1024)
        value = writes.value[0].detach().double()
        for new in writes.value[1:].detach().double():
            value = (1 - gate) * value + gate * new
        torch.testing.assert_close(memory.value[0, 0, 0].double(), value, rtol=1e-4, atol=1e-5)
        memory.value.sum().backward()
        assert torch.isfinite(writes.gate.grad).all()


def test_writing_in_place_touches_nothing_else_and_refuses_a_history() -> None:
    memory = chunked.write(empty(), chunk([Token(1, set=3)], SMALL), 16)
    with pytest.raises(MemoryShapeError, match="history"):
        chunked.write_(memory, chunk([Token(2)], SMALL, 16), 16)
    memory = memory.detach()
    before = memory.clone()
    chunked.write_(memory, chunk([Token(2)], SMALL, 16), 16)
    for name in ("tag", "key", "value", "payload", "place", "last", "hits"):
        assert torch.equal(getattr(before, name)[:, 3], getattr(memory, name)[:, 3])
    assert tags(memory) == {2}


def test_streams_written_one_after_the_other_or_at_once_are_the_same() -> None:
    writes = chunk([Token(n % 5, set=n % 4, stream=n % 3) for n in range(60)], SMALL)
    together = chunked.write(empty(batch=3), writes, 64)
    alone = empty(batch=3)
    for stream in (2, 0, 1):
        mine = writes.chosen((writes.stream == stream).nonzero().flatten())
        alone = chunked.write(alone, mine, 64).with_(clock=alone.clock)
    for name in ("tag", "last", "hits", "payload", "place"):
        assert torch.equal(getattr(together, name), getattr(alone, name))
    torch.testing.assert_close(together.value, alone.value, rtol=0, atol=0)
