"""What an entry would have saved, beside a loop that looks for it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.training.hindsight import CERTAIN, COSTLY, FREE, look_back

CHUNK, PAYLOAD = 8, 3


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(CHUNK, 5 * CHUNK), st.integers(1, 6))
def test_it_is_what_a_loop_finds(seed: int, length: int, words: int) -> None:
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, words, (2, length + 1), generator=random)
    cost = torch.rand(2, length, generator=random) * 2 * COSTLY
    pairs = torch.cat([torch.full((2, 1), 99), tokens[:, :-1]], 1)[:, :length] * 100 + tokens[:, :length]
    tags = torch.stack([tokens[:, :length], pairs], -1)
    got = look_back(tags, tokens, cost, chunk=CHUNK, payload=PAYLOAD)
    for stream in range(2):
        line = tokens[stream].tolist()
        for order in range(2):
            tag = tags[stream, :, order].tolist()
            for start in range(1, length):
                later = range((start // CHUNK + 1) * CHUNK, length)
                again = next((n for n in later if tag[n] == tag[start - 1]), None)
                saved, known = 0.0, True
                if again is not None:
                    ahead = range(min(PAYLOAD, length - again))
                    for j in ahead:
                        if line[start + j] != line[again + 1 + j]:
                            break
                        saved += max(0.0, float(cost[stream, again + j]) - FREE)
                    if cost[stream, again - 1] > COSTLY:
                        saved = 0.0
                    if saved < CERTAIN:
                        costly = {line[again + 1 + j] for j in ahead if cost[stream, again + j] > COSTLY}
                        known = not costly & set(line[start : start + PAYLOAD])
                assert abs(float(got.saved[stream, start, order]) - saved) < 1e-4
                assert bool(got.known[stream, start, order]) == known
