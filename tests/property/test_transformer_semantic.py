"""The semantic lane over any stream: the probe of every set is the dense read, and entries never blend."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.semantic import SemanticLane, normed

WIDTH, CHUNK = 6, 8
torch.set_num_threads(1)


@st.composite
def lanes(draw: st.DrawFn) -> tuple[SemanticLane, int, int]:
    """A lane with its gate wide open, a number of streams, and one of chunks."""
    torch.manual_seed(draw(st.integers(0, 1 << 20)))
    shape = Shape(
        sets=draw(st.integers(1, 5)),
        ways=draw(st.integers(1, 4)),
        key_width=4,
        value_width=3,
        payload=draw(st.integers(0, 3)),
        replacement=draw(st.sampled_from(["lru", "priority"])),
    )
    lane = SemanticLane(WIDTH, shape, probes=shape.sets)
    lane.threshold.fill_(-100.0)
    return lane, draw(st.integers(1, 3)), draw(st.integers(0, 4))


@settings(max_examples=15)
@given(lanes())
@torch.no_grad()
def test_probing_every_set_is_the_dense_read_and_nothing_is_mixed(
    drawn: tuple[SemanticLane, int, int],
) -> None:
    lane, batch, chunks = drawn
    entries, keys, values = lane.start(batch), {}, {}
    for number in range(chunks):
        seen, tokens = torch.randn(batch, CHUNK + 1, WIDTH), torch.randint(0, 5, (batch, CHUNK))
        writes = lane.writes(seen, tokens, number * CHUNK, torch.rand(batch, CHUNK), budget=5)
        for n in range(len(writes)):
            name = int(writes.stream[n]), int(writes.tag[n])
            assert name not in keys  # one entry, one place
            keys[name], values[name] = writes.key[n], writes.value[n]
        entries = chunked.write(lane.completed(entries, tokens, number * CHUNK), writes, CHUNK)
    for stream, set_, way in (entries.tag >= 0).nonzero().tolist():
        name = stream, int(entries.tag[stream, set_, way])
        assert torch.equal(entries.key[stream, set_, way], keys[name])
        assert torch.equal(entries.value[stream, set_, way], values[name])
        assert int(entries.place[stream, set_, way]) == name[1]

    asked = torch.randn(batch, CHUNK, WIDTH)
    found = lane.read(asked, entries)
    queries = lane.queries(normed(asked))
    whole = read.dense(entries, queries, scale=float(lane.scale))
    every = read.probe(entries, queries, lane.centroids, lane.shape.sets, scale=float(lane.scale))
    # The belief in a set is a factor of its entries' weights; without it the two are one.
    belief = (queries @ lane.centroids.T).sigmoid().repeat_interleave(lane.shape.ways, -1)
    weighed = whole.weights * belief
    best = weighed.argmax(-1)
    held = entries.occupied() > 0
    assert torch.equal(found.there, held[:, None].expand_as(found.there))
    assert torch.allclose(every.value, weighed @ entries.value.flatten(1, 2), rtol=1e-4, atol=1e-5)
    assert torch.allclose(found.value, every.value, rtol=1e-4, atol=1e-5)
    slots = whole.slots[:, 0].gather(1, best)
    sure = (
        weighed.topk(min(2, weighed.shape[-1]), -1).values.diff(dim=-1).abs().amin(-1) > 1e-6
        if weighed.shape[-1] > 1
        else torch.ones_like(best, dtype=torch.bool)
    )
    agree = found.slot == slots
    assert (agree | ~sure | ~held[:, None]).all()
