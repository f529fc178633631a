"""The window: what it sees and what not, in calls of any length, anywhere in a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from torch import Tensor
from torch.nn import functional

from nexus.training.muon import optimizer_for
from nexus.transformer.attention import attend
from nexus.transformer.backbone import Backbone, Layer, WindowCache
from nexus.transformer.config import Config
from nexus.transformer.errors import TokensError, WindowError
from nexus.transformer.rope import Rotation

SMALL = Config(
    width=32, layers=2, heads=4, kv_heads=2, vocabulary=50, embedding=16, window=8, chunk=8, expansion=2
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    yield
    torch.set_num_threads(before)


def model(config: Config = SMALL, **other: object) -> Backbone:
    return Backbone(replace(config, **other)).eval()  # type: ignore[arg-type]


def tokens(streams: int, length: int, vocabulary: int = 50) -> Tensor:
    return torch.randint(0, vocabulary, (streams, length))


def full(query: Tensor, key: Tensor, value: Tensor, window: int, start: int = 0) -> Tensor:
    """The definition: the whole matrix, in float64, with the position in the stream as the angle."""
    shared, width = query.shape[1] // key.shape[1], query.shape[-1]
    length, past = query.shape[2], key.shape[2] - query.shape[2]

    def turn(x: Tensor, first: int) -> Tensor:
        places = torch.arange(first, first + x.shape[2], dtype=torch.float64)
        rates = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.outer(places, rates)
        a, b = x.double().chunk(2, -1)
        return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)

    q, k = turn(query, start + past), turn(key, start).repeat_interleave(shared, 1)
    v = value.double().repeat_interleave(shared, 1)
    back = torch.arange(past, past + length)[:, None] - torch.arange(past + length)[None]
    scores = (q @ k.mT / width**0.5).masked_fill((back < 0) | (back > window), -torch.inf)
    return torch.softmax(scores, -1) @ v


@pytest.mark.parametrize("start", [0, 100_000_000])
@pytest.mark.parametrize(("past", "length"), [(0, 1), (0, 8), (0, 29), (3, 9), (8, 1), (8, 40)])
def test_attention_and_its_gradients_are_those_of_the_whole_matrix(
    past: int, length: int, start: int
) -> None:
    query = torch.randn(2, 4, length, 6, requires_grad=True)
    key = torch.randn(2, 2, past + length, 6, requires_grad=True)
    value = torch.randn(2, 2, past + length, 6, requires_grad=True)
    rotation = Rotation(6, 8, 10_000.0)
    read = attend(query, key, value, rotation, 8)
    expected = full(query, key, value, 8, start)
    # In float64 an angle of 10^8 still has eight digits.
    assert torch.allclose(read.double(), expected, atol=1e-5)
    weight = torch.randn_like(read)
    found = torch.autograd.grad((read * weight).sum(), (query, key, value))
    wanted = torch.autograd.grad((expected * weight).sum(), (query, key, value))
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_rows_in_several_calls_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = torch.randn(1, 4, 40, 6), torch.randn(1, 2, 47, 6), torch.randn(1, 2, 47, 6)
    rotation = Rotation(6, 16, 10_000.0)
    whole = attend(query, key, value, rotation, 16)
    monkeypatch.setattr("nexus.transformer.attention.CPU_ROWS", 5)
    assert torch.allclose(attend(query, key, value, rotation, 16), whole, atol=1e-6)


@pytest.mark.parametrize("ternary", [False, True])
def test_a_later_token_changes_nothing_before_it(ternary: bool) -> None:
    net = model(ternary=ternary)
    x = tokens(2, 30)
    with torch.no_grad():
        logits = net.logits(net(x)[0])
        for place in (1, 7, 8, 9, 29):
            y = x.clone()
            y[:, place:] = (y[:, place:] + 1) % 50
            changed = net.logits(net(y)[0])
            assert torch.equal(changed[:, :place], logits[:, :place])
            assert not torch.equal(changed[:, place], logits[:, place])


def test_one_layer_sees_exactly_the_window() -> None:
    net = model(layers=1)
    x = tokens(1, 40)
    with torch.no_grad():
        hidden = net(x)[0]
        for place in (0, 5, 8, 17, 31):
            y = x.clone()
            y[0, place] = (y[0, place] + 1) % 50
            changed = (net(y)[0] != hidden)[0].any(-1)
            assert changed.nonzero().flatten().tolist() == list(range(place, min(place + 8, 39) + 1))


def test_the_windows_of_the_shipped_sizes_are_1024() -> None:
    """The same on the real window, where rows go in several calls."""
    net = model(Config.xs(layers=1, vocabulary=50, width=24, embedding=8, heads=2, kv_heads=1, expansion=1))
    x = tokens(1, 2200)
    with torch.no_grad():
        hidden = net(x)[0]
        for place in (3, 900):
            y = x.clone()
            y[0, place] = (y[0, place] + 1) % 50
            changed = (net(y)[0] != hidden)[0].any(-1).nonzero().flatten()
            assert (int(changed.min()), int(changed.max())) == (place, place + 1024)


@pytest.mark.parametrize("ternary", [False, True])
def test_any_split_into_calls_gives_the_same(ternary: bool) -> None:
    net = model(ternary=ternary)
    x = tokens(2, 61)
    with torch.no_grad():
        whole, end = net(x)
        for lengths in ([61], [1] * 61, [8] * 7 + [5], [7, 9, 1, 20, 24], [30, 31], [60, 1]):
            past, parts, at = None, [], 0
            for length in lengths:
                part, past = net(x[:, at : at + length], past)
                parts.append(part)
                at += length
            assert (torch.cat(parts, 1) - whole).abs().max() < 1e-4
            assert past is not None
            assert past.position == end.position == 61
            for one, other in zip((*past.keys, *past.values), (*end.keys, *end.values), strict=True):
                assert one.shape[2] == 8
                assert (one - other).abs().max() < 1e-4


def test_streams_do_not_meet() -> None:
    net = model()
    x = tokens(3, 20)
    with torch.no_grad():
        together = net(x)[0]
        for row in range(3):
            assert (net(x[row : row + 1])[0][0] - together[row]).abs().max() < 1e-5


def test_position_ten_to_the_eight_is_as_position_zero() -> None:
    net = model()
    x = tokens(1, 25)
    with torch.no_grad():
        _, past = net(x[:, :16])
        here, after = net(x[:, 16:], past)
        there, far = net(x[:, 16:], past.at(100_000_000))
    assert torch.equal(here, there)
    assert (after.position, far.position) == (25, 100_000_009)


def test_the_state_does_not_grow_and_owns_its_memory() -> None:
    net = model()
    past = None
    sizes = set()
    with torch.no_grad():
        for _ in range(6):
            _, past = net(tokens(1, 8), past)
            sizes.add(past.bytes())
            assert {t.untyped_storage().nbytes() for t in past.keys} == {8 * 2 * 8 * 4}
    assert len(sizes) == 1


def test_gradients_go_through_the_window_and_stop_where_asked() -> None:
    net = model()
    x = tokens(1, 16)
    weight = cast(Layer, net.layers[0]).attention.key.weight
    whole = torch.autograd.grad(net(x)[0][:, 8:].sum(), weight)[0]
    _, past = net(x[:, :8])
    split = torch.autograd.grad(net(x[:, 8:], past)[0].sum(), weight, retain_graph=True)[0]
    cut = torch.autograd.grad(net(x[:, 8:], past.detach())[0].sum(), weight)[0]
    assert torch.allclose(split, whole, atol=1e-4)
    assert not torch.allclose(cut, whole, atol=1e-4)


def test_it_learns() -> None:
    """What comes after 9 tokens of a kind is the next of that kind: the window and its weights are enough."""
    net = Backbone(replace(SMALL, layers=1))
    x = (torch.arange(24)[None] * torch.tensor([[1], [2], [3]])) % 11
    optimizer = optimizer_for(net, lr=0.01, adam_lr=0.01)
    losses = []
    for _ in range(80):
        loss = functional.cross_entropy(net.logits(net(x[:, :-1])[0]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_untied_has_a_table_of_its_own() -> None:
    net = model(tied=False)
    assert net.head is not None
    assert sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in model().parameters()) == 50 * 16


def test_a_window_can_be_saved_and_loaded() -> None:
    net = model()
    with torch.no_grad():
        _, past = net(tokens(2, 21))
        again = WindowCache.from_tensors(past.tensors(), SMALL)
        x = tokens(2, 5)
        assert torch.equal(net(x, again)[0], net(x, past)[0])
    assert again.position == 21


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(1, 0, dtype=torch.int64),
        torch.zeros(0, 4, dtype=torch.int64),
        torch.zeros(4, dtype=torch.int64),
        torch.zeros(1, 4),
        torch.tensor([[3, -1]]),
        torch.tensor([[50]]),
    ],
)
def test_tokens_that_are_none_are_refused(x: Tensor) -> None:
    with pytest.raises(TokensError, match="token"):
        model()(x)


def test_the_window_of_another_model_is_refused() -> None:
    net = model()
    with torch.no_grad():
        _, past = net(tokens(2, 21))
        _, deep = model(layers=3)(tokens(2, 21))
        _, wide = model(kv_heads=4)(tokens(2, 21))
        _, longer = model(window=16)(tokens(2, 21))
        for wrong, streams in ((past, 1), (deep, 2), (wide, 2), (longer, 2), (past.at(3), 2)):
            with pytest.raises(WindowError, match="a window of"):
                net(tokens(streams, 3), wrong)
    with pytest.raises(WindowError, match="a window of"):
        WindowCache.from_tensors(deep.tensors() | {"keys.2": deep.keys[2][:1]}, replace(SMALL, layers=3))
    with pytest.raises(WindowError, match="not those of a window"):
        WindowCache.from_tensors(deep.tensors(), SMALL)
