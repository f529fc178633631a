"""Needles in a stream: a memory that keeps everything finds all, one that keeps nothing finds none."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.core.errors import InvalidInputError
from nexus.training.episodes import letters
from nexus.training.needles import says, search
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.gates import EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer


def encode(text: str) -> list[int]:
    return [int(one) for one in Tokenizer.shipped().encode(text)]


def model(budget: int) -> Nexus:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    kept = MemoryConfig(sets=512, ways=8, key_width=4, value_width=8, orders=(4, 9))
    made = Nexus(Config(16, 1, 2, 1, 2, 8192, 8, window=64, chunk=64, group=8, memory=kept)).eval()
    made.writing = Writing(EveryGate(2), budget=budget, least=-1.0)
    with torch.no_grad():
        made.copy.out.bias.fill_(20.0)
    return made


def test_all_is_found_by_a_memory_that_keeps_all() -> None:
    heard = []
    score = search(
        model(1000), encode, letters(encode), 2000, count=4, seeds=(1, 2), told=lambda *x: heard.append(x)
    )
    assert [(found.asked, found.exact, found.held) for found in score.streams] == [(4, 4, 4)] * 2
    assert all(128 < distance < 2000 for found in score.streams for distance in found.distance)
    assert score.tokens == 4000
    assert heard[-1] == (2000, 2000)


def test_nothing_is_found_by_a_memory_that_keeps_nothing() -> None:
    (found,) = search(model(0), encode, letters(encode), 2000, count=4, seeds=(1,)).streams
    assert (found.exact, found.held, found.entries) == (0, 0, 0)


def test_asking_changes_nothing() -> None:
    ours = model(1000)
    state = ours.stream(torch.tensor([encode("To be or not to be. " * 20)]), ours.start(1))
    before = {name: tensor.clone() for name, tensor in state.entries.tensors().items()}
    question, said = encode("To be"), []
    after, given = state, torch.tensor([question])
    with torch.no_grad():
        for _ in range(80):  # token by token, over the end of a chunk
            for _, piece in ours.steps(given, after):
                out = ours(piece, after)
                after = out.state
            given = ours.log_p(out)[:, -1:].argmax(-1)
            said.append(int(given))
    assert says(ours, state, question, said)
    assert not says(ours, state, question, [*said[:-1], said[-1] + 1])
    assert not says(ours, state, question, [said[0] + 1, *said[1:]])
    for name, tensor in state.entries.tensors().items():
        assert torch.equal(tensor, before[name]), name


def test_facts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="20 facts do not fit into 300 tokens"):
        search(model(0), encode, letters(encode), 300, count=20)
