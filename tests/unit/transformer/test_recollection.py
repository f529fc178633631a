"""What is offered of the payloads of what was just named, beside a loop; and how it is mixed in."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.transformer.pointer import NONE, Hits
from nexus.transformer.recollection import NAMED, Pointed, Recollection, mix, mixed_at, named

WIDTH = 4


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(WIDTH, 12), st.integers(0, 30))
def test_what_is_offered_is_what_a_loop_offers(seed: int, length: int, first: int) -> None:
    random = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int, *size: int) -> torch.Tensor:
        return torch.randint(low, high, size, generator=random)

    order = draw(0, 3, 2, length)
    hits = Hits(draw(-1, 5, 2, length, WIDTH), draw(0, first + length, 2, length), order)
    priority, tokens = draw(0, 4, 2, length).float(), draw(0, 5, 2, length)
    got = named(hits, priority, tokens, torch.full((2,), first), draw(0, 5, 2, 1))
    for stream in range(2):
        for asked in range(length - WIDTH + 1):
            at = asked + WIDTH - 1
            hit = [n for n in range(at - WIDTH + 1, at + 1) if order[stream, n] > 0]
            best = sorted(hit, key=lambda n: (-float(priority[stream, n]), -n))[: min(NAMED, WIDTH)]
            want = []
            for n in best:
                for offset in range(WIDTH):
                    word = int(hits.payload[stream, n, offset])
                    known = int(hits.place[stream, n]) + offset <= first + at
                    want.append(word if known and word != NONE else NONE)
            offered = got.token[stream, asked].tolist()
            assert offered[: len(want)] == want
            assert set(offered[len(want) :]) <= {NONE}
            assert bool(got.there[stream, asked]) == any(word != NONE for word in want)
            assert got.source[stream, asked, : len(best)].tolist() == best


def test_a_word_that_follows_what_was_just_said_is_marked() -> None:
    hits = Hits(
        torch.tensor([[[7, 8, 9, 6]] * 6]), torch.zeros(1, 6, dtype=torch.int64), torch.ones(1, 6).long()
    )
    facts = named(
        hits, torch.ones(1, 6), torch.tensor([[1, 2, 3, 4, 7, 8]]), torch.tensor([50]), torch.tensor([[0]])
    ).facts
    last = facts[0, -1].view(min(NAMED, WIDTH), WIDTH, -1)  # now: 8, before it 7
    assert last[1, :, 0].tolist() == [0, 0, 1, 0]
    assert last[1, :, 1].tolist() == [0, 0, 1, 0]


def test_the_mixture_is_a_distribution_and_leaves_the_rest_alone() -> None:
    torch.manual_seed(1)
    log_p = torch.randn(2, 3, 10).log_softmax(-1)
    token = torch.tensor([[[1, 1, 4], [NONE] * 3, [9, NONE, 2]]] * 2)
    there = token != NONE
    weight = torch.where(there, torch.rand(2, 3, 3), 0.0)
    weight = weight / weight.sum(-1, keepdim=True).clamp(min=1e-9)
    pointed = Pointed(token, weight, torch.full((2, 3), 0.4), there.any(-1))
    mixed = mix(log_p, pointed)
    assert torch.allclose(mixed.logsumexp(-1), torch.zeros(2, 3), atol=1e-5)
    assert torch.equal(mixed[:, 1], log_p[:, 1])
    for target in (1, 2, 5):
        at = torch.full((2, 3), target)
        own = log_p[..., target]
        assert torch.allclose(mixed_at(own, at, pointed), mixed[..., target], atol=1e-5)


@pytest.mark.slow
def test_attention_learns_which_word_is_meant() -> None:
    torch.manual_seed(2)
    module = Recollection(8, 6, WIDTH)
    table, hidden = torch.randn(20, 6), torch.randn(1, 1, 8)
    hits = Hits(
        torch.tensor([[[3, 11, 5, 7]] * WIDTH]), torch.zeros(1, WIDTH).long(), torch.ones(1, WIDTH).long()
    )
    names = named(
        hits, torch.ones(1, WIDTH), torch.tensor([[1, 2, 1, 2]]), torch.tensor([40]), torch.tensor([[0]])
    )
    own = torch.zeros(1, 1, 20).log_softmax(-1)
    optimizer = torch.optim.Adam(module.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        pointed = module(hidden, names, table, own)
        mixed_at(own[..., 11], torch.tensor([[11]]), pointed).neg().sum().backward()
        optimizer.step()
    assert mix(own, module(hidden, names, table, own)).exp()[0, 0, 11] > 0.9
