"""A few kills in the fast suite; tests/system has two hundred."""

from __future__ import annotations

import random

from nexus.cortex.embedder import OnnxEmbedder
from tests.kill_trial import Promised, check, kill_once


def test_kills_lose_nothing_acknowledged(home, tmp_path, granite_folder):
    folder = tmp_path / "documents"
    folder.mkdir()
    embedder = OnnxEmbedder("granite-embedding-30m-english", granite_folder)
    promised, draw = Promised(), random.Random()
    for _ in range(8):
        kill_once(home, folder, granite_folder, promised, draw)
        check(home, embedder, promised)
    assert promised.lives == 8
