"""Lexical addresses are the n-gram's own, wherever and however it is read."""

from __future__ import annotations

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from hypothesis import given
from hypothesis import strategies as st

from nexus.transformer.lexical import Lexical

TOKENS = st.lists(st.integers(0, 8191), min_size=1, max_size=40)


@given(
    tokens=TOKENS,
    cuts=st.lists(st.integers(0, 40), max_size=4),
    orders=st.sets(st.integers(1, 5), min_size=1),
)
def test_how_a_stream_is_cut_does_not_matter(tokens: list[int], cuts: list[int], orders: set[int]) -> None:
    lexical = Lexical(sorted(orders), sets=2048)
    line = torch.tensor([tokens])
    sets, tags, _ = lexical.addresses(line, lexical.begin(1))
    before, parts = lexical.begin(1), []
    edges = sorted({0, len(tokens), *(min(cut, len(tokens)) for cut in cuts)})
    for start, end in [*pairwise(edges), (len(tokens), len(tokens))]:
        *part, before = lexical.addresses(line[:, start:end], before)
        parts.append(part)
    assert torch.equal(sets, torch.cat([part[0] for part in parts], dim=1))
    assert torch.equal(tags, torch.cat([part[1] for part in parts], dim=1))


@given(one=TOKENS, other=TOKENS, gram=st.lists(st.integers(0, 8191), min_size=3, max_size=3))
def test_the_same_words_have_the_same_address(one: list[int], other: list[int], gram: list[int]) -> None:
    lexical = Lexical((1, 2, 3), sets=1000)
    found = [
        lexical.addresses(torch.tensor([[*before, *gram]]), lexical.begin(1))[:2] for before in (one, other)
    ]
    assert torch.equal(found[0][0][:, -1], found[1][0][:, -1])
    assert torch.equal(found[0][1][:, -1], found[1][1][:, -1])
