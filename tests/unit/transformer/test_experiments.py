"""The pages of the experiments say what their results say, and one experiment's parts are checked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'nexus[train]'")

import numpy as np
from experiments import index, policies, run, stream

from nexus.core.errors import InvalidInputError
from nexus.transformer.rsm.shape import Shape


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
