"""kill -9 at 200 random points: no acknowledged memory or document is lost, no repair by hand."""

from __future__ import annotations

import random

import pytest

from nexus.core.paths import Home
from nexus.cortex.embedder import OnnxEmbedder
from tests.kill_trial import Promised, check, kill_once

KILLS = 200
SEED = 20261120


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_200_kills_lose_nothing_acknowledged(tmp_path, granite_folder):
    home = Home(tmp_path / "home")
    home.create()
    folder = tmp_path / "documents"
    folder.mkdir()
    embedder = OnnxEmbedder("granite-embedding-30m-english", granite_folder)
    promised, draw = Promised(), random.Random(SEED)
    for _ in range(KILLS):
        kill_once(home, folder, granite_folder, promised, draw)
        check(home, embedder, promised)
    print(f"{KILLS} kills, {promised.acknowledged} acknowledged changes, 0 lost")
    assert promised.acknowledged > KILLS
