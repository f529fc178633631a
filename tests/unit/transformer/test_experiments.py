"""The pages of the experiments say what their results say, and one experiment's parts are checked by hand."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

import numpy as np
from experiments import (
    index,
    lanes,
    needle_toy,
    payloads,
    policies,
    regret,
    run,
    stream,
    surprisal,
    twins,
    weights,
)

from nexus.core.errors import InvalidInputError
from nexus.training.episodes import drawn, episode
from nexus.training.facts import draw
from nexus.training.token_files import write
from nexus.training.training_state import TrainingState
from nexus.transformer.backbone import Backbone
from nexus.transformer.config import Config
from nexus.transformer.lexical import Lexical
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.tokenizer import Tokenizer


def test_the_pages_are_those_of_the_results() -> None:
    """Mend with: python -m experiments.index"""
    stale = [path.name for path, text in index.pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_every_result_has_seeds_and_a_verdict_that_its_figures_give() -> None:
    import json
    import tomllib

    kept = sorted(run.HERE.glob("*/results.json"))
    assert kept
    for path in kept:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        config = tomllib.loads(path.with_name("config.toml").read_text(encoding="utf-8"))
        assert results["verdict"] == run.verdict(config["criteria"], results["rows"]), path.parent.name
        if "salts" in config:
            assert len(config["salts"]) >= 3
            assert set(results["rows"]) == set(config["rows"])


ROWS = {
    "one": {"recall": run.spread([0.99, 0.98, 0.97])},
    "other": {"recall": run.spread([0.90, 0.91, 0.92])},
    "like one": {"recall": run.spread([0.97, 0.99, 0.98])},
}


@pytest.mark.parametrize(
    ("criterion", "said"),
    [
        ({"row": "one", "at_least": 0.98}, "validated"),
        ({"row": "one", "at_least": 0.985}, "refuted"),
        ({"row": "other", "at_most": 0.95}, "validated"),
        ({"row": "one", "beats": "other"}, "validated"),
        ({"row": "other", "beats": "one"}, "refuted"),
        ({"row": "one", "beats": "like one"}, "inconclusive"),
        ({"row": "other", "beats": "one", "by": -0.2}, "validated"),
    ],
)
def test_a_verdict_is_that_of_its_criteria(criterion: dict[str, Any], said: str) -> None:
    assert run.judged(criterion | {"figure": "recall"}, ROWS) == said
    assert (
        run.verdict(
            [criterion | {"figure": "recall"}, {"row": "one", "figure": "recall", "at_least": 0}], ROWS
        )
        == said
    )


def test_an_event_is_a_gated_key_that_comes_back_after_the_window() -> None:
    ids = np.zeros((1, 3000), np.int64)
    ids[0, [10, 1000, 2100, 2999]] = 7
    gate = ids == 7
    distance = stream.events(ids, gate).distance
    assert np.flatnonzero(distance).tolist() == [2100]
    assert int(distance[0, 2100]) == 1100


def test_a_memory_with_room_keeps_everything_and_one_slot_the_last() -> None:
    ids = np.tile(np.arange(2000), 2)[None]
    gate = np.ones(ids.shape, bool)
    for ways, kept in ((64, 1.0), (1, 0.0)):
        shape = Shape(sets=64 if ways > 1 else 1, ways=ways, key_width=1, value_width=1, payload=0)
        assert stream.run(ids, gate, shape)["recall"] == [kept]


def test_token_by_token_policies_by_hand() -> None:
    tags = [1, 2, 1, 3, 1, 2]
    assert policies._lru([0] * 6, tags, 1, 2) == [False, False, True, False, True, False]
    # 1 was asked for, so of 2 and 1 the 2 is far first; then 3 proves nothing and leaves for 2.
    assert policies._srrip([0] * 6, tags, 1, 2) == [False, False, True, False, True, False]
    scan = [1, 1, 2, 3, 4, 1]
    assert policies._lru([0] * 6, scan, 1, 2)[-1] is False
    assert policies._srrip([0] * 6, scan, 1, 2)[-1] is True


def test_an_experiment_that_is_none() -> None:
    with pytest.raises(InvalidInputError, match="V99"):
        run.folder("V99")
    assert run.folder("V18").name == "V18_ways"
    assert Path(run.folder("V60") / "config.toml").exists()


def test_what_a_toy_stream_asks_it_has_said_and_no_chunk_cuts_it() -> None:
    given = needle_toy.toy(2, 1024, 12, seed=3, answer=4)
    assert given.tokens.shape == (2, 1025)
    assert given.asked.sum(1).tolist() == [48, 48]
    for line, asked in zip(given.tokens.tolist(), given.asked.tolist(), strict=True):
        said = {}
        for at in [n for n, token in enumerate(line) if token == needle_toy.SAID]:
            said[tuple(line[at + 1 : at + 3])] = line[at + 3 : at + 7]
            assert at // needle_toy.CHUNK == (at + 6) // needle_toy.CHUNK
        assert len(said) == 12
        for at in [n for n, token in enumerate(line) if token == needle_toy.ASKED]:
            assert said.pop(tuple(line[at + 1 : at + 3])) == line[at + 3 : at + 7]
            assert asked[at + 1 : at + 7] == [False, True, True, True, True, False]


def test_a_regret_gate_of_six_steps_recalls_more_than_chance_and_the_oracle_all() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = {"length": 256, "needles": 12, "steps": 6, "explore": 0.3, "rate": 0.02, "adam_rate": 0.01}
    model, head = regret.trained(config, 0, ranked=2)
    given = needle_toy.toy(2, 2048, 24, seed=1)
    gates = ["regret", "random", "oracle"]
    (mine, written), (chance, _), (oracle, _) = regret.recalled(model, head, gates, "priority", 0, given)
    assert written <= regret.BUDGET / needle_toy.CHUNK
    assert oracle > 0.9
    assert mine > chance + 0.3


@pytest.mark.parametrize(("payload", "writes"), [(32, 4), (8, 12), (1, 80)])
def test_an_answer_is_followed_through_one_payload_or_a_chain(payload: int, writes: int) -> None:
    torch.set_num_threads(1)
    tokenizer, chance = Tokenizer.shipped(), random.Random(5)
    facts = draw(4, ["uuid"], "eval", chance)
    made = episode(
        3000, facts, lambda text: tokenizer.encode(text).tolist(), drawn(range(500, 900)), chance, apart=1024
    )
    lexical, memory = Lexical((6,), 64), Entries.empty(Shape(sets=64, payload=payload), 1)
    assert payloads.followed(memory, lexical, made) == 0.0
    assert writes <= payloads.write(memory, lexical, made) <= 1.2 * writes
    assert payloads.followed(memory, lexical, made) == 1.0


def test_a_budget_takes_no_more_entries_than_it_may() -> None:
    ids = torch.arange(stream.CHUNK).remainder(100)[None]
    text = surprisal.Text(ids, torch.zeros(1, stream.CHUNK, 1), torch.zeros(1, stream.CHUNK))
    scores = -torch.arange(stream.CHUNK, dtype=torch.float32)[None]
    assert surprisal.largest(text, scores, 40) == 40
    assert surprisal.keys(text, surprisal.chosen(scores, 40)) == 40
    assert surprisal.largest(text, scores, 100) == stream.CHUNK


def test_weights_and_tokens_that_are_not_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NEXUS_WEIGHTS", raising=False)
    with pytest.raises(InvalidInputError, match="NEXUS_WEIGHTS"):
        weights.trained()
    monkeypatch.setenv("NEXUS_TOKENS", str(tmp_path))
    with pytest.raises(InvalidInputError, match="lacks 20 of 20 tokens of valid"):
        weights.rows("valid", 2, 10)


def test_the_pointer_helps_before_any_training_and_values_must_be_learnt() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    given = needle_toy.toy(2, 512, 8, seed=2, answer=lanes.ANSWER)
    saved = {}
    for name in ("payload", "values"):
        score = lanes.tried(lanes.reader({"lanes": name, "written": "one"}), given)
        saved[name] = 1 - score.on / score.off
    assert saved["payload"] > 0.3
    assert abs(saved["values"]) < 0.1


def test_the_weights_of_a_training_foretell_a_text_in_pieces_as_in_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = Tokenizer.shipped()
    backbone = Backbone(
        Config(width=16, layers=1, heads=2, kv_heads=1, embedding=8, window=1024, chunk=1024)
    ).eval()
    state = {f"model.backbone.{name}": value for name, value in backbone.state_dict().items()}
    TrainingState(backbone.config, 7, state).save(tmp_path / "step-000000007.safetensors")
    write(tmp_path / "valid-000.tokens", [tokenizer.encode("What is said twice " * 300)], tokenizer)
    monkeypatch.setenv("NEXUS_WEIGHTS", str(tmp_path / "step-000000007.safetensors"))
    monkeypatch.setenv("NEXUS_TOKENS", str(tmp_path))
    trained, tokens = weights.trained(), torch.from_numpy(weights.rows("valid", 1, 1101))
    assert trained.step == 7
    with torch.no_grad():
        hidden, _ = backbone(tokens[:, :-1])
        nats = torch.nn.functional.cross_entropy(backbone.logits(hidden)[0], tokens[0, 1:], reduction="sum")
    size = len(tokenizer.decode_bytes(tokens[0, 1:].tolist()))
    assert twins.bits_a_byte(trained.backbone, tokens) == pytest.approx([float(nats) / np.log(2) / size])
