"""A plain training: the same for a Nexus and every control, which then answer needles by the same search."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.training import token_files
from nexus.training.diet import Diet
from nexus.training.episodes import letters
from nexus.training.muon import DivergedError
from nexus.training.needles import says, search
from nexus.training.plain import minimise_plain, train
from nexus.training.token_files import TokenFile
from nexus.training.trainer import Plan
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.controls import CONTROLS, Control
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer

MEMORY = MemoryConfig(sets=32, ways=4, key_width=4, value_width=8, orders=(1, 3), replacement="priority")
TINY = Config(16, 1, 2, 1, 2, 8192, 8, window=32, chunk=32, group=8, memory=MEMORY)
PLAN = Plan(3, tokens=512, chunks=((0.0, 8),), cut=4, warm=1, adam_rate=0.02)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(3)


def encode(text: str) -> list[int]:
    return [int(one) for one in Tokenizer.shipped().encode(text)]


@pytest.fixture(scope="module")
def diet(tmp_path_factory: pytest.TempPathFactory) -> Diet:
    tokenizer = Tokenizer.shipped()
    path = tmp_path_factory.mktemp("tokens") / "text.tokens"
    words = tokenizer.encode("It was the best of times, it was the worst of times. " * 100)
    token_files.write(path, [words], tokenizer)
    return Diet([TokenFile(path, tokenizer)], tokenizer)


@pytest.mark.parametrize("name", [*CONTROLS, "nexus"])
def test_every_model_is_trained_by_the_same_steps(diet: Diet, name: str) -> None:
    model = Nexus(TINY) if name == "nexus" else CONTROLS[name](TINY)
    if isinstance(model, Nexus):
        model.writing = Writing(model.regret, budget=4, explore=0.5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    heard = []
    train(model, PLAN, diet, ("text",), told=lambda step, figures: heard.append((step, figures.off)))
    assert [step for step, _ in heard] == [1, 2, 3]
    assert heard[-1][1] < heard[0][1] - 0.1
    assert not model.training
    assert any(not torch.equal(value, before[key]) for key, value in model.state_dict().items())
    if isinstance(model, Nexus):
        assert model.writing.explore == 0


def test_a_loss_that_is_no_number_ends_it(diet: Diet, tmp_path: Path) -> None:
    model = CONTROLS["window"](TINY)
    with torch.no_grad():
        model.backbone.table.weight[:] = math.inf
    with pytest.raises(DivergedError, match="the loss of step 1 is nan"):
        train(model, PLAN, diet)


def test_what_is_no_whole_number_of_chunks_is_refused() -> None:
    with pytest.raises(ValueError, match="40 tokens are no whole number of chunks of 32"):
        minimise_plain(CONTROLS["window"](TINY), torch.zeros(1, 41, dtype=torch.int64))


@pytest.mark.parametrize("name", list(CONTROLS))
def test_needles_are_searched_in_a_control_as_in_a_nexus(name: str) -> None:
    model: Control = CONTROLS[name](TINY).eval()
    score = search(model, encode, letters(encode), 256, count=2, kind="number", seeds=(1, 2))
    assert [(found.asked, found.exact) for found in score.streams] == [(2, 0)] * 2
    held = 128 if name == "fifo-knn" else 0  # the only one with an entry for each token
    assert [found.entries for found in score.streams] == [held] * 2


def test_asking_a_control_changes_nothing() -> None:
    for name, kind in CONTROLS.items():
        model = kind(TINY).eval()
        state = model.stream(torch.tensor([encode("To be or not to be. " * 9)]), model.start(1))
        before = {key: tensor.clone() for key, tensor in state.entries.tensors.items()}
        asked = encode("To be"), encode(" or not to be." * 9)
        said = says(model, state, *asked)
        assert said == says(model, state, *asked), name
        assert all(torch.equal(tensor, before[key]) for key, tensor in state.entries.tensors.items()), name
