"""Training a tiny Nexus: it learns to look things up, goes on bit-exactly, and says when it diverges."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.core.errors import InvalidInputError
from nexus.training import token_files
from nexus.training.diet import TURNS, Diet
from nexus.training.errors import TokenFileError, TrainingStateError
from nexus.training.muon import DivergedError
from nexus.training.objective import LOGITS, minimise
from nexus.training.token_files import TokenFile
from nexus.training.trainer import LOG, Plan, Training
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.gates import EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.rsm.errors import MemoryValueError
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer

MEMORY = MemoryConfig(sets=32, ways=4, key_width=4, value_width=8, orders=(1, 3), replacement="priority")
TINY = Config(16, 1, 2, 1, 2, 8192, 8, window=64, chunk=64, group=8, memory=MEMORY)
PLAN = Plan(4, tokens=1024, chunks=((0.0, 8),), cut=4, save_every=2)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def diet(tmp_path_factory: pytest.TempPathFactory) -> Diet:
    tokenizer = Tokenizer.shipped()
    path = tmp_path_factory.mktemp("tokens") / "text.tokens"
    words = tokenizer.encode("It was the best of times, it was the worst of times. " * 200)
    token_files.write(path, [words], tokenizer)
    return Diet([TokenFile(path, tokenizer)], tokenizer)


def trained(
    diet: Diet, folder: Path, plan: Plan = PLAN, stop_at: int = 99, config: Config = TINY
) -> Training:
    training = Training(config, plan, diet, folder)
    training.run(lambda *_: None, lambda: training.step >= stop_at)
    return training


@pytest.mark.parametrize("meanings", [0, 8])
def test_a_training_that_was_stopped_goes_on_bit_for_bit(diet: Diet, tmp_path: Path, meanings: int) -> None:
    config = replace(TINY, memory=replace(MEMORY, meanings=meanings))
    whole = trained(diet, tmp_path / "whole", config=config)
    assert trained(diet, tmp_path / "parts", stop_at=1, config=config).step == 1
    assert trained(diet, tmp_path / "parts", stop_at=3, config=config).step == 3
    parts = trained(diet, tmp_path / "parts", config=config)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, parts.model.state_dict()[name]), name
    logs = [(tmp_path / name / LOG).read_text().splitlines() for name in ("whole", "parts")]
    figures = [[json.loads(line) | {"seconds": 0} for line in log] for log in logs]
    assert figures[0] == figures[1]
    assert [line["step"] for line in figures[0]] == [1, 2, 3, 4]


def test_a_loss_that_is_no_number_changes_nothing(diet: Diet, tmp_path: Path) -> None:
    training = trained(diet, tmp_path, stop_at=1)
    with torch.no_grad():
        training.model.backbone.table.weight[:] = math.inf
    before = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    with pytest.raises((DivergedError, MemoryValueError)):
        training.run(lambda *_: None)
    assert training.step == 1
    for name, tensor in training.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert trained(diet, tmp_path).step == 4  # from the state on the disk


def test_rows_are_those_of_the_step_and_mark_their_answers(diet: Diet) -> None:
    one, same, other = (diet.meal(step, 8, 1024, 64) for step in (3, 3, 4))
    assert np.array_equal(one.tokens, same.tokens)
    assert not np.array_equal(one.tokens, other.tokens)
    assert one.tokens.shape == (8, 1025)
    assert one.asked.any(1).tolist() == [kind != "text" for kind in TURNS]
    assert not diet.meal(3, 8, 1024, 64, turns=("text",)).asked.any()


def test_the_window_may_learn_alone_and_its_weights_begin_another_training(
    diet: Diet, tmp_path: Path
) -> None:
    first = trained(diet, tmp_path / "alone", replace(PLAN, alone=0.5), stop_at=2)
    lines = [json.loads(line) for line in (tmp_path / "alone" / LOG).read_text().splitlines()]
    assert [line["written"] for line in lines] == [0.0, 0.0]
    assert lines[1]["off"] < lines[0]["off"]
    taught = first.model.state_dict()
    longer = replace(TINY, window=128, chunk=128, memory=replace(MEMORY, orders=(1, 2, 3)))
    other = Training(longer, PLAN, diet, tmp_path / "other")
    new = other.begin_from(first.save())
    assert "backbone.table.weight" not in new
    assert "regret.out.weight" in new  # one more order: another shape
    for name, tensor in other.model.state_dict().items():
        assert name in new or torch.equal(tensor, taught[name])
    wide = Training(replace(TINY, width=24, heads=3, kv_heads=1), PLAN, diet, tmp_path / "wide")
    with pytest.raises(TrainingStateError, match="another width"):
        wide.begin_from(first.save())


def test_a_step_with_the_memory_follows_those_alone(diet: Diet, tmp_path: Path) -> None:
    trained(diet, tmp_path, replace(PLAN, alone=0.5), stop_at=3)
    last = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert last["step"] == 3
    assert last["written"] > 0


def test_gradients_are_those_of_the_mean_over_all_tokens() -> None:
    torch.manual_seed(1)
    model = Nexus(replace(TINY, vocabulary=50))
    model.writing = Writing(EveryGate(2), budget=0)  # nothing to read: what it must be is short to say
    tokens = torch.randint(0, 50, (2, 4 * 64 + 1))
    hidden, _ = model.backbone(tokens[:, :-1])
    logits = model.backbone.logits(hidden)
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    torch.autograd.backward(2 * nats + LOGITS * logits.logsumexp(-1).square().mean())
    want = [p.grad.clone() for p in model.backbone.parameters() if p.grad is not None]
    model.zero_grad()
    figures = minimise(model, tokens, cut=4)
    got = [p.grad.clone() for p in model.backbone.parameters() if p.grad is not None]
    assert figures.on == pytest.approx(float(nats.detach()), rel=1e-5)
    assert figures.off == pytest.approx(figures.on)
    assert math.isnan(figures.answers_on)
    assert want
    for one, other in zip(got, want, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    model.zero_grad()
    minimise(model, tokens, cut=1)  # no gradient reaches back into another chunk
    short = [p.grad for p in model.backbone.parameters() if p.grad is not None]
    assert not all(torch.allclose(one, other, atol=1e-5) for one, other in zip(short, want, strict=True))


def test_files_of_another_tokenizer_or_without_text_are_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer.shipped()
    path = tmp_path / "a.tokens"
    token_files.write(path, [], tokenizer)
    with pytest.raises(TokenFileError, match="1 files hold no tokens"):
        Diet([TokenFile(path, tokenizer)], tokenizer)
    foreign = TokenFile(path, tokenizer)
    object.__setattr__(foreign, "fingerprint", "0" * 16)
    with pytest.raises(TokenFileError, match="is of tokenizer 0000000000000000"):
        Diet([foreign], tokenizer)


def test_what_is_read_in_later_chunks_trains_what_was_written() -> None:
    torch.manual_seed(1)
    model = Nexus(replace(TINY, vocabulary=50))
    model.writing = Writing(EveryGate(2), budget=128, least=-1.0)
    figures = minimise(model, torch.arange(50).repeat(8)[None, : 5 * 64 + 1])
    assert figures.written > 0.5
    assert figures.saved > 0
    for parameter in (
        model.to_value.weight,
        model.fusion.out.weight,
        model.copy.out.weight,
        model.regret.out.weight,
    ):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


def test_plans_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="a plan of 0 steps"):
        Plan(0)
    with pytest.raises(InvalidInputError, match="chunks"):
        Plan(4, chunks=((0.5, 4),))
    with pytest.raises(ValueError, match="100 tokens are no whole number of chunks of 64"):
        minimise(Nexus(TINY), torch.zeros(1, 101, dtype=torch.int64))


def test_a_semantic_lane_learns_beside_the_rest_if_told_what_is_rare(diet: Diet, tmp_path: Path) -> None:
    config = replace(TINY, memory=replace(MEMORY, meanings=8))
    torch.manual_seed(PLAN.seed)
    before = Nexus(config).semantic
    after = trained(diet, tmp_path, stop_at=2, config=config).model.semantic
    assert before is not None
    assert after is not None
    assert not torch.equal(before.centroids, after.centroids)
    assert not torch.equal(before.to_query.weight, after.to_query.weight)
    with pytest.raises(ValueError, match="say which those are"):
        minimise(Nexus(config), torch.zeros(1, 65, dtype=torch.int64))
