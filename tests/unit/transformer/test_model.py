"""The Nexus as a stream: splits, causality, what a chunk's end does, and what the pointer gives back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from torch import Tensor

from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.gates import EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.step import State, Tapes, Writing

CHUNK = 24


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(5)


def tiny(**memory: Any) -> Nexus:
    sizes = {"sets": 8, "ways": 4, "key_width": 4, "value_width": 8, "payload": 6, "orders": (1, 3)}
    kept = MemoryConfig(**cast("dict[str, Any]", sizes | memory))
    model = Nexus(Config(16, 2, 2, 1, 2, 20, 8, window=CHUNK, chunk=CHUNK, group=8, memory=kept)).eval()
    model.writing = Writing(EveryGate(2), budget=1000, least=-1.0)
    return model


@torch.no_grad()
def whole(model: Nexus, tokens: Tensor, cuts: list[int]) -> tuple[Tensor, State]:
    """log p of every position, the stream cut at `cuts` too."""
    state, out, edges = model.start(len(tokens)), [], [0, *cuts, tokens.shape[1]]
    for a, b in pairwise(edges):
        for _, piece in model.steps(tokens[:, a:b], state):
            done = model(piece, state)
            out.append(model.log_p(done))
            state = done.state
    return torch.cat(out, 1), state


@pytest.mark.parametrize(("replacement", "meanings"), [("lru", 0), ("priority", 0), ("priority", 4)])
def test_any_split_gives_the_same(replacement: str, meanings: int) -> None:
    model, tokens = tiny(replacement=replacement, meanings=meanings), torch.randint(0, 4, (2, 5 * CHUNK + 7))
    together, after = whole(model, tokens, [])
    for cuts in ([1], list(range(1, tokens.shape[1])), [3, 30, 31, 60, 95], [CHUNK, 2 * CHUNK + 5]):
        apart, other = whole(model, tokens, cuts)
        assert (together - apart).abs().max() < 1e-4
        for one, two in ((after.entries, other.entries), (after.meanings, other.meanings)):
            assert (one is None) == (two is None)
            for name, tensor in {} if one is None else one.tensors().items():
                assert torch.allclose(tensor.float(), getattr(two, name).float(), atol=1e-5), name


@pytest.mark.parametrize("meanings", [0, 4])
def test_nothing_depends_on_what_comes_later(meanings: int) -> None:
    model, tokens = tiny(meanings=meanings), torch.randint(0, 4, (1, 4 * CHUNK))
    before, _ = whole(model, tokens, [])
    for at in (1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK + 3):
        other = tokens.clone()
        other[:, at:] = torch.randint(0, 20, (1, tokens.shape[1] - at))
        after, _ = whole(model, other, [])
        assert torch.equal(before[:, :at], after[:, :at])


def test_the_stream_keeps_one_size_and_writes_what_the_steps_write() -> None:
    model, tokens = tiny(), torch.randint(0, 20, (1, 9 * CHUNK))
    _, want = whole(model, tokens, [])
    state = model.stream(tokens[:, :50], model.start(1))
    state = model.stream(tokens[:, 50:], state)
    size = state.bytes()
    for name, tensor in want.entries.tensors().items():
        assert torch.allclose(tensor.float(), getattr(state.entries, name).float(), atol=1e-5), name
    assert model.stream(tokens, state).bytes() == size


def test_what_was_said_once_is_said_again_far_behind_the_window() -> None:
    model = tiny(sets=512)
    with torch.no_grad():
        model.copy.out.bias.fill_(20.0)  # believe every run
    fact = torch.tensor([[15, 16, 17, 1, 2, 3, 0, 2, 1]])
    noise = torch.randint(4, 14, (1, 10 * CHUNK + 5))
    state = model.stream(torch.cat([noise[:, : CHUNK - 4], fact, noise], 1), model.start(1))
    said = []
    word = fact[:, :3]
    for _ in range(6):
        with torch.no_grad():
            out = model(word, state)
        word = model.log_p(out)[:, -1:].argmax(-1)
        state = out.state
        said.append(int(word))
    assert said == fact[0, 3:].tolist()
    assert int(out.read.place[0, -1]) == CHUNK - 4 + 3


def test_a_tape_gives_gradients_to_what_was_written_and_the_same_numbers() -> None:
    model, tokens = tiny(), torch.randint(0, 4, (2, 4 * CHUNK))
    want, _ = whole(model, tokens, [])
    state = model.start(2)
    tapes = Tapes.of(state)
    out = []
    for _, piece in model.steps(tokens, state):
        done = model(piece, state, tapes)
        out.append(model.log_p(done))
        state = done.state
    got = torch.cat(out, 1)
    assert torch.allclose(got, want, atol=1e-5)
    got[:, -3:].logsumexp(-1).sum().backward()
    got = torch.cat(out, 1)
    for parameter in (model.to_value.weight, model.refine.weight, model.fusion.beta):
        assert parameter.grad is not None


def test_losses_are_those_of_the_distribution() -> None:
    model, tokens = tiny(), torch.randint(0, 4, (2, 3 * CHUNK))
    state = model.stream(tokens[:, :-CHUNK], model.start(2))
    with torch.no_grad():
        out = model(tokens[:, -CHUNK:], state)
        target = torch.randint(0, 20, (2, CHUNK))
        log_p = model.log_p(out)
        losses = model.losses(out, target)
        on, off = losses.on, losses.off
        assert torch.allclose(log_p.logsumexp(-1), torch.zeros(2, CHUNK), atol=1e-5)
        assert torch.allclose(on, -log_p.gather(-1, target[..., None])[..., 0], atol=1e-5)
        alone = model.backbone.logits(out.hidden).log_softmax(-1)
        assert torch.allclose(off, -alone.gather(-1, target[..., None])[..., 0], atol=1e-6)
        assert (out.read.run.token >= 0).any()
        assert out.read.names.there.any()


def test_more_than_a_chunk_is_refused() -> None:
    model = tiny()
    with pytest.raises(ValueError, match="25 tokens where the chunk has room for 24"):
        model(torch.zeros(1, 25, dtype=torch.int64), model.start(1))
