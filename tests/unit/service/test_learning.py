"""Learning beside serving, with the real learner process: off, on, held, steered, seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.core import config
from nexus.core.errors import InvalidInputError
from nexus.core.settings import BackgroundSettings
from nexus.service import learning as service_learning
from nexus.service.learning import Learning
from nexus.service.resource import ResourceGovernor

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
SAID = "\n".join(f"On {day} the crane lifts {n} crates of copper wire." for n in range(60) for day in DAYS)


def made(home: Path, **settings: object) -> Learning:
    flags = {f"training.{key}": value for key, value in settings.items()}
    known = config.load(flags, env={"NEXUS_HOME": str(home)})
    known.home.create()
    unhindered = BackgroundSettings(active_percent=100, idle_percent=100, cgroup=False)
    return Learning(known, ResourceGovernor(unhindered))


@pytest.fixture
def learning(tmp_path: Path) -> Iterator[Learning]:
    learning = made(tmp_path / "home")
    learning.start()
    yield learning
    learning.stop()


def until(holds: Callable[[], object]) -> None:
    """The test's own time limit is the deadline."""
    while not holds():
        time.sleep(0.02)


def test_without_anything_to_learn_no_process_is_started(learning: Learning) -> None:
    assert learning.pid is None
    assert learning.as_dict()["state"] == "idle"
    assert learning.checkpoints() == {"count": 0, "total_size_mb": 0.0}


@pytest.mark.slow
def test_what_was_said_is_learnt_and_thoughts_are_seen(learning: Learning) -> None:
    learning.tick()
    learning.observe(SAID, "one")
    until(lambda: learning.thoughts_since(0)[0])
    number, thoughts = learning.thoughts_since(0)
    assert len(thoughts) == number
    assert all(thought["kind"] in ("reading", "dream") for thought in thoughts)
    assert learning.thoughts_since(number)[1] == [] or learning.thoughts_since(number)[0] > number
    until(learning.history)
    assert set(learning.history()[0]) == {"experience_factor", "flow_depth", "bits_per_byte"}


def test_who_is_served_has_the_machine(learning: Learning) -> None:
    learning.tick()
    learning.observe(SAID)
    until(lambda: learning.as_dict().get("bytes_learned", 0) > 0)
    with learning._governor.serving():
        assert learning.as_dict()["state"] == "waiting"
        until(lambda: learning.as_dict().get("yielded"))
    assert learning.as_dict()["state"] != "waiting"
    until(lambda: not learning.as_dict()["yielded"])


def test_paused_it_stays_paused_until_it_is_told(learning: Learning) -> None:
    learning.control("pause")
    learning.observe(SAID)
    until(lambda: learning.as_dict().get("paused"))
    assert learning.paused
    assert learning.as_dict()["state"] == "paused"
    learning.control("resume")
    learning.tick()
    until(lambda: learning.as_dict().get("bytes_learned", 0) > 0)
    assert not learning.paused


def test_a_secret_is_blacked_out_before_the_learner_sees_it(learning: Learning, tmp_path: Path) -> None:
    key = "ghp_" + "R4nd0mL00k1ngT0kenF0rAT3stOfTheGat3x"[:36]
    learning.observe(f"My token is {key}, keep it safe. " * 4, "one")
    until(lambda: learning.as_dict().get("replay", {}).get("items"))
    learning.stop()
    held = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert b"keep it safe" in held
    assert key.encode() not in held


def test_training_wants_a_teacher(learning: Learning) -> None:
    with pytest.raises(InvalidInputError, match="no teacher is configured"):
        learning.control("train_start", "quantum physics")


def test_switched_off_it_does_nothing_and_says_so(tmp_path: Path) -> None:
    learning = made(tmp_path / "home", enabled=False)
    learning.start()
    learning.observe(SAID)
    assert learning.pid is None
    assert learning.as_dict()["state"] == "off"
    with pytest.raises(InvalidInputError, match="learning is switched off"):
        learning.control("pause")
    learning.stop()


def test_a_new_run_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    first = made(tmp_path / "home")
    first.tick()
    first.observe(SAID, "one")
    until(lambda: first.as_dict().get("bytes_learned", 0) > 1000)
    first.stop()
    second = made(tmp_path / "home")
    second.start()
    until(lambda: second.as_dict().get("bytes_learned", 0) > 1000)
    assert second.as_dict()["restored"]
    second.forget()
    until(lambda: second.as_dict()["replay"]["items"] == 0)
    second.stop()


@pytest.mark.slow
def test_with_nothing_more_to_learn_its_process_ends_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_learning, "REST_SECONDS", 0.0)
    learning = made(tmp_path / "home")
    learning.observe(SAID[:2000], "one")

    def ended() -> bool:
        learning.tick()
        return learning.pid is None and learning.as_dict()["state"] == "idle"

    until(lambda: learning.pid is not None)
    until(ended)
    learnt = learning.as_dict()["bytes_learned"]
    assert learnt > 0
    monkeypatch.setattr(service_learning, "REST_SECONDS", 600.0)
    learning.observe(SAID[2000:6000], "two")
    until(lambda: learning.as_dict().get("bytes_learned", 0) > learnt)
    assert learning.as_dict()["restored"]
    learning.stop()
