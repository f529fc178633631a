"""A full disk: what cannot be stored is refused with the reason, all else goes on, nothing is half there.

The disk is a small tmpfs of our own, which takes root; without it the tests say so and are skipped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import StorageError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.evaluation.product import default_embedders
from nexus.cortex.secrets import blacked_out
from nexus.engine.base import ChatMessage
from nexus.training.checkpoints import verified
from nexus.training.learner_client import Learner
from nexus.training.learner_settings import LearnerSettings
from tests.contract.local_engine import LONG, answer, local_engine, wait_until_idle
from tests.running import Service, running
from tests.small_disk import Disk, NoDiskError, mounted_disk

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    try:
        with mounted_disk(tmp_path / "disk") as disk:
            yield disk
    except NoDiskError as error:
        pytest.skip(str(error))


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def error_of(reply: Any) -> str:
    error = reply.json()["error"]
    return f"{reply.status_code} {error['code']}: {error['message']} ({error['hint']})"


def added(service: Service, path: Path) -> str:
    """All events of adding a file."""
    body = {"paths": [str(path)]}
    with service.client() as http, http.stream("POST", "/api/knowledge", json=body) as reply:
        return "\n".join(reply.iter_lines())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_full_disk_costs_what_is_new_and_nothing_else(disk, tmp_path, models_folder, smollm2_path):
    home = disk.folder / "home"
    early, late = tmp_path / "early.md", tmp_path / "late.md"
    early.write_text("# Rooms\n\nzebra1 lives in room seven.\n")
    late.write_text("# More rooms\n\nokapi2 lives in room nine.\n" * 2000)
    with running(home, models_folder) as service, service.client() as http:

        def remember(text: str) -> Any:
            return http.post("/api/memories", json={"learning": text})

        def ask(text: str) -> Any:
            return http.post("/api/interact", json={"prompt": text, "max_tokens": 4})

        assert remember("the depot opens at six").status_code == 201
        assert '"added": 1' in added(service, early)
        disk.fill()
        refused = remember("the depot closes at nine in the evening, " + "every day " * 300)
        shown = service.cli("remember", "x" * 3000)
        assert (shown.returncode, "space" in shown.stderr) == (8, True), shown.stderr
        assert refused.status_code == 507
        assert "no space left" in error_of(refused)
        told = added(service, late)
        assert "event: error" in told or '"failed": 1' in told, told
        # Everything that needs no room goes on; the model's memory is on the disk, and it says so.
        assert http.post("/api/context", json={"prompt": "When does the depot open?"}).status_code == 200
        answered = ask("When does the depot open?")
        assert answered.status_code == 200 or "No space left on device" in error_of(answered)
        held = http.get("/api/memories").json()["memories"]
        assert [memory["learning"] for memory in held] == ["the depot opens at six"]
        found = http.post("/api/recall", json={"query": "where does zebra1 live?"}).json()["results"]
        assert "room seven" in found[0]["text"]
        assert http.get("/api/status").json()["daemon"]["state"] == "ready"
        disk.free()
        # And the rest again, as soon as there is room.
        assert remember("the depot closes at nine").status_code == 201
        until(lambda: '"failed"' not in added(service, late))
        assert ask("When does the depot close?").status_code == 200
        until(lambda: http.get("/api/status").json()["health"]["healthy"])
        assert "Traceback" not in service.log()
        # What was acknowledged then outlives what comes next.
        service.kill()
        service.start()
        assert len(http.get("/api/memories").json()["memories"]) == 2
    with Cortex(Home(home), CortexSettings(), default_embedders(models_folder)) as cortex:
        assert cortex.verify().sound
        assert len(cortex.memories()) == 2
        assert "okapi2" in cortex.recall("okapi2", 1)[0].chunk.text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_changes_while_the_disk_is_full_is_refused_or_read_later(disk, tmp_path, models_folder):
    folder = tmp_path / "followed"
    folder.mkdir()
    (folder / "first.md").write_text("# Rooms\n\nzebra1 lives in room seven.\n")
    absent = {"NEXUS_ENGINE_MODEL": str(tmp_path / "none.gguf"), "NEXUS_TRAINING_ENABLED": "false"}
    with running(disk.folder / "home", models_folder, **absent) as service, service.client() as http:
        assert '"added": 1' in added(service, folder)
        assert service.process
        # The shards of the index are mapped files with holes: a write to one would end the process here.
        for turn in range(20):
            disk.fill()
            (folder / f"new{turn}.md").write_text(f"# Part {turn}\n\nokapi{turn} lives in room {turn}.\n")
            refused = http.post("/api/memories", json={"learning": f"the gate of yard {turn} is open"})
            assert (refused.status_code, "no space left" in error_of(refused)) == (507, True)
            told = added(service, folder / "first.md")
            assert "event: done" in told or "no space left" in told, told
            time.sleep(0.3)
        until(lambda: "is not up to date" in service.log())
        assert service.process.poll() is None, service.log()
        assert http.get("/api/memories").json()["memories"] == []
        disk.free()

        def found(turn: int) -> bool:
            body = {"query": f"okapi{turn}", "limit": 20, "kinds": ["document"]}
            results = http.post("/api/recall", json=body).raise_for_status().json()["results"]
            return any(f"okapi{turn} lives" in result["text"] for result in results)

        # Nobody touches the folder again.
        until(lambda: all(found(turn) for turn in range(20)))
        assert "Traceback" not in service.log()
        service.kill()
        service.start()
        until(lambda: found(3))


@pytest.mark.timeout(600)
def test_a_checkpoint_that_does_not_fit_is_told_and_the_last_one_stays(disk):
    told: list[str] = []

    def heard(event: dict[str, Any]) -> None:
        if event["event"] == "warning":
            told.append(event["message"])

    folders = str(disk.folder / "training"), str(disk.folder / "checkpoints")
    settings = LearnerSettings(*folders, base_bytes=0, share=1.0, metrics_seconds=0.1)
    learner = Learner(settings, gate=blacked_out, on_event=heard)
    learner.start()

    def checkpoints() -> int:
        return int(learner.metrics.get("checkpoints", {}).get("count", 0))

    learner.observe("Grace painted the blue lantern near the harbour before the evening bell rang.")
    until(lambda: learner.metrics.get("bytes_learned"))
    learner.checkpoint()
    until(lambda: checkpoints() == 1)
    known = learner.metrics["bytes_learned"]
    # Long enough that it is in the middle of it when the disk is full.
    learner.observe("\n".join(f"Crane {n} of the harbour lifts {n * 7} crates a day." for n in range(4000)))
    until(lambda: learner.metrics["bytes_learned"] > known)
    disk.fill()
    learner.checkpoint()
    until(lambda: any("checkpoint" in text and "no space left" in text for text in told))
    whole = list((disk.folder / "checkpoints").iterdir())
    assert all(verified(path)["files"] for path in whole)
    assert len(whole) >= 1
    # What is said now cannot be kept; it says so, and lives.
    learner.observe("The ferry leaves at seven, and the crane of the northern pier is painted grey. " * 300)
    until(lambda: any("replay.db" in text and "full" in text for text in told))
    assert learner.restarts == 0
    disk.free()
    before, items = checkpoints(), learner.metrics["replay"]["items"]
    learner.observe("Nobody knows who lit the lamp in the cedar house above the orchard last night.")
    until(lambda: learner.metrics["replay"]["items"] == items + 1)
    learner.checkpoint()
    until(lambda: checkpoints() == before + 1)
    learner.close(60)
    assert learner.restarts == 0


@pytest.mark.timeout(600)
def test_a_conversation_that_has_no_room_is_refused_and_answered_when_there_is(disk, smollm2_path, tmp_path):
    fresh = local_engine(smollm2_path, tmp_path / "fresh")
    fresh.start()
    expected, _ = answer(fresh, LONG, 16)
    fresh.stop()
    engine = local_engine(smollm2_path, tmp_path, store=disk.folder / "store")
    engine.start()
    disk.fill()
    for _ in range(2):
        # Memory does not grow with a conversation, so one that cannot be written cannot be held.
        with pytest.raises(StorageError, match="No space left on device"):
            answer(engine, LONG, 16)
        assert answer(engine, [ChatMessage("user", "Say yes.")])[1].reason in ("stop", "length")
    disk.free()
    assert answer(engine, LONG, 16)[0] == expected
    wait_until_idle(engine)
    text, finish = answer(engine, LONG, 16)
    assert text == expected
    assert finish.usage.cached_tokens > 0
    assert engine.health().restarts == 0
    engine.stop()
