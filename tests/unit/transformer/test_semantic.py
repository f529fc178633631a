"""The semantic lane: what is written is found by its meaning, far behind the window, by its stream alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from torch import Tensor

from nexus.transformer.mentions import Mentions, mentions
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import MemoryShapeError
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.semantic import SemanticLane, SemanticRead, pairs, use_of_sets

WIDTH, CHUNK = 12, 16
SHAPE = Shape(sets=8, ways=4, key_width=6, value_width=5, payload=4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(7)


def lane(threshold: float = -5.0, **changed: Any) -> SemanticLane:
    """One whose gate is open for all that scores above the threshold; by default for everything."""
    made = SemanticLane(WIDTH, replace(SHAPE, **changed), probes=changed.get("sets", 8))
    made.threshold.fill_(threshold)
    return made


def written(made: SemanticLane, seen: Tensor, tokens: Tensor, entries: Entries) -> Entries:
    return made.end(entries, seen, tokens, torch.zeros(tokens.shape), tokens.shape[1])[0]


def stream(made: SemanticLane, chunks: int = 3, batch: int = 2) -> tuple[Entries, Tensor, Tensor]:
    """A memory of some chunks, its hidden states [B, 1 + N, d] and tokens [B, N]."""
    seen, tokens = torch.randn(batch, 1 + chunks * CHUNK, WIDTH), torch.randint(0, 9, (batch, chunks * CHUNK))
    entries = made.start(batch)
    for at in range(0, chunks * CHUNK, CHUNK):
        entries = written(made, seen[:, at : at + CHUNK + 1], tokens[:, at : at + CHUNK], entries)
    return entries, seen, tokens


def same(one: SemanticRead, other: SemanticRead) -> None:
    for name in ("there", "slot", "place", "payload"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for name in ("value", "weight"):
        assert torch.allclose(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_query_that_is_a_key_finds_its_entry_with_payload_and_place() -> None:
    made = lane(sets=64, ways=16)
    made.to_key.weight[:, WIDTH:] = 0  # keys are made of the state before alone
    made.to_query.weight.copy_(made.to_key.weight[:, :WIDTH])
    entries, seen, tokens = stream(made)
    read = made.read(seen[:, 4:8], entries)  # the very states that stood before 4 .. 7
    assert read.there.all()
    assert read.place.tolist() == [[4, 5, 6, 7]] * 2
    for place in range(4, 8):
        assert torch.equal(read.payload[:, place - 4], tokens[:, place : place + 4])
    assert (read.weight > 0).all()
    assert (read.weight <= 1).all()


@torch.no_grad()
def test_payloads_over_the_end_of_a_chunk_are_filled_in_by_the_next() -> None:
    made = lane(sets=64)
    entries, _, tokens = stream(made, chunks=2)
    for stream_, place in ((0, CHUNK - 1), (1, CHUNK - 3), (0, 2 * CHUNK - 2)):
        held = entries.payload[stream_][(entries.tag == place)[stream_]][0].tolist()
        said = tokens[stream_, place : place + 4].tolist()
        assert held == said + [-1] * (4 - len(said))


@torch.no_grad()
def test_any_split_of_a_chunk_reads_the_same() -> None:
    made = lane(threshold=0.0)
    entries, seen, _ = stream(made)
    whole = made.read(seen[:, 1 : CHUNK + 1], entries)
    assert 0 < int(whole.there.sum()) < whole.there.numel()
    for cut in (1, 5, CHUNK - 1):
        one, two = (made.read(seen[:, 1 + a : 1 + b], entries) for a, b in ((0, cut), (cut, CHUNK)))
        joined = (torch.cat([getattr(one, n), getattr(two, n)], 1) for n in SemanticRead.__slots__)
        same(SemanticRead(*joined), whole)


@torch.no_grad()
def test_a_read_knows_nothing_of_what_comes_later_and_changes_nothing() -> None:
    made = lane(threshold=0.0)
    entries, seen, tokens = stream(made)
    kept = entries.clone()
    before = made.read(seen[:, 1 : CHUNK + 1], entries)
    other = seen.clone()
    other[:, 9:] = torch.randn_like(other[:, 9:])
    after = made.read(other[:, 1 : CHUNK + 1], entries)
    for name in SemanticRead.__slots__:
        assert torch.equal(getattr(before, name)[:, :8], getattr(after, name)[:, :8]), name
    for name, tensor in entries.tensors().items():
        assert torch.equal(tensor, kept.tensors()[name]), name
    one = written(made, seen[:, : CHUNK + 1], tokens[:, :CHUNK], entries)
    two = written(made, other[:, : CHUNK + 1], tokens[:, :CHUNK], entries)
    for place in range(3 * CHUNK, 3 * CHUNK + 7):  # the state of 3 * CHUNK + 8 is another
        for number in range(2):
            mine, others = one.tag[number] == place, two.tag[number] == place
            if mine.any() and others.any():
                assert torch.equal(one.key[number][mine], two.key[number][others])


@torch.no_grad()
def test_a_closed_gate_and_an_empty_memory_add_nothing() -> None:
    shut, hidden = lane(threshold=100.0), torch.randn(2, 3 * CHUNK, WIDTH)
    entries, seen, _ = stream(shut)
    for read in (shut.read(seen[:, 1:], entries), lane().read(seen[:, :5], lane().start(2))):
        assert not read.there.any()
        assert not read.value.any()
        assert not read.weight.any()
        assert (read.payload == -1).all()
        assert (read.place == -1).all()
        at = hidden[:, : read.there.shape[1]]
        assert torch.equal(shut.fuse(at, read), at)


@torch.no_grad()
def test_streams_see_only_their_own() -> None:
    made = lane(sets=64)
    entries, seen, _ = stream(made, batch=3)
    together = made.read(seen[:, 1 : CHUNK + 1], entries)
    for number in range(3):
        one = entries.streams(torch.tensor([number]))
        apart = made.read(seen[number : number + 1, 1 : CHUNK + 1], one)
        assert torch.equal(apart.place[0], together.place[number])
        assert torch.allclose(apart.value[0], together.value[number], rtol=1e-4, atol=1e-5)


def test_the_budget_takes_the_best() -> None:
    made = lane()
    priority = torch.arange(CHUNK, dtype=torch.float32)[None]
    seen, tokens = torch.randn(1, CHUNK + 1, WIDTH), torch.randint(0, 9, (1, CHUNK))
    writes = made.writes(seen, tokens, 32, priority, budget=3)
    assert writes.tag.tolist() == [32 + CHUNK - 3, 32 + CHUNK - 2, 32 + CHUNK - 1]
    assert torch.equal(writes.set, (writes.key @ made.centroids.T).argmax(-1))
    assert len(made.writes(seen, tokens, 32, priority, budget=30, least=9.0)) == CHUNK - 10


@torch.no_grad()
def test_the_end_of_a_chunk_in_place_is_that_of_a_copy() -> None:
    made = lane()
    entries, seen, tokens = stream(made)
    kept, given = entries.clone(), (seen[:, : CHUNK + 1], tokens[:, :CHUNK], torch.rand(2, CHUNK), 9)
    copy, writes = made.end(entries, *given)
    for name, tensor in entries.tensors().items():
        assert torch.equal(tensor, kept.tensors()[name]), name
    assert writes.tag.min() >= 3 * CHUNK
    assert len(writes) == 18
    in_place, _ = made.end(entries, *given, reuse=True)
    assert in_place.key.data_ptr() == entries.key.data_ptr()
    for name, tensor in in_place.tensors().items():
        assert torch.equal(tensor, copy.tensors()[name]), name


def test_gradients_reach_all_but_addresses() -> None:
    made = lane()
    seen = torch.randn(1, 2 * CHUNK + 1, WIDTH)
    tokens, tape = torch.randint(0, 9, (1, CHUNK)), Tape(made.start(1))
    made.end(tape, seen[:, : CHUNK + 1], tokens, torch.zeros(1, CHUNK), budget=CHUNK)
    hidden = seen[:, CHUNK + 1 :]
    made.fuse(hidden, made.read(hidden, tape)).square().sum().backward()
    for name in ("to_query", "to_key", "to_value", "gate", "fusion.out"):
        gradient = made.get_parameter(f"{name}.weight").grad
        assert gradient is not None, name
        assert gradient.abs().max() > 0, name
    assert made.fusion.beta.grad is not None
    assert not made.centroids.requires_grad


def test_entries_of_another_width_are_refused() -> None:
    entries = Entries.empty(replace(SHAPE, key_width=7), 1)
    with pytest.raises(MemoryShapeError, match="queries are"):
        lane().read(torch.randn(1, 4, WIDTH), entries)


def test_mentions_are_rare_words_that_come_back_after_long() -> None:
    rare = torch.zeros(30, dtype=torch.bool)
    rare[20:] = True
    rows = torch.randint(0, 20, (2, 60))
    rows[0, [3, 9, 30, 55]] = 25
    rows[0, [2, 40]] = 22
    rows[1, [5, 24]] = 25  # not far enough apart, and what another document said is not its own
    found = mentions(rows, rare, apart=20)
    assert [found.row.tolist(), found.name.tolist()] == [[0, 0, 0], [25, 22, 25]]
    assert found.later.tolist() == [30, 40, 55]
    assert found.earlier.tolist() == [9, 2, 30]
    assert len(mentions(rows, torch.zeros_like(rare), apart=20)) == 0


def test_infonce_learns_that_a_word_means_itself() -> None:
    """States that say which word it is, and so which comes next: a trained lane finds, a new one does not."""
    table, made = torch.randn(20, WIDTH), lane(key_width=16)
    tokens = torch.arange(4 * 200).view(4, 200) * 7 % 20
    hidden = table[tokens] + 0.1 * torch.randn(4, 200, WIDTH)
    found = mentions(tokens, torch.arange(20) % 2 == 0, apart=50)  # every second token
    generator = torch.Generator().manual_seed(3)
    right = []
    for _ in range(40):
        losses = made.losses(hidden, tokens, found, most=32, strangers=32, generator=generator)
        given = [parameter for parameter in made.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(losses.total, given, materialize_grads=True)
        with torch.no_grad():
            for parameter, gradient in zip(given, gradients, strict=True):
                parameter.sub_(gradient, alpha=0.5)
        right.append(losses.right)
    assert sum(right[:2]) / 2 < 0.4
    assert sum(right[-5:]) / 5 > 0.9
    assert made.threshold > -5.0


def test_no_pair_gives_no_loss() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    losses = lane().losses(
        torch.randn(1, 9, WIDTH), torch.zeros(1, 9, dtype=torch.int64), Mentions(none, none, none, none)
    )
    assert float(losses.total) == 0.0
    assert losses.right == 0.0


def test_centroids_settle_and_no_set_stays_empty() -> None:
    made, generator = lane(sets=32), torch.Generator().manual_seed(1)
    middles = torch.nn.functional.normalize(torch.randn(4, 6), dim=-1)

    def keys() -> Tensor:
        drawn = middles[torch.randint(0, 4, (256,), generator=generator)]
        return torch.nn.functional.normalize(drawn + 0.2 * torch.randn(256, 6, generator=generator), dim=-1)

    before = use_of_sets(made.file(keys()), 32)
    for _ in range(60):
        made.settle(keys(), generator)
    asked = keys()
    assert before < 0.75
    assert use_of_sets(made.file(asked), 32) > 0.9
    assert ((asked @ made.centroids.T).amax(-1)).mean() > 0.9
    assert torch.allclose(made.centroids.norm(dim=-1), torch.ones(32), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(made.file(made.centroids), torch.arange(32))


def test_use_of_sets_by_hand() -> None:
    assert use_of_sets(torch.arange(8), 8) == pytest.approx(1.0)
    assert use_of_sets(torch.zeros(8, dtype=torch.int64), 8) == 0.0
    assert use_of_sets(torch.tensor([0, 1]), 4) == pytest.approx(0.5)


def test_pairs_put_each_state_behind_the_one_before() -> None:
    seen = torch.randn(1, 4, WIDTH)
    made = pairs(seen)
    assert made.shape == (1, 3, 2 * WIDTH)
    assert torch.equal(made[:, 1:, :WIDTH], made[:, :-1, WIDTH:])
    assert torch.allclose(made.square().mean(-1), torch.ones(1, 3), rtol=1e-4, atol=1e-5)
