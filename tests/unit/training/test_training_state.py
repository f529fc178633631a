"""Muon with Adam, and trainings that go on as if they had not stopped."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from safetensors.torch import save_file
from torch.nn import functional

from nexus.training.errors import TrainingStateError
from nexus.training.muon import DivergedError, MuonAdam, optimizer_for, orthogonal
from nexus.training.training_state import TrainingState, TrainingStates, put_back, taken
from nexus.transformer.backbone import Backbone
from nexus.transformer.config import Config
from nexus.transformer.ternary import TernaryLinear

torch.set_num_threads(1)
SMALL = Config(
    width=32, layers=2, heads=4, kv_heads=2, vocabulary=50, embedding=16, window=8, chunk=8, ternary=True
)


def a_step(net: Backbone, optimizer: MuonAdam) -> float:
    x = torch.randint(0, 50, (2, 13))
    loss = functional.cross_entropy(net.logits(net(x[:, :-1])[0]).flatten(0, 1), x[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def begun(seed: int) -> tuple[Backbone, MuonAdam]:
    torch.manual_seed(seed)
    net = Backbone(SMALL)
    return net, optimizer_for(net, lr=0.01)


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    for rows, columns in ((20, 20), (8, 40), (40, 8)):
        made = orthogonal(torch.randn(3, rows, columns), 7)
        values = torch.linalg.svdvals(made)
        assert made.shape == (3, rows, columns)
        assert bool(((values > 0.6) & (values < 1.3)).all())
    plain = torch.randn(1, 6, 9)
    u, _, v = torch.linalg.svd(plain, full_matrices=False)
    assert torch.allclose(
        orthogonal(plain, 7) @ v.mT @ u.mT, (orthogonal(plain, 7) @ v.mT @ u.mT).mT, atol=1e-3
    )


def test_matrices_of_the_layers_are_for_muon() -> None:
    net, optimizer = begun(0)
    muon, adam = optimizer.param_groups
    inside = {id(m.weight) for m in net.modules() if isinstance(m, TernaryLinear)}
    assert {id(p) for p in muon["params"]} == inside
    assert len(muon["params"]) + len(adam["params"]) == len(list(net.parameters()))


def test_adam_is_the_usual_one() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(5))
    expected, mean, square = (
        weight.detach().double().clone(),
        torch.zeros(5).double(),
        torch.zeros(5).double(),
    )
    optimizer = MuonAdam([], [weight], adam_lr=0.01)
    for step in range(1, 6):
        weight.grad = torch.randn(5)
        mean = 0.9 * mean + 0.1 * weight.grad
        square = 0.95 * square + 0.05 * weight.grad**2
        expected -= 0.01 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.95**step)).sqrt() + 1e-10)
        optimizer.step()
    assert torch.allclose(weight.double(), expected, atol=1e-6)


def test_it_learns_and_stops_where_a_gradient_is_no_number() -> None:
    net, optimizer = begun(3)
    x = (torch.arange(20)[None] * torch.tensor([[1], [2]])) % 7
    losses = []
    for _ in range(40):
        loss = functional.cross_entropy(net.logits(net(x[:, :-1])[0]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    before = [p.detach().clone() for p in net.parameters()]
    gradient = next(net.parameters()).grad
    assert gradient is not None
    gradient[0, 0] = torch.nan
    with pytest.raises(DivergedError, match="finite"):
        optimizer.step()
    assert all(torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))


def test_a_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    net, optimizer = begun(1)
    for _ in range(3):
        a_step(net, optimizer)
    tensors, facts = taken(net, optimizer)
    TrainingState(SMALL, 3, tensors, facts | {"place": 17}).save(tmp_path / "s.safetensors")
    expected = [a_step(net, optimizer) for _ in range(3)]

    other, its = begun(2)
    state = TrainingState.load(tmp_path / "s.safetensors", SMALL)
    put_back(state, other, its)
    assert (state.step, state.facts["place"]) == (3, 17)
    assert [a_step(other, its) for _ in range(3)] == expected
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_what_is_saved_does_not_change_with_the_training(tmp_path: Path) -> None:
    """A tied table is one tensor under one name; two names for one tensor are both saved."""
    weight = torch.arange(4.0)
    TrainingState(SMALL, 0, {"a": weight, "b": weight, "c": weight[1:3]}).save(tmp_path / "s.safetensors")
    weight.zero_()
    found = TrainingState.load(tmp_path / "s.safetensors").tensors
    assert [found[name].tolist() for name in "abc"] == [[0, 1, 2, 3], [0, 1, 2, 3], [1, 2]]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    TrainingState(SMALL, 5, {"a": torch.randn(20), "b": torch.zeros(0)}, {"x": 1}).save(path)
    good = path.read_bytes()
    chance = random.Random(4)
    for at in chance.sample(range(len(good)), 80):
        data = bytearray(good)
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with pytest.raises(TrainingStateError):
            TrainingState.load(path)
    for length in (0, 5, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(TrainingStateError):
            TrainingState.load(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(TrainingStateError, match="no saved training"):
        TrainingState.load(path)
    with pytest.raises(TrainingStateError, match="no safetensors file"):
        TrainingState.load(tmp_path / "none")


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    net, optimizer = begun(0)
    a_step(net, optimizer)
    tensors, facts = taken(net, optimizer)
    path = TrainingStates(tmp_path).save(TrainingState(SMALL, 1, tensors, facts))
    deeper = replace(SMALL, layers=3)
    with pytest.raises(TrainingStateError, match=f"{SMALL.fingerprint()}, not {deeper.fingerprint()}"):
        TrainingState.load(path, deeper)
    with pytest.raises(TrainingStateError, match="not"):
        TrainingStates(tmp_path).newest(deeper)
    other = Backbone(deeper)
    with pytest.raises(TrainingStateError, match="does not fit"):
        put_back(TrainingState.load(path), other, optimizer_for(other))


def test_the_newest_sound_one_is_found_and_old_ones_go(tmp_path: Path) -> None:
    states = TrainingStates(tmp_path, kept=3)
    assert states.newest(SMALL) == (None, [])
    for step in range(5):
        states.save(TrainingState(SMALL, step, {"a": torch.tensor([step])}))
    assert [path.name for path in states.paths()] == [f"step-{n:09d}.safetensors" for n in (2, 3, 4)]
    newest = states.paths()[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    found, wrong = states.newest(SMALL)
    assert found is not None
    assert found.step == 3
    assert len(wrong) == 1
    assert newest.name in wrong[0].message
    assert newest.exists()
