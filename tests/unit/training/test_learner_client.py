"""The service's side of the learner, with the real process: told, asked, killed, started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from nexus.core.errors import BusyError, InvalidInputError, NotRunningError
from nexus.core.paths import Home
from nexus.core.settings import TrainingSettings
from nexus.cortex.secrets import blacked_out
from nexus.training import learner_client
from nexus.training.learner_client import MOST_SURPRISE, MOST_TEXT, Learner
from nexus.training.learner_settings import LearnerSettings, learner_settings

SENTENCE = "Grace painted the blue lantern near the harbour before the evening bell rang, number {}. "


def eventually(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> LearnerSettings:
    return LearnerSettings(
        str(tmp_path / "training"),
        str(tmp_path / "checkpoints"),
        base_bytes=0,
        share=1.0,
        metrics_seconds=0.1,
    )


@pytest.fixture
def learner(settings: LearnerSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Learner]:
    monkeypatch.setattr(learner_client, "FIRST_PAUSE_SECONDS", 0.01)
    learner = Learner(settings, gate=blacked_out)
    learner.start()
    yield learner
    learner.close(60)


def talk(learner: Learner, count: int = 10, source: str = "c1") -> None:
    for number in range(count):
        assert learner.observe(SENTENCE.format(number) * 3, "conversation", source)


def test_it_learns_what_it_is_told_and_says_what_it_thinks(learner: Learner) -> None:
    talk(learner)
    metrics = eventually(lambda: learner.metrics.get("dreams", {}).get("rested") and learner.metrics)
    assert metrics["state"] == "running"
    assert metrics["replay"]["items"] == 10
    assert metrics["experience_factor"] > 0.5
    assert metrics["breakers"] == {"learning": "CLOSED", "teacher": "CLOSED"}
    assert metrics["training"]["active"] is False
    assert metrics["rss_mb"] > 10
    assert {"count", "total_size_mb", "last_seconds_ago"} <= set(metrics["checkpoints"])
    known = learner.surprise(SENTENCE.format(3))
    new = learner.surprise("Seven quick wizards jumped over completely unknown vocabulary.")
    assert len(known.bits) == len(SENTENCE.format(3))
    assert known.mean < new.mean / 2
    [first, *_] = learner.thoughts
    assert first["kind"] in ("reading", "dream")
    assert "".join(text for text, _ in first["pieces"]).startswith("Grace painted")
    assert learner.restored is None


def test_secrets_do_not_reach_it(learner: Learner, tmp_path: Path) -> None:
    key = "AKIA" + "Q7RZ2MXW4NPL6TBV"
    learner.observe(f"use the key {key} for the bucket, said the colleague")
    eventually(lambda: learner.metrics.get("replay", {}).get("items"))
    on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"said the colleague" in on_disk
    assert key.encode() not in on_disk


def test_a_gate_that_fails_lets_nothing_through(settings: LearnerSettings) -> None:
    def gate(text: str) -> str:
        raise ValueError("no")

    learner = Learner(settings, gate=gate)
    learner.start()
    learner.observe("something")
    eventually(lambda: learner.dropped)
    assert dict(learner.dropped) == {"refused by the gate: ValueError": 1}
    learner.close(60)


def test_killed_it_is_started_again_and_told_what_it_was(learner: Learner) -> None:
    learner.pause()
    eventually(lambda: learner.metrics.get("paused"))
    talk(learner)
    eventually(lambda: learner.metrics["replay"]["items"] == 10)
    pid = learner.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: learner.restarts == 1 and learner.state == "running")
    assert any("signal 9, SIGKILL" in warning for warning in learner.warnings)
    eventually(lambda: learner.metrics["replay"]["items"] == 10 and learner.metrics["paused"])
    assert learner.metrics["bytes_learned"] == 0
    learner.resume()
    eventually(lambda: learner.metrics["bytes_learned"] > 0)


@pytest.mark.parametrize(
    ("hold", "release"),
    [
        (Learner.pause, Learner.resume),
        (Learner.yield_now, Learner.go),
        (lambda learner: learner.share(0.0), lambda learner: learner.share(1.0)),
    ],
)
def test_paused_yielding_or_without_a_share_it_learns_nothing(
    learner: Learner, hold: Callable[[Learner], None], release: Callable[[Learner], None]
) -> None:
    eventually(lambda: learner.state == "running")
    hold(learner)
    talk(learner, 4)
    eventually(lambda: learner.metrics.get("replay", {}).get("items") == 4)
    for _ in range(5):
        learner.surprise("it answers all the same")
    assert learner.metrics["bytes_learned"] == learner.metrics["steps"] == 0
    release(learner)
    eventually(lambda: learner.metrics["bytes_learned"] > 0)


def test_a_checkpoint_comes_back_with_a_report(settings: LearnerSettings) -> None:
    learner = Learner(settings, gate=blacked_out)
    learner.start()
    talk(learner)
    learned = eventually(
        lambda: learner.metrics.get("dreams", {}).get("rested") and learner.metrics["bytes_learned"]
    )
    learner.close(60)
    assert learner.state == "stopped"
    again = Learner(settings, gate=blacked_out)
    again.start()
    report = eventually(lambda: again.restored)
    assert report["checkpoint"].startswith("checkpoint-")
    assert (report["bytes_learned"], report["unread"], report["skipped"]) == (learned, 0, [])
    again.close(60)


def test_what_is_forgotten_is_gone_from_the_disk(learner: Learner, tmp_path: Path) -> None:
    talk(learner, source="kept")
    learner.observe("The treasure lies under the willow at the old windmill.", "conversation", "gone")
    eventually(lambda: learner.metrics.get("dreams", {}).get("rested"))
    learner.checkpoint()
    eventually(lambda: learner.metrics["checkpoints"]["count"])
    learner.forget("gone")
    eventually(lambda: learner.metrics["replay"]["items"] == 10)
    assert not any(b"willow" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    eventually(lambda: learner.metrics["dreams"]["rested"])
    assert learner.metrics["replay"]["items"] == 10


def test_memory_that_runs_out_is_a_restart_with_a_warning(
    settings: LearnerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_client, "FIRST_PAUSE_SECONDS", 0.01)
    learner = Learner(replace(settings, ram_mib=48), gate=blacked_out)
    learner.start()
    eventually(lambda: learner.restarts)
    assert any("training.ram_mib = 48" in warning for warning in learner.warnings)
    assert any("exit status 12" in warning for warning in learner.warnings)
    learner.close(60)
    assert learner.state == "stopped"


@pytest.mark.slow
def test_how_new_a_text_is_is_said_once_something_was_read(learner: Learner) -> None:
    eventually(lambda: learner.state == "running")
    first = learner.surprise(SENTENCE.format(3), 120)
    assert (first.known, first.novelty) == (False, None)
    talk(learner)
    eventually(lambda: learner.metrics.get("dreams", {}).get("rested"))
    known = learner.surprise(SENTENCE.format(3), 120)
    new = learner.surprise("Seven quick wizards jumped over completely unknown vocabulary.", 120)
    assert known.base == pytest.approx(8.0, abs=0.5)  # this base has read nothing
    assert known.novelty is not None
    assert new.novelty is not None
    assert known.novelty < 0.5 < new.novelty
    assert learner.surprise("", 120).novelty is None


def test_what_is_asked_passes_the_gate_too(settings: LearnerSettings) -> None:
    asked: list[str] = []

    def gate(text: str) -> str:
        asked.append(text)
        if "refused" in text:
            raise InvalidInputError("a secret")
        return text.replace("hush", "****")

    learner = Learner(settings, gate=gate)
    learner.start()
    eventually(lambda: learner.state == "running")
    assert len(learner.surprise("hush hush", 120).bits) == 9
    with pytest.raises(InvalidInputError, match="a secret"):
        learner.surprise("refused", 120)
    assert asked == ["hush hush", "refused"]
    learner.close(60)


def test_what_is_too_much_is_dropped_and_counted_and_nobody_waits(settings: LearnerSettings) -> None:
    learner = Learner(settings, gate=blacked_out)  # not started: nobody takes anything
    assert not learner.observe("x" * (MOST_TEXT + 1))
    while learner.observe("word " * 40_000):
        pass
    assert learner.dropped["too long"] == 1
    assert learner.dropped["too many"] == 1
    learner.forget("")
    assert not learner.observe("   ")
    assert not Learner(replace(settings, replay=False), gate=blacked_out).observe("text")
    with pytest.raises(NotRunningError):
        learner.surprise("text")
    with pytest.raises(InvalidInputError):
        learner.surprise("x" * (MOST_SURPRISE + 1))
    learner.close()


def test_a_learner_that_does_not_answer_is_not_waited_for(learner: Learner) -> None:
    eventually(lambda: learner.state == "running")
    pid = learner.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(BusyError):
        learner.surprise("text", timeout=0.05)
    for number in range(2000):
        learner.observe(f"{number} " + "word " * 2000)
        learner.yield_now()
        learner.go()
    assert learner.dropped["too many"] > 0
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: learner.restarts and learner.state == "running")


def test_it_does_not_outlive_its_parent_and_gives_way(learner: Learner) -> None:
    eventually(lambda: learner.state == "running")
    assert learner.pid is not None
    assert os.sched_getscheduler(learner.pid) == os.SCHED_IDLE
    assert psutil.Process(learner.pid).parent() == psutil.Process()


def test_without_a_teacher_training_says_what_is_missing(settings: LearnerSettings) -> None:
    learner = Learner(replace(settings, bootstrap=True, topic="optics"), gate=blacked_out)
    learner.start()
    training = eventually(lambda: learner.metrics.get("training"))
    assert (training["active"], training["topic"], training["teacher"]) == (True, "optics", "")
    assert "training.teacher" in training["trouble"]
    learner.train_start("algebra")
    eventually(lambda: learner.metrics["training"]["topic"] == "algebra")
    learner.train_stop()
    eventually(lambda: not learner.metrics["training"]["active"])
    assert any("training.teacher" in warning for warning in learner.warnings)
    learner.close(60)


def test_settings_become_what_the_process_is_told(home: Home) -> None:
    chosen = TrainingSettings(teacher="ollama", model="m", replay_mib=2, pause_seconds=5, enabled=False)
    told = learner_settings(chosen, home)
    assert LearnerSettings.from_json(told.to_json()) == told
    assert (told.replay, told.replay_bytes, told.model, told.pause_seconds) == (False, 2 << 20, "m", 5)
    assert told.training_folder == str(home.training)


def test_a_listener_that_fails_ends_nothing(settings: LearnerSettings) -> None:
    def broken(event: dict[str, Any]) -> None:
        raise RuntimeError("listener")

    learner = Learner(settings, gate=blacked_out, on_event=broken)
    learner.start()
    eventually(lambda: learner.metrics.get("steps") is not None)
    assert any("a listener failed" in warning for warning in learner.warnings)
    learner.close(60)
