"""A few kills in the fast suite; tests/system has two hundred."""

from __future__ import annotations

import random

from nexus.cortex.evaluation.kill_trial import Promised, kill_once, losses


def test_kills_lose_nothing_acknowledged(home, tmp_path, models_folder, embedder_folder, granite_folder):
    folder = tmp_path / "documents"
    folder.mkdir()
    promised, draw = Promised(), random.Random()
    for _ in range(3):
        kill_once(home, folder, models_folder, promised, draw)
        assert losses(home, models_folder, promised) == []
    assert promised.lives == 3
