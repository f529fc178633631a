"""The gate taught alone: nothing else of the model changes, and it errs less than before."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.core.errors import InvalidInputError
from nexus.training import gating, token_files
from nexus.training.diet import Diet
from nexus.training.token_files import TokenFile
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer

MEMORY = MemoryConfig(sets=32, ways=4, key_width=4, value_width=8, orders=(1, 3), replacement="priority")
TINY = Config(16, 1, 2, 1, 2, 8192, 8, window=64, chunk=64, group=8, memory=MEMORY)
ROW = 8 * 64
TOKENS = 9 * ROW


@pytest.fixture(scope="module")
def diet(tmp_path_factory: pytest.TempPathFactory) -> Diet:
    torch.set_num_threads(1)
    tokenizer = Tokenizer.shipped()
    path = tmp_path_factory.mktemp("tokens") / "text.tokens"
    words = tokenizer.encode("It was the best of times, it was the worst of times. " * 200)
    token_files.write(path, [words], tokenizer)
    return Diet([TokenFile(path, tokenizer)], tokenizer)


def model() -> Nexus:
    torch.manual_seed(3)
    made = Nexus(TINY)
    made.writing = Writing(made.regret, budget=8, explore=0.05)
    return made


def test_only_the_gate_changes_and_it_errs_less(diet: Diet) -> None:
    taught = model()
    before = {name: value.clone() for name, value in taught.state_dict().items()}
    writing, heard = taught.writing, []
    fitted = gating.fit(taught, diet, TOKENS, chunks=8, told=lambda done, of: heard.append((done, of)))
    assert fitted is not None
    assert fitted.tokens == TOKENS
    assert fitted.after < fitted.before
    changed = {n for n, value in taught.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {f"regret.{name}" for name in taught.regret.state_dict()}
    assert taught.writing == writing
    assert heard == [((row + 1) * ROW, TOKENS) for row in range(9)]


def test_the_same_again_gives_the_same(diet: Diet) -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        taught = model()
        gating.fit(taught, diet, TOKENS, chunks=8, passes=2)
        weights.append(taught.regret.out.weight.detach().clone())
    assert torch.equal(*weights)


def test_a_word_to_stop_leaves_it_as_it_was(diet: Diet) -> None:
    taught = model()
    before = taught.regret.out.weight.detach().clone()
    assert gating.fit(taught, diet, TOKENS, chunks=8, stop=lambda: True) is None
    assert torch.equal(before, taught.regret.out.weight)


def test_too_little_to_learn_from_is_refused(diet: Diet) -> None:
    with pytest.raises(InvalidInputError, match="1023 tokens"):
        gating.fit(model(), diet, 2 * ROW - 1, chunks=8)


def test_what_would_have_saved_something_is_kept_and_the_rest_weighs_for_itself(
    diet: Diet, tmp_path: Path
) -> None:
    made, random = model(), torch.Generator().manual_seed(0)
    lesson = gating.lesson(made, diet, 1, 8, random)
    saves = (lesson.worth * lesson.known).amax(-1) > 0.05
    assert bool(saves.any())
    assert set(lesson.weight[saves].tolist()) == {1.0}
    assert set(lesson.weight[~saves].tolist()) == {4.0}
    # The weights of those that stand for others are about their number; the last chunk says nothing.
    assert abs(float(lesson.weight.sum()) - 7 * 64) < 64
