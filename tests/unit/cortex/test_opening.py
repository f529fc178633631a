"""Cortex opened by a program of the user's own: whose the folder is, and what is said when it is taken."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from nexus.core.errors import AlreadyRunningError, ModelMissingError
from nexus.core.instance import Instance, holder, running
from nexus.core.paths import Home
from nexus.cortex import Cortex


@pytest.fixture
def models(models_folder: Path, embedder_folder: Path, granite_folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("NEXUS_MODELS_FOLDER", str(models_folder))


def test_what_was_remembered_is_there_when_the_folder_is_opened_again(tmp_path, models):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# Tides\nThe harbour opens at high tide.\n")
    with Cortex.open(tmp_path / "store") as cortex:
        assert cortex.add(tmp_path / "notes").counts == {"added": 1}
        cortex.remember("staging Postgres listens on port 6543")
    with Cortex.open(str(tmp_path / "store")) as cortex:
        (best, *_) = cortex.recall("which port is the staging database on?")
        assert best.text == "staging Postgres listens on port 6543"
        assert best.score == best.scores.total
        (tide, *_) = cortex.recall("when does the harbour open?", kinds=("document",))
        assert tide.path == str(tmp_path / "notes" / "a.md")


def test_a_folder_is_one_program_s(tmp_path, models):
    folder = tmp_path / "store"
    with Cortex.open(folder) as cortex:
        with pytest.raises(AlreadyRunningError, match=r"process \d+ has .*store open") as caught:
            Cortex.open(folder)
        assert "NEXUS_HOME" in caught.value.hint
        assert running(Home(folder)) is None  # it is no service
        assert holder(Home(folder)) is not None
        cortex.close()
        assert holder(Home(folder)) is None
    Cortex.open(folder).close()


def test_a_service_has_it(tmp_path, models):
    home = Home(tmp_path / "store")
    home.create()
    service = Instance(home, "http://127.0.0.1:8123")
    with pytest.raises(AlreadyRunningError, match=r"http://127\.0\.0\.1:8123"):
        Cortex.open(home.root)
    service.release()


def test_a_model_that_is_missing_leaves_the_folder_free(tmp_path, monkeypatch):
    monkeypatch.setenv("NEXUS_MODELS_FOLDER", str(tmp_path / "none"))
    with pytest.raises(ModelMissingError) as caught:
        Cortex.open(tmp_path / "store")
    assert "nexus models pull" in caught.value.hint
    assert holder(Home(tmp_path / "store")) is None


def _hold(folder: Path, models: str, held: Event) -> None:
    import os
    import time

    os.environ["NEXUS_MODELS_FOLDER"] = models
    with Cortex.open(folder) as cortex:
        cortex.remember("the ferry leaves at noon")
        held.set()
        time.sleep(60)


def test_a_program_that_was_killed_holds_nothing_and_has_lost_nothing(tmp_path, models, models_folder):
    spawn = multiprocessing.get_context("spawn")
    held = spawn.Event()
    program = spawn.Process(target=_hold, args=(tmp_path / "store", str(models_folder), held))
    program.start()
    assert held.wait(60)
    program.kill()
    program.join()
    with Cortex.open(tmp_path / "store") as cortex:
        assert [memory.learning for memory in cortex.memories()] == ["the ferry leaves at noon"]
