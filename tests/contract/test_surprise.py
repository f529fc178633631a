"""A proposal gets its surprise from a real learner; one that is off, dead or stuck changes nothing else."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.core import config
from nexus.core.paths import Home
from nexus.core.settings import BackgroundSettings, CortexSettings, TrainingSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.service import approval
from nexus.service import learning as service_learning
from nexus.service.learning import Learning
from nexus.service.resource import ResourceGovernor
from nexus.training.learner_settings import LearnerSettings, learner_settings
from tests.running import running

SAID = "\n".join(f"The staging crane of warehouse {n} listens on port {5000 + n}." for n in range(120))
FAMILIAR = "Remember that the staging crane of warehouse 77 listens on port 6543."
NEW = "Remember that Xylography `quux_vortex.py` needs JSON, Zig and brazed fjord pumps by Wójcik."
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def eventually(condition: Callable[[], Any], seconds: float = 600) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def small_base(settings: TrainingSettings, home: Home) -> LearnerSettings:
    return replace(learner_settings(settings, home), base_bytes=32 << 10)


def learning_in(home: Path, **settings: object) -> Learning:
    known = config.load({f"training.{k}": v for k, v in settings.items()}, env={"NEXUS_HOME": str(home)})
    known.home.create()
    unhindered = BackgroundSettings(active_percent=100, idle_percent=100, cgroup=False)
    learning = Learning(known, ResourceGovernor(unhindered))
    learning.start()
    learning.tick()
    return learning


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


@pytest.fixture
def learning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Learning]:
    # A test's machine may be as slow as it likes, and the learner runs last on it.
    monkeypatch.setattr(service_learning, "learner_settings", small_base)
    monkeypatch.setattr(service_learning, "READY_SECONDS", 600.0)
    monkeypatch.setattr(service_learning, "ASK_SECONDS", 600.0)
    learning = learning_in(tmp_path / "learning")
    yield learning
    learning.stop()


def knows(learning: Learning) -> None:
    """Let it read what was said."""
    learning.observe(SAID, "before")
    eventually(lambda: learning.as_dict().get("dreams", {}).get("rested"))


def surprises(cortex: Cortex) -> dict[str, float | None]:
    return {p.words: p.surprise for p in cortex.proposals()}


def test_what_is_like_what_was_said_is_less_surprising_than_what_is_not(
    cortex: Cortex, learning: Learning
) -> None:
    knows(learning)
    for text in (NEW, FAMILIAR):
        assert approval.hear(cortex, learning, text, learnt=text, session="now")
    eventually(lambda: None not in surprises(cortex).values())
    found = surprises(cortex)
    known, new = found[FAMILIAR], found[NEW]
    assert known is not None
    assert new is not None
    assert 0 <= known < 0.6 < new <= 2
    first, second = approval.waiting(cortex)
    assert (first["words"], first["surprise_means"]) == (FAMILIAR, "much of it was said before")
    assert second["surprise_means"] == "newer than most of what is said"
    # It was judged before it was learnt: now the new one is known, too.
    eventually(lambda: learning.as_dict()["replay"]["items"] >= 3)
    eventually(lambda: learning.as_dict()["dreams"]["rested"])
    assert surprises(cortex)[NEW] == new


def test_a_learner_that_is_stuck_holds_nobody_up_and_one_that_dies_loses_no_text(
    cortex: Cortex, learning: Learning
) -> None:
    knows(learning)
    items = learning.as_dict()["replay"]["items"]
    pid = learning.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    [proposed] = approval.hear(cortex, learning, FAMILIAR, learnt=FAMILIAR, session="now")
    assert [p.id for p in cortex.proposals()] == [proposed.id]  # though ten minutes would be waited for it
    assert learning.novelty.waiting == 1
    assert cortex.approve(proposed.id).learning == proposed.learning
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not learning.novelty.waiting)
    eventually(lambda: learning.as_dict()["replay"]["items"] > items)
    assert learning.as_dict()["judged"] == {"asked": 0, "unasked": 1, "waiting": 0}


def test_without_a_learner_proposals_are_what_they_were(cortex: Cortex, tmp_path: Path) -> None:
    learning = learning_in(tmp_path / "off", enabled=False)
    [proposed] = approval.hear(cortex, learning, FAMILIAR, learnt=FAMILIAR)
    assert learning.pid is None
    assert not learning.novelty.waiting
    assert approval.waiting(cortex)[0]["surprise"] is None
    assert approval.waiting(cortex)[0]["surprise_means"] == ""
    assert cortex.approve(proposed.id).learning == proposed.learning
    learning.stop()


def test_a_learner_is_not_started_for_a_question_when_it_has_learnt_nothing(
    cortex: Cortex, learning: Learning
) -> None:
    approval.hear(cortex, learning, FAMILIAR, learnt="")
    eventually(lambda: not learning.novelty.waiting)
    assert learning.pid is None
    assert surprises(cortex) == {FAMILIAR: None}
    # The first thing that is ever said is no more compared with anything.
    approval.hear(cortex, learning, NEW, learnt=NEW)
    eventually(lambda: learning.as_dict().get("replay", {}).get("items"))
    assert surprises(cortex) == {FAMILIAR: None, NEW: None}


def test_no_secret_is_proposed_judged_or_learnt(cortex: Cortex, learning: Learning, tmp_path: Path) -> None:
    knows(learning)
    key = "ghp_" + "R4nd0mL00k1ngT0kenF0rAT3stOfTheGat3x"[:36]
    text = f"Remember that the staging crane logs in with {key}. {FAMILIAR}"
    approval.hear(cortex, learning, text, learnt=text, session="now")
    eventually(lambda: not learning.novelty.waiting)
    eventually(lambda: learning.as_dict()["dreams"]["rested"])
    assert all(key not in p.learning + p.words for p in cortex.proposals())
    learning.stop()
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert key.encode() not in held


def test_the_service_shows_it_and_lists_what_could_go(
    tmp_path: Path, models_folder: Path, embedder_folder: Path, smollm2_path: Path
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as cortex:
        [proposed] = cortex.consider(FAMILIAR)
        cortex.keeping.note_surprise(proposed, 0.345)
        cortex.consider(NEW)
        kept = cortex.remember("The gate key hangs behind the map")
        double = cortex.remember("Our gate key hangs behind the map", verified=False, source="agent")
    means = "much of it was said before"
    off = {"NEXUS_TRAINING_ENABLED": "false", "NEXUS_CORTEX_EMBEDDER": "all-minilm-l6-v2"}
    talk = {"NEXUS_CORTEX_TALK_EMBEDDER": "all-minilm-l6-v2"}
    with running(home.root, models_folder, **off, **talk) as service, service.client() as http:
        waiting = http.get("/api/proposals").json()["proposals"]
        assert [(p["surprise"], p["surprise_means"]) for p in waiting] == [(0.345, means), (None, "")]
        told = service.cli("memories", "proposals").stdout
        assert told.count("surprise") == 1
        assert f"  surprise 0.34: {means}" in told or f"  surprise 0.35: {means}" in told
        assert means in service.cli("memories", "list").stdout
        assert means in http.get("/dashboard/queue").text
        listed = json.loads(service.cli("memories", "list", "--by", "regret", "--json").stdout)["memories"]
        assert [(m["id"], m["forgettable"]) for m in listed] == [(double.id, True), (kept.id, False)]
        why = f"says nearly the same as {kept.id}, never used in 0 days"
        assert listed[0]["why"] == why
        shown = service.cli("memories", "list", "--by", "regret")
        assert f"could go, regret {listed[0]['regret']:.2f}: {why}" in shown.stdout
        assert f"keep, regret {listed[1]['regret']:.2f}: verified" in shown.stdout
        assert "nexus forget" in shown.stderr
        assert why in http.get("/dashboard/memories?regret=true").text
        assert why not in http.get("/dashboard/memories").text
        assert http.get("/api/memories?by=luck").status_code in (400, 422)
        assert len(http.get("/api/memories").json()["memories"]) == 2  # named, not forgotten
