"""The learner as a whole: killed while it learns, told to yield, taught a topic by a teacher.

No model that could teach runs on the machines of these tests. A scripted server speaks as Ollama does, with
lessons written for the test; that the path to a real model works is tried with the smallest there is, whose
lessons are mostly refused.
"""

from __future__ import annotations

import os
import random
import signal
import time
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nexus.cortex.secrets import blacked_out
from nexus.training import learner_client
from nexus.training.base_text import base_text
from nexus.training.checkpoints import verified
from nexus.training.learner_client import Learner
from nexus.training.learner_settings import LearnerSettings
from tests.running import running
from tests.scripted_teacher import Script, teaching

ROOT = Path(__file__).resolve().parents[2]
LESSONS = tomllib.loads((Path(__file__).parent / "data" / "lessons.toml").read_text(encoding="utf-8"))


def eventually(condition: Callable[[], Any], seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def settings(folder: Path, **more: Any) -> LearnerSettings:
    values: dict[str, Any] = {"base_bytes": 0, "share": 1.0, "metrics_seconds": 0.1, **more}
    return LearnerSettings(str(folder / "training"), str(folder / "checkpoints"), **values)


def rested(learner: Learner) -> Any:
    metrics = learner.metrics
    return metrics["state"] == "running" and metrics.get("dreams", {}).get("rested") and metrics


def restarted(learner: Learner, times: int) -> bool:
    return bool(learner.restarts == times)


def running_again(learner: Learner, times: int) -> bool:
    return bool(learner.state == "running" and learner.restarts == times)


def stepped(learner: Learner, before: int) -> bool:
    return bool(learner.metrics.get("steps", 0) > before)


def _longer(found: Callable[[], list[Any]], than: int) -> bool:
    return len(found()) > than


def _two_metrics_after(events: list[dict[str, Any]], place: int) -> bool:
    return len([event for event in events[place:] if event["event"] == "metrics"]) >= 2


@pytest.mark.timeout(900)
def test_killed_twenty_times_while_it_learns_it_always_comes_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_client, "FIRST_PAUSE_SECONDS", 0.0)
    # Checkpoints all the time, so that many kills fall into the writing of one.
    learner = Learner(settings(tmp_path, checkpoint_seconds=0.05), gate=blacked_out)
    learner.start()
    passages = [piece.decode() for piece in base_text(1 << 20)[0]]
    chance = random.Random(20)
    said = 0
    known = 0
    for turn in range(20):
        eventually(partial(running_again, learner, turn))
        for _ in range(6):
            said += learner.observe(passages[said])
        time.sleep(chance.uniform(0, 0.8))
        pid = learner.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(partial(restarted, learner, turn + 1))
        whole = [p for p in (tmp_path / "checkpoints").glob("checkpoint-*") if verified(p)["files"]]
        eventually(partial(running_again, learner, turn + 1))
        if whole:
            report = learner.restored
            assert report is not None
            assert report["checkpoint"] == max(p.name for p in whole)
            assert report["skipped"] == []
            # What was learnt and saved is never lost again.
            assert report["bytes_learned"] >= known
            known = report["bytes_learned"]
    assert known > 0
    said += learner.observe(passages[said])
    metrics = eventually(lambda: learner.metrics.get("bytes_learned", 0) > known and learner.metrics)
    # Passages on their way into a process that was killed may be lost; those in the replay are not.
    assert 0 < metrics["replay"]["items"] <= said
    learner.close(60)
    assert not any("damaged" in warning for warning in learner.warnings)


@pytest.mark.timeout(600)
def test_after_yield_at_most_the_slice_under_way_is_learnt(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    learner = Learner(settings(tmp_path), gate=blacked_out, on_event=events.append)
    learner.start()
    for piece in base_text(1 << 20)[0]:
        learner.observe(piece.decode())

    def answers() -> list[dict[str, Any]]:
        return [event for event in events if event["event"] == "yielded"]

    for turn in range(20):
        before = learner.metrics.get("steps", 0)
        eventually(partial(stepped, learner, before))
        learner.yield_now()
        eventually(partial(_longer, answers, turn))
        yielded = max(i for i, event in enumerate(events) if event["event"] == "yielded")
        eventually(partial(_two_metrics_after, events, yielded))
        steps = {event["steps"] for event in events[yielded:] if event["event"] == "metrics"}
        assert len(steps) == 1
        learner.go()
    assert all(0 <= answer["steps_after"] <= 1 for answer in answers())
    learner.close(60)


@pytest.mark.timeout(900)
def test_lessons_on_a_topic_make_that_topic_less_surprising_and_others_hardly(tmp_path: Path) -> None:
    pairs = [(each["question"], each["answer"]) for each in LESSONS["lessons"]]
    script = Script(pairs)
    with teaching(script) as url:
        taught = settings(
            tmp_path, base_bytes=256 << 10, teacher="ollama", url=url, model="m", pause_seconds=0
        )
        learner = Learner(taught, gate=blacked_out)
        learner.start()
        # Plain English first: else every lesson would teach that too, and help with any topic.
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/guides/*.md"), *ROOT.glob("docs/decisions/*.md")]:
            assert learner.observe(page.read_text(encoding="utf-8"), "file", page.name)
        eventually(lambda: rested(learner))

        def surprise() -> dict[str, float]:
            return {name: learner.surprise(text, 60).mean for name, text in LESSONS["held_out"].items()}

        before = surprise()
        learner.train_start("quantum physics")
        eventually(lambda: learner.metrics["training"]["pairs"] == len(pairs))
        eventually(lambda: learner.metrics["training"]["reasons"].get("taught before"))
        learner.train_stop()
        after = surprise()
        metrics = learner.metrics
        learner.close(60)
    fall = {name: before[name] - after[name] for name in before}
    print(f"bits per byte before {before}, after {after}, fall {fall}")
    assert fall["quantum"] > 0.5
    assert all(abs(fall[other]) < fall["quantum"] / 4 for other in ("baking", "castles"))
    assert metrics["training"]["topic"] == "quantum physics"
    assert metrics["breakers"]["teacher"] == "CLOSED"
    assert any(thought["kind"] == "teacher" for thought in learner.thoughts)
    assert all("quantum physics" in prompt for prompt in script.asked)


@pytest.mark.timeout(600)
def test_a_teacher_that_goes_away_costs_nothing_but_its_lessons(tmp_path: Path) -> None:
    told = settings(tmp_path, teacher="ollama", url="http://127.0.0.1:9", model="m", pause_seconds=0)
    learner = Learner(told, gate=blacked_out)
    learner.start()
    learner.train_start()
    eventually(lambda: learner.metrics.get("breakers", {}).get("teacher") == "OPEN")
    assert "not there" in learner.metrics["training"]["trouble"] + " ".join(learner.warnings)
    learner.observe("Grace painted the blue lantern near the harbour before the evening bell rang.")
    eventually(lambda: learner.metrics["bytes_learned"])
    assert learner.metrics["breakers"]["learning"] == "CLOSED"
    assert learner.restarts == 0
    learner.close(60)


@pytest.mark.timeout(900)
def test_our_own_engine_can_be_asked_for_lessons(tmp_path: Path, models_folder: Path) -> None:
    with running(tmp_path / "home", models_folder) as service:
        told = settings(
            tmp_path,
            teacher="openai",
            url=f"{service.url}/v1",
            model="smollm2-135m",
            api_key=service.token,
            pause_seconds=0,
            timeout_seconds=300,
        )
        learner = Learner(told, gate=blacked_out)
        learner.start()
        learner.train_start("astronomy")

        def heard() -> bool:
            training = learner.metrics.get("training", {})
            return bool(training.get("pairs") or training.get("refused"))

        eventually(heard, 600)
        assert learner.metrics["breakers"]["teacher"] == "CLOSED"
        learner.close(60)
