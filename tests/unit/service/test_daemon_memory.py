"""A service that nobody asks holds little: what it read of the index's files is not kept in memory."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

import pytest

from nexus.core import config as configuration
from nexus.cortex import edge_packing, qdrant
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.engine.remote import RemoteEngine
from nexus.service.daemon import Daemon
from tests.resident import resident

_PATIENCE = 60


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder, idle_seconds=1)


@pytest.fixture
def daemon(home, embedder, monkeypatch):
    monkeypatch.setattr(qdrant, "_PACKED_FROM", 1)
    config = configuration.load()
    with Cortex(home, config.settings.cortex, embedder) as cortex:
        cortex.remember("staging Postgres listens on port 6543")
    daemon = Daemon(
        config,
        lambda: Cortex(home, config.settings.cortex, embedder, repair=False),
        RemoteEngine("http://127.0.0.1:9/v1", api_key="", model="none", context=4096),
    )
    daemon.start()
    until(lambda: daemon.state == "ready")
    yield daemon
    daemon.stop()


def test_what_opening_read_is_given_back(daemon, home):
    until(lambda: resident(home.shard) == 0)
    assert daemon.cortex.indexed() == 1


def test_after_use_it_is_given_back_and_the_next_question_is_answered(daemon, home, embedder):
    asked = "which port is the staging database on?"
    for _ in range(2):
        assert daemon.cortex.recall(asked)[0].chunk.text.endswith("6543")
        assert embedder.loaded
        until(lambda: not embedder.loaded and resident(home.shard) == 0)


def test_what_came_lately_is_packed_when_nobody_asks(daemon, home, embedder, monkeypatch):
    monkeypatch.setattr(qdrant, "_LOOSE", 10)
    for number in range(20):
        daemon.cortex.remember(f"host {number} listens on port {7000 + number}")
    memories = home.shard / "memory"
    until(lambda: edge_packing.loose(memories) == 0 and resident(home.shard) == 0)
    assert daemon.cortex.indexed() == 21
    assert daemon.cortex.recall("which port does host 7 listen on?")[0].chunk.text.endswith("7007")


def test_an_index_that_packing_broke_is_built_again_and_left_as_it_is(daemon, home, monkeypatch):
    monkeypatch.setattr(qdrant, "_LOOSE", 10)
    times = []

    def damaged(copy, goes_on):
        times.append(copy)
        for place in (copy, home.shard / "memory"):
            (place / "edge_config.json").write_bytes(b"{")
            shutil.rmtree(place / "segments")
        return True

    monkeypatch.setattr(edge_packing, "packed", damaged)
    for number in range(20):
        daemon.cortex.remember(f"host {number} listens on port {7000 + number}")
    until(lambda: bool(times) and daemon.cortex.indexed() == 21)
    for _ in range(2):
        found = daemon.cortex.recall("which port does host 7 listen on?")
        assert found[0].chunk.text.endswith("7007")
        until(lambda: resident(home.shard) == 0)
    assert len(times) == 1
