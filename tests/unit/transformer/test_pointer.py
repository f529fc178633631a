"""Runs of payloads against the loop that says what they are."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nexus.transformer.pointer import NONE, Hits, runs


def slow(hits: Hits, tokens: Tensor, first: int) -> list[tuple[int, int, int, int]]:
    """By the words of the docstring, one stream: token, source, offset, evidence at each position."""
    length, width = hits.payload.shape[1:]
    out = []
    for t in range(width - 1, length):
        best = (NONE, 0, 0, 0)
        for offset in range(width):
            s = t - offset
            order, payload = int(hits.order[0, s]), hits.payload[0, s].tolist()
            ran = all(payload[j] == int(tokens[0, s + 1 + j]) for j in range(offset))
            future = int(hits.place[0, s]) + offset > first + t
            if order and ran and payload[offset] != NONE and not future and order + offset > best[3]:
                best = (payload[offset], s, offset, order + offset)
        out.append(best)
    return out


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(0, 12), st.integers(1, 4))
def test_runs_are_what_the_loop_says(seed: int, width: int, more: int, words: int) -> None:
    torch.manual_seed(seed)
    length = width + more
    tokens = torch.randint(0, words, (1, length))
    payload = torch.randint(0, words, (1, length, width))
    payload[torch.rand(payload.shape) < 0.1] = NONE
    first = 100
    hits = Hits(payload, torch.randint(90, 110 + length, (1, length)), torch.randint(0, 3, (1, length)))
    got = runs(hits, tokens, torch.tensor([first]))
    rows = zip(*(x[0].tolist() for x in (got.token, got.source, got.offset, got.evidence)), strict=True)
    assert list(rows) == slow(hits, tokens, first)


def test_what_a_payload_knows_of_the_future_is_not_told() -> None:
    tokens = torch.tensor([[5, 6, 7]])
    hits = Hits(torch.tensor([[[6, 7], [7, 8], [8, 9]]]), torch.tensor([[1, 2, 3]]), torch.ones(1, 3).long())
    got = runs(hits, tokens, torch.tensor([0]))  # each payload is what comes next in this very stream
    assert got.token.tolist() == [[NONE, NONE]]


def test_shapes_that_do_not_fit_are_named() -> None:
    hits = Hits(torch.zeros(1, 3, 4).long(), torch.zeros(1, 3).long(), torch.zeros(1, 3).long())
    with pytest.raises(ValueError, match="3 positions are fewer than a payload's 4"):
        runs(hits, torch.zeros(1, 3).long(), torch.zeros(1).long())
