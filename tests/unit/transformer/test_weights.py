"""The file of weights: what is loaded computes what was saved; what is no such file is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from safetensors.torch import save_file

from nexus.core.errors import InvalidInputError, ModelMissingError
from nexus.transformer import weights
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.errors import WeightsFileError
from nexus.transformer.gates import EveryGate
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing
from nexus.transformer.ternary import TernaryLinear
from nexus.transformer.tokenizer import Tokenizer

MEMORY = MemoryConfig(sets=8, ways=2, key_width=4, value_width=8, orders=(1, 3), replacement="priority")
TINY = Config(16, 1, 2, 1, 2, 8192, 8, window=64, chunk=64, group=8, ternary=True, memory=MEMORY)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(4)


def model(config: Config = TINY) -> Nexus:
    made = Nexus(config).eval()
    made.writing = Writing(made.regret, budget=8, least=-1.0)
    return made


@pytest.mark.parametrize("ternary", [True, False])
def test_what_is_loaded_says_what_was_saved(tmp_path: Path, ternary: bool) -> None:
    ours = model(replace(TINY, ternary=ternary))
    size = weights.save(ours, tmp_path / "a" / "model.safetensors", step=7)
    assert size == (tmp_path / "a" / "model.safetensors").stat().st_size
    other = weights.load(tmp_path / "a" / "model.safetensors")
    assert weights.about(tmp_path / "a" / "model.safetensors")["step"] == "7"
    assert other.config == ours.config
    assert (other.writing.budget, other.writing.least) == (8, -1.0)
    ours.writing.names = other.writing.names  # of the vocabulary, not of the file
    with torch.no_grad():  # all but the ternary matrices is float16 in the file
        packed = {id(m.weight) for m in ours.modules() if isinstance(m, TernaryLinear)}
        for parameter in ours.parameters():
            if id(parameter) not in packed:
                parameter.copy_(parameter.half())
        tokens = torch.randint(0, 8192, (1, 3 * 64))
        states = [each.stream(tokens[:, :128], each.start(1)) for each in (ours, other)]
        said = [
            each.log_p(each(tokens[:, 128:], state))
            for each, state in zip((ours, other), states, strict=True)
        ]
    assert states[0].entries.occupied().item() > 0
    assert torch.equal(said[0], said[1])


def test_the_model_that_ships_is_small_enough(tmp_path: Path) -> None:
    assert weights.save(Nexus(Config.s(ternary=True)), tmp_path / "s") <= weights.MOST_BYTES


def test_files_that_are_not_its_own_are_refused(tmp_path: Path) -> None:
    path, damaged = tmp_path / "model", tmp_path / "damaged"
    weights.save(model(), path)
    whole = path.read_bytes()
    for cut in (0, 5, 200, len(whole) // 2, len(whole) - 1):
        damaged.write_bytes(whole[:cut])
        with pytest.raises(WeightsFileError, match="is damaged"):
            weights.load(damaged)
    damaged.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    with pytest.raises(WeightsFileError, match="other numbers than were saved"):
        weights.load(damaged)
    damaged.write_text("no weights at all")
    with pytest.raises(WeightsFileError, match="no safetensors file"):
        weights.load(damaged)
    save_file({"x": torch.zeros(1)}, damaged)
    with pytest.raises(WeightsFileError, match="holds no weights that this program packed"):
        weights.load(damaged)
    with pytest.raises(WeightsFileError, match="absent"):
        weights.load(tmp_path / "absent")


def test_another_vocabulary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsFileError, match="knows 50 tokens, the tokenizer 8192"):
        weights.save(model(replace(TINY, vocabulary=50)), tmp_path / "model")
    assert not (tmp_path / "model").exists()
    weights.save(model(), tmp_path / "model")
    monkeypatch.setattr(Tokenizer, "fingerprint", lambda self: "0" * 16)
    with pytest.raises(WeightsFileError, match="not 0000000000000000"):
        weights.load(tmp_path / "model")


def test_what_cannot_be_packed_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    weights.save(model(), path)
    before = path.read_bytes()
    foreign = model()
    foreign.writing = Writing(EveryGate(2))
    with pytest.raises(InvalidInputError, match="gate of this model is EveryGate"):
        weights.save(foreign, path)
    diverged = model()
    with torch.no_grad():
        diverged.fusion.out.weight[0, 0] = 1e9  # infinite in float16
    with pytest.raises(InvalidInputError, match=r"fusion.out.weight has weights that are no number"):
        weights.save(diverged, path)
    assert path.read_bytes() == before


def test_where_none_ships_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "none")
    with pytest.raises(ModelMissingError, match="nexus train"):
        weights.shipped()
    weights.save(model(), tmp_path / "none")
    assert weights.shipped().config == TINY
