"""Gates: what they let in, how the best are chosen, and that their losses teach what they say."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.transformer.gates import (
    NEVER,
    Context,
    RankGate,
    RegretHead,
    SurprisalHead,
    means,
    ranking_loss,
    regret_loss,
    select,
)
from nexus.transformer.rsm.errors import MemoryValueError


def context(tokens: list[int], width: int = 4) -> Context:
    key = torch.tensor([tokens])
    hidden = torch.nn.functional.one_hot(key, width).float()
    now = hidden.roll(-1, 1)
    return Context(key, key.roll(-1), hidden, now, means(now, 3))


def test_the_best_are_kept_and_of_equals_the_older() -> None:
    worth = torch.tensor([[[1.0, 5.0], [3.0, NEVER], [5.0, 2.0]]])
    assert select(worth, 2).nonzero().tolist() == [[0, 0, 1], [0, 2, 0]]
    assert select(worth, 1).nonzero().tolist() == [[0, 0, 1]]
    assert select(worth, 99).sum() == 5
    assert select(worth, 99, least=2.0).sum() == 3
    assert select(worth, 0).sum() == 0


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(MemoryValueError, match="NaN"):
        select(torch.tensor([[[math.nan]]]), 1)
    with pytest.raises(MemoryValueError, match="a budget of -1"):
        select(torch.zeros(1, 1, 1), -1)


def test_the_rank_gate_opens_for_rare_tokens_whatever_their_ids() -> None:
    rare, tokens = torch.tensor([False, True, False, True]), torch.tensor([[0, 1, 2, 3, 3]])
    open_ = RankGate(rare, 2)(context(tokens[0].tolist())) > NEVER
    assert open_[0].tolist() == [[False] * 2, [True] * 2, [False] * 2, [True] * 2, [True] * 2]
    other = torch.tensor([2, 0, 3, 1])  # the same vocabulary, dealt anew
    dealt = RankGate(rare[other.argsort()], 2)(context(other[tokens[0]].tolist())) > NEVER
    assert torch.equal(open_, dealt)


def test_ranking_teaches_which_token_is_the_more_surprising() -> None:
    torch.manual_seed(0)
    head, surprisal = SurprisalHead(4, 1), torch.tensor([0.1, 4.0, 2.0, 9.0])
    seen = context([0, 1, 2, 3])
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        torch.autograd.backward(ranking_loss(head.score(seen.before[0]), surprisal))
        optimizer.step()
    assert head(seen)[0, :, 0].argsort().tolist() == [0, 2, 1, 3]
    assert float(ranking_loss(torch.zeros(1), torch.zeros(1))) == 0


def taught(keys: list[int], saved: list[float], steps: int = 600) -> list[float]:
    """What a regret head says of each key after it was shown what they saved."""
    torch.manual_seed(0)
    head, seen = RegretHead(4, 2), context(keys)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(regret_loss(head.score(seen)[0, :, 1], torch.tensor(saved)))
        optimizer.step()
    worth: list[float] = head(seen)[0, :, 1].tolist()
    return worth


def test_regret_is_learnt_as_nats_and_harm_counts_as_nothing() -> None:
    worth = taught([0, 1, 2, 3], [0.0, 100.0, -7.0, 1.0])
    assert worth == pytest.approx([0, math.log(101), 0, math.log(2)], abs=0.05)


def test_what_cannot_be_told_apart_is_worth_the_mean_of_its_nats() -> None:
    worth = taught([1, 1, 1], [0.0, 100.0, 20.0])
    assert worth == pytest.approx([math.log(41)] * 3, abs=0.05)


def test_a_score_beyond_all_nats_is_called_back() -> None:
    score = torch.tensor([30.0], requires_grad=True)
    torch.autograd.backward(regret_loss(score, torch.tensor([5.0])))
    assert score.grad is not None
    assert 0 < float(score.grad) < 3000


def test_the_mean_of_what_follows_ends_with_the_chunk() -> None:
    states = torch.tensor([[[1.0], [2.0], [6.0], [10.0]]])
    assert means(states, 2)[0, :, 0].tolist() == [1.5, 4.0, 8.0, 10.0]
    assert means(states, 9)[0, :, 0].tolist() == [4.75, 6.0, 8.0, 10.0]
    assert torch.equal(means(states, 1), states)
