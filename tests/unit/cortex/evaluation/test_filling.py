"""The large store: real words, no text twice, random unit vectors, and a process that searches it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from nexus.core.paths import Home
from nexus.cortex.evaluation.filling import PROJECTS, Invented, fill, invented, sentences
from nexus.cortex.evaluation.product import opened

WORDS = "apple boat crane delta engine ferry garden harbour island jetty kettle lantern".split()


def text(count: int) -> str:
    """As many different sentences."""
    return " ".join(
        f"The {WORDS[n % 12]} number {n} stands beside the {WORDS[n % 7]} of yard {n}." for n in range(count)
    )


def test_sentences_come_from_texts_and_the_strings_of_json(tmp_path):
    (tmp_path / "a.md").write_text(text(600))
    (tmp_path / "b.json").write_text(json.dumps({"x": [{"y": text(1200)}], "n": 3}))
    (tmp_path / "c.json").write_text("no json. " + text(1300))
    (tmp_path / "d.bin").write_bytes(b"\x00\xff")
    found = sentences(tmp_path)
    assert len(found) == len(set(found)) == 1200
    assert found[0] == "The apple number 0 stands beside the apple of yard 0."


def test_too_few_sentences_are_none(tmp_path):
    (tmp_path / "a.md").write_text(text(900))
    assert sentences(tmp_path) == []


def test_vectors_are_unit_length_and_near_others_of_their_cluster(embedder_folder):
    made = Invented("all-minilm-l6-v2", embedder_folder)
    vectors, tokens = made.passages_with_tokens(["x"] * 2000)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    # Far nearer than two random directions among 384, whose cosine is about 0.05.
    assert np.median(cosines.max(axis=1)) > 0.6
    assert {len(token) for token in tokens} == {24}


@pytest.mark.slow
def test_a_filled_store_is_whole_and_searched_by_a_process_of_its_own(
    tmp_path, models_folder, embedder_folder, granite_folder
):
    lines = text(1100).replace(". ", ".\n").splitlines()
    home = Home(tmp_path / "home")
    product = opened(home, invented(models_folder))
    seen = []
    with product.cortex as cortex:
        made = fill(product, lines, 450, lambda done, total: seen.append((done, total)))
        assert made == {"document": 290, "transcript": 160}
        assert cortex.counts()["chunks"] == cortex.indexed() == 450
        assert cortex.verify().sound
        rows = cortex.ledger.chunks(list(cortex.ledger.points())).values()
        assert len({row.text for row in rows}) == 450
        assert len({row.project for row in rows}) == min(PROJECTS, 12)
    assert seen[-1] == (450, 450)
    done = subprocess.run(
        [sys.executable, "-m", "nexus.cortex.evaluation.searching", str(home.root), str(models_folder)],
        input="the ferry beside the garden\nkettle\nlantern of yard 7\n",
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["points"] == 450
    assert {name: len(times) for name, times in found["cpu_ms"].items()} == {
        "all": 3, "project": 3, "embedding": 3,
    }  # fmt: skip
    assert 0 < found["rss_before_mb"] <= found["rss_open_mb"]
