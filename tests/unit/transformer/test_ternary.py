"""Weights of three values: rounding, gradients, packing, and bytes that are not what was packed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from torch import Tensor
from torch.nn import functional

from nexus.training.muon import optimizer_for
from nexus.transformer.backbone import Backbone
from nexus.transformer.config import Config
from nexus.transformer.errors import PackedWeightsError
from nexus.transformer.ternary import TernaryLinear, load_packed, pack, packed_state, rounded, spread, unpack

torch.set_num_threads(1)
SMALL = Config(
    width=32,
    layers=2,
    heads=4,
    kv_heads=2,
    vocabulary=50,
    embedding=16,
    window=8,
    chunk=8,
    group=24,
    ternary=True,
)


def by_hand(weight: Tensor, group: int) -> Tensor:
    """The definition, one group at a time."""
    made = torch.zeros_like(weight)
    for row in range(weight.shape[0]):
        for start in range(0, weight.shape[1], group):
            part = weight[row, start : start + group]
            mean = part.abs().mean()
            trits = (part / mean).round().clamp(-1, 1) if mean > 0 else torch.zeros_like(part)
            if trits.any():
                made[row, start : start + group] = trits * (mean / trits.abs().mean()).half().float()
    return made


@pytest.mark.parametrize(("columns", "group"), [(128, 128), (200, 128), (7, 128), (30, 10)])
def test_rounding_is_the_definition(columns: int, group: int) -> None:
    weight = torch.randn(6, columns)
    weight[2] = 0
    layer = TernaryLinear(columns, 6, group)
    with torch.no_grad():
        layer.weight.copy_(weight)
    assert torch.allclose(layer.ternary(), by_hand(weight, group), rtol=1e-3)
    trits, scales = rounded(layer.ternary(), group)
    assert torch.equal(trits * spread(scales, group, columns), layer.ternary())


def test_the_mean_of_a_group_stays() -> None:
    weight = torch.randn(4, 256)
    trits, scales = rounded(weight, 128)
    made = (trits * spread(scales, 128, 256)).view(4, 2, 128).abs().mean(-1)
    assert torch.allclose(made, weight.view(4, 2, 128).abs().mean(-1), rtol=1e-3)


def test_gradients_go_to_the_full_weights() -> None:
    layer = TernaryLinear(8, 3, 4)
    x, target = torch.randn(5, 8), torch.randn(5, 3)
    loss = functional.mse_loss(layer(x), target)
    loss.backward()
    plain = layer.ternary().requires_grad_()
    functional.mse_loss(functional.linear(x, plain), target).backward()
    assert layer.weight.grad is not None
    assert plain.grad is not None
    assert torch.allclose(layer.weight.grad, plain.grad, atol=1e-6)


def test_what_is_kept_follows_the_weights() -> None:
    layer = TernaryLinear(8, 3, 4)
    x = torch.randn(2, 8)
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(layer(x), before)
        layer.weight.neg_()
        assert torch.allclose(layer(x), -before)
    assert torch.allclose(layer(x), -before)


def test_a_frozen_layer_passes_gradients_on_after_inference() -> None:
    layer = TernaryLinear(8, 3, 4).requires_grad_(False)
    x = torch.randn(2, 8)
    with torch.inference_mode():
        layer(x)
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, layer.ternary().sum(0).expand(2, 8), atol=1e-6)


def test_five_trits_a_byte_and_back() -> None:
    for count in (0, 1, 4, 5, 6, 1000):
        trits = torch.randint(-1, 2, (count,), dtype=torch.int8)
        packed = pack(trits)
        assert len(packed) == -(-count // 5)
        assert torch.equal(unpack(packed, count), trits)
    assert pack(torch.tensor([1, 0, -1, 0, 0])).tolist() == [2 + 3 + 0 + 27 + 81]


def test_packed_logits_are_bit_identical() -> None:
    torch.manual_seed(1)
    net = Backbone(SMALL).eval()
    tensors = packed_state(net, torch.float32)
    other = Backbone(SMALL).eval()
    load_packed(other, tensors)
    x = torch.randint(0, 50, (2, 20))
    with torch.no_grad():
        assert torch.equal(other.logits(other(x)[0]), net.logits(net(x)[0]))
    # Packed again, it is the same file.
    again = packed_state(other, torch.float32)
    assert all(torch.equal(again[name], value) for name, value in tensors.items())
    # With the rest in 16 bits, only the rest is rounded.
    half = packed_state(net)
    load_packed(other, half)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if f"{name.removesuffix('weight')}trits" not in half:
                value.copy_(value.half())
        assert torch.equal(other.logits(other(x)[0]), net.logits(net(x)[0]))


def test_s_is_small_enough() -> None:
    net = Backbone(Config.s(ternary=True))
    whole = 0
    for layer in net.modules():
        if isinstance(layer, TernaryLinear):
            rows, columns = layer.weight.shape
            whole += -(-rows * columns // 5) + 2 * rows * -(-columns // 128)
    ternary = sum(m.weight.numel() for m in net.modules() if isinstance(m, TernaryLinear))
    rest = sum(p.numel() for p in net.parameters()) - ternary
    assert ternary == 8 * (2 * 512 * 512 + 2 * 512 * 256 + 2 * 512 * 2048)
    # A megabyte stays for the memory's lanes and the file's header.
    assert whole + 2 * rest < 15_000_000


def test_bytes_that_are_no_trits_are_refused() -> None:
    good = pack(torch.randint(-1, 2, (17,)))
    for wrong in (good[:-1], torch.cat([good, good[:1]]), good.to(torch.int16), good.view(2, 2)):
        with pytest.raises(PackedWeightsError, match="for 17 weights"):
            unpack(wrong, 17)
    with pytest.raises(PackedWeightsError, match="byte 243"):
        unpack(torch.tensor([1, 2, 243, 121], dtype=torch.uint8), 17)
    with pytest.raises(PackedWeightsError, match="behind the last"):
        unpack(torch.tensor([1, 2, 3, 242], dtype=torch.uint8), 17)


def test_any_bytes_are_trits_or_refused() -> None:
    chance = random.Random(2)
    refused = 0
    for _ in range(300):
        count = chance.randrange(40)
        data = torch.tensor(list(chance.randbytes(chance.randrange(10))), dtype=torch.uint8)
        try:
            trits = unpack(data, count)
        except PackedWeightsError:
            refused += 1
        else:
            assert torch.equal(pack(trits), data)
    assert 100 < refused < 300


def test_a_damaged_state_is_refused_and_changes_nothing() -> None:
    net = Backbone(SMALL)
    good = packed_state(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    trits = next(name for name in good if name.endswith(".trits"))
    scales = trits.replace("trits", "scales")
    nan = good[scales].clone()
    nan[0, 0] = torch.nan
    wrong: list[tuple[dict[str, Tensor], str]] = [
        ({k: v for k, v in good.items() if k != trits}, "is missing"),
        ({k: v for k, v in good.items() if k != "table.weight"}, "table.weight is missing"),
        (good | {"more": torch.zeros(1)}, "more is of another model"),
        (good | {scales: nan}, "negative or no number"),
        (good | {scales: -good[scales]}, "negative or no number"),
        (good | {scales: good[scales].float()}, "scales torch.float32"),
        (good | {scales: good[scales][:, :1]}, "scales torch.float16"),
        (good | {trits: good[trits][:-1]}, "weights"),
        (good | {"table.weight": good["table.weight"][:-1]}, "table.weight is"),
        (good | {"table.weight": good["table.weight"] * torch.nan}, "no number"),
    ]
    for tensors, named in wrong:
        with pytest.raises(PackedWeightsError, match=named):
            load_packed(net, tensors)
    with pytest.raises(PackedWeightsError):
        load_packed(Backbone(replace(SMALL, width=64)), good)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_ternary_model_learns() -> None:
    torch.manual_seed(0)
    net = Backbone(replace(SMALL, layers=1, group=16))
    x = (torch.arange(20)[None] * torch.tensor([[1], [2]])) % 7
    optimizer = optimizer_for(net, lr=0.01, adam_lr=0.01)
    losses = []
    for _ in range(60):
        loss = functional.cross_entropy(net.logits(net(x[:, :-1])[0]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
