"""The controls as streams: splits, causality, size, gradients, and each memory's rule token by token."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from torch import Tensor

from nexus.training.muon import optimizer_for
from nexus.training.plain import minimise_plain
from nexus.transformer import controls
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.controls import CONTROLS, Control, ControlState
from nexus.transformer.controls.direct_mapped import blended
from nexus.transformer.controls.fifo_knn import FifoKnn
from nexus.transformer.controls.full_attention import FullAttention
from nexus.transformer.controls.gated_delta import gated_delta
from nexus.transformer.controls.routed_slots import moved
from nexus.transformer.controls.window_only import WindowOnly

CHUNK = 12
NAMES = list(CONTROLS)
REMEMBERING = [name for name in NAMES if name != "window"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(5)


def config(layers: int = 2, vocabulary: int = 20) -> Config:
    memory = MemoryConfig(sets=8, ways=4, key_width=4, value_width=8, payload=6, orders=(1, 3))
    return Config(16, layers, 2, 1, 2, vocabulary, 8, window=CHUNK, chunk=CHUNK, group=8, memory=memory)


def tiny(name: str, layers: int = 2) -> Control:
    return CONTROLS[name](config(layers)).eval()


@torch.no_grad()
def whole(model: Control, tokens: Tensor, cuts: list[int]) -> tuple[Tensor, ControlState]:
    """log p of every position, the stream cut at `cuts` too."""
    state, out, edges = model.start(len(tokens)), [], [0, *cuts, tokens.shape[1]]
    for a, b in pairwise(edges):
        for _, piece in model.steps(tokens[:, a:b], state):
            done = model(piece, state)
            out.append(model.log_p(done))
            state = done.state
    return torch.cat(out, 1), state


@pytest.mark.parametrize("name", NAMES)
def test_any_split_gives_the_same(name: str) -> None:
    model, tokens = tiny(name), torch.randint(0, 6, (2, 5 * CHUNK + 7))
    together, after = whole(model, tokens, [])
    assert torch.allclose(together.logsumexp(-1), torch.zeros(2, tokens.shape[1]), atol=1e-5)
    for cuts in ([1], list(range(1, tokens.shape[1])), [3, 30, 31, 60], [CHUNK, 2 * CHUNK + 5]):
        apart, other = whole(model, tokens, cuts)
        assert (together - apart).abs().max() < 1e-4
        for key, tensor in after.entries.tensors.items():
            assert torch.allclose(tensor, other.entries.tensors[key], atol=1e-5), key


@pytest.mark.parametrize("name", NAMES)
def test_nothing_depends_on_what_comes_later(name: str) -> None:
    model, tokens = tiny(name), torch.randint(0, 6, (1, 4 * CHUNK))
    before, _ = whole(model, tokens, [])
    for at in (1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK + 3):
        other = tokens.clone()
        other[:, at:] = (tokens[:, at:] + 7) % 20
        after, _ = whole(model, other, [])
        assert torch.equal(before[:, :at], after[:, :at])
        assert not torch.equal(before[:, at], after[:, at])


@pytest.mark.parametrize("name", NAMES)
def test_only_what_remembers_sees_behind_the_window(name: str) -> None:
    model, tokens = tiny(name), torch.randint(0, 6, (1, 5 * CHUNK))
    before, _ = whole(model, tokens, [])
    other = tokens.clone()
    other[:, :CHUNK] = (tokens[:, :CHUNK] + 7) % 20
    other[:, 2:6] = tokens[:, 2:6]  # so that what is addressed by tokens is found
    after, _ = whole(model, other, [])
    far = slice(3 * CHUNK, None)  # two layers see two windows back
    assert torch.equal(before[:, far], after[:, far]) == (name == "window")


@pytest.mark.parametrize("name", NAMES)
def test_a_state_has_a_largest_size_or_says_that_it_grows(name: str) -> None:
    model, tokens = tiny(name), torch.randint(0, 20, (2, 6 * CHUNK))
    state = model.stream(tokens, model.start(2))
    assert state.position == 6 * CHUNK
    size = state.bytes()
    again = model.stream(tokens, state).bytes()
    assert model.bounded == (again == size)
    assert (again > size) == (name == "full-attention")


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model, tokens = tiny(name).train(), torch.randint(0, 4, (2, 4 * CHUNK + 1))
    figures = minimise_plain(model, tokens, cut=4, asked=torch.ones(2, 4 * CHUNK, dtype=torch.bool))
    assert figures.answers_on == pytest.approx(figures.on)
    assert figures.answers_off == pytest.approx(figures.off)
    assert (figures.on == figures.off) == (name in ("window", "full-attention"))
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_a_string_that_repeats(name: str) -> None:
    model = CONTROLS[name](config(1)).train()
    optimizer = optimizer_for(model, lr=0.02, adam_lr=0.02)
    tokens = torch.randperm(20)[:9].repeat(9)[None, : 3 * CHUNK + 1]
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        losses.append(minimise_plain(model, tokens, cut=2).on)
        optimizer.step()
    assert losses[0] > 2.5
    assert losses[-1] < 0.5


def test_a_cut_ends_the_history_and_changes_no_figure() -> None:
    model, tokens = tiny("fifo-knn"), torch.randint(0, 4, (2, 4 * CHUNK + 1))
    gradients, on = [], []
    for cut in (1, 2, 4):
        model.zero_grad()
        on.append(minimise_plain(model, tokens, cut=cut).on)
        assert isinstance(model, FifoKnn)
        gradients.append(model.to_key.weight.grad)
    assert on[0] == pytest.approx(on[2])
    assert gradients[0] is None  # what a chunk wrote is read after it
    assert gradients[1] is not None
    assert gradients[2] is not None
    assert not torch.allclose(gradients[1], gradients[2])


def test_each_control_is_one_small_file() -> None:
    folder = Path(controls.__file__).parent
    for name, kind in CONTROLS.items():
        file = folder / (kind.__module__.rpartition(".")[2] + ".py")
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 80, name


def test_more_than_a_chunk_is_refused() -> None:
    model = tiny("window")
    with pytest.raises(ValueError, match="13 tokens where the chunk has room for 12"):
        model(torch.zeros(1, 13, dtype=torch.int64), model.start(1))


def test_full_attention_is_a_window_that_never_ends() -> None:
    window, full = WindowOnly(config()).eval(), FullAttention(config()).eval()
    full.load_state_dict(window.state_dict())
    tokens = torch.randint(0, 20, (2, 4 * CHUNK))
    (near, _), (far, _) = whole(window, tokens, []), whole(full, tokens, [])
    assert (near[:, :CHUNK] - far[:, :CHUNK]).abs().max() < 1e-5
    assert (near[:, -1] - far[:, -1]).abs().max() > 1e-3


def test_fifo_keeps_the_last_and_reads_the_nearest() -> None:
    model, tokens = tiny("fifo-knn"), torch.randint(0, 20, (2, 4 * CHUNK))
    state = model.stream(tokens, model.start(2))
    held = state.entries.tensors
    assert held["place"].tolist() == [list(range(4 * CHUNK - 32, 4 * CHUNK))] * 2
    assert state.entries.occupied().tolist() == [32, 32]
    one = state.entries.streams(torch.tensor([1])).tensors
    assert torch.equal(one["key"][0], held["key"][1])
    assert isinstance(model, FifoKnn)
    with torch.no_grad():
        model.sharpness.fill_(1e5)  # one key takes all
        out = model(tokens[:, :3], state)
        value, there, _ = model.read(held, torch.cat([state.tokens, tokens[:, :3]], 1), out.state.hidden, 3)
        query = model.to_query(out.state.hidden[:, -3:])
    nearest = (query @ held["key"].mT).argmax(-1)
    assert there.all()
    assert torch.allclose(value, held["value"].gather(1, nearest[..., None].expand(-1, -1, 8)), atol=1e-5)


def test_slots_blend_as_the_rule_does_one_by_one() -> None:
    slots, row = torch.randn(6, 3), torch.randint(0, 4, (40,))  # many meet
    gate, value = 4 * torch.randn(40), torch.randn(40, 3)
    want = slots.clone()
    for n in range(40):
        g = gate[n].sigmoid()
        want[row[n]] = (1 - g) * want[row[n]] + g * value[n]
    assert torch.allclose(blended(slots, row, gate, value), want, atol=1e-5)


def test_the_delta_rule_of_a_piece_is_that_of_its_tokens() -> None:
    query, key, value = torch.randn(3, 2, 30, 4).unbind()
    key = torch.nn.functional.normalize(key, dim=-1)
    beta, decay = torch.rand(2, 30, 1), -3 * torch.rand(2, 30, 1)
    start = torch.randn(2, 4, 4)
    found, after = gated_delta(query, key, value, beta, decay, start)
    matrix, eye = start, torch.eye(4)
    for t in range(30):
        k, b = key[:, t, :, None], beta[:, t, :, None]
        matrix = decay[:, t, :, None].exp() * matrix @ (eye - b * k @ k.mT) + b * value[:, t, :, None] @ k.mT
        assert torch.allclose(found[:, t], (matrix @ query[:, t, :, None])[..., 0], atol=1e-4)
    assert torch.allclose(after, matrix, atol=1e-4)


def test_routed_slots_move_as_the_rule_does_one_by_one() -> None:
    slots, new = torch.randn(2, 5, 3), torch.randn(2, 20, 3)
    kept = -2 * torch.rand(2, 20, 5) * (torch.rand(2, 20, 5) < 0.5)
    want = slots.clone()
    for t in range(20):
        left = kept[:, t, :, None].exp()
        want = left * want + (1 - left) * new[:, t, None]
    assert torch.allclose(moved(slots, kept, new), want, atol=1e-5)
