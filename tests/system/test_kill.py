"""kill -9 at 200 random points: no acknowledged memory or document is lost, no repair by hand."""

from __future__ import annotations

import random

import pytest

from nexus.core.paths import Home
from nexus.cortex.evaluation.kill_trial import Promised, kill_once, losses

pytestmark = pytest.mark.slow

KILLS = 200
SEED = 20261120


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_200_kills_lose_nothing_acknowledged(tmp_path, models_folder, embedder_folder, granite_folder):
    home = Home(tmp_path / "home")
    home.create()
    folder = tmp_path / "documents"
    folder.mkdir()
    promised, draw = Promised(), random.Random(SEED)
    for _ in range(KILLS):
        kill_once(home, folder, models_folder, promised, draw)
        assert losses(home, models_folder, promised) == []
    print(f"{KILLS} kills, {promised.acknowledged} acknowledged changes, 0 lost")
    assert promised.acknowledged > KILLS
