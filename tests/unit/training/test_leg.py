"""A leg of a training: it ends by plan, by time or by word, goes on where it was, and packs what came out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.core.errors import InvalidInputError
from nexus.training import leg as legs
from nexus.training.leg import Leg
from nexus.training.trained import from_training, opened
from nexus.training.trainer import LOG, Plan
from nexus.transformer import weights
from tests.transformer_commands import TINY, story

PLAN = Plan(3, tokens=512, chunks=((0.0, 8),), save_every=2)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def leg(tmp_path: Path, folder: str = "out", plan: Plan = PLAN, **other: object) -> Leg:
    text = tmp_path / "text.txt"
    if not text.exists():
        story(text)
    return Leg(TINY, plan, [text], tmp_path / folder, **other)  # type: ignore[arg-type]


def test_it_stops_at_a_word_goes_on_and_packs_its_weights(tmp_path: Path) -> None:
    heard: list[int] = []
    first = legs.run(leg(tmp_path), lambda step, *_: heard.append(step), lambda: True)
    assert (first.step, first.done, first.weights) == (1, False, None)
    second = legs.run(leg(tmp_path), lambda step, *_: heard.append(step), lambda: False)
    assert (heard, second.done) == ([1, 2, 3], True)
    assert second.weights == tmp_path / "out" / "model.safetensors"
    assert weights.about(second.weights)["step"] == "3"
    model, step = from_training(tmp_path / "out" / "step-000000003.safetensors")
    assert step == 3
    half = opened(second.weights)
    assert half.config == model.config
    assert half.writing.budget == model.writing.budget == 8
    assert half.writing.explore == 0
    for name, tensor in half.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name].half().float()), name
    assert len((tmp_path / "out" / LOG).read_text().splitlines()) == 3
    assert json.loads(json.dumps(legs.as_dict(second, leg(tmp_path))))["done"] is True


@pytest.mark.slow
def test_at_the_end_the_gate_alone_learns_more(tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []
    tokens = 4 * 16 * TINY.chunk
    outcome = legs.run(
        leg(tmp_path, gate=tokens), lambda *_: None, lambda: False, gated=lambda *so: shown.append(so)
    )
    assert outcome.done
    assert shown[-1] == (tokens, tokens)
    assert any("gate's error" in note for note in outcome.notes)
    before, _ = from_training(tmp_path / "out" / "step-000000003.safetensors")
    after = opened(outcome.weights).state_dict()
    changed = [
        n for n, value in before.state_dict().items() if not torch.equal(value.half().float(), after[n])
    ]
    assert changed
    assert all(name.startswith("regret.") for name in changed)


def test_too_few_tokens_for_the_gate_are_refused_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="from 1000 tokens"):
        legs.run(leg(tmp_path, gate=1000), lambda *_: None, lambda: False)
    assert not (tmp_path / "out" / LOG).exists()


@pytest.mark.slow
def test_a_word_to_stop_while_the_gate_learns_leaves_that_for_the_next_time(tmp_path: Path) -> None:
    steps: list[int] = []
    made = leg(tmp_path, gate=4 * 16 * TINY.chunk)
    first = legs.run(made, lambda step, *_: steps.append(step), lambda: len(steps) == 3)
    assert (first.step, first.done, first.weights) == (3, False, None)
    second = legs.run(made, lambda step, *_: steps.append(step), lambda: False)
    assert (steps, second.done) == ([1, 2, 3], True)
    assert second.weights is not None


def test_it_stops_when_its_time_is_over(tmp_path: Path) -> None:
    outcome = legs.run(leg(tmp_path, minutes=1e-9), lambda *_: None, lambda: False)
    assert (outcome.step, outcome.done) == (1, False)


def test_it_begins_with_the_weights_of_another(tmp_path: Path) -> None:
    one = Plan(1, tokens=512, chunks=((0.0, 8),), alone=1.0)
    legs.run(leg(tmp_path, "a", one), lambda *_: None, lambda: False)
    state = tmp_path / "a" / "step-000000001.safetensors"
    seen: list[torch.Tensor] = []
    outcome = legs.run(
        leg(tmp_path, "b", begin_from=state),
        lambda *_: None,
        lambda: True,
        lambda training, tokens: seen.append(training.model.backbone.table.weight.detach().clone()),
    )
    assert torch.equal(seen[0], from_training(state)[0].backbone.table.weight)
    assert any("0 weights are not in" in note for note in outcome.notes)


def test_devices_and_sizes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="device 'tpu' is not there"):
        legs.run(leg(tmp_path, device="tpu"), lambda *_: None, lambda: False)
    with pytest.raises(InvalidInputError, match="no size 'huge'"):
        legs.config("huge", ternary=False)
    assert legs.config("xs", ternary=True).ternary
