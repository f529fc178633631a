"""kill -9 of every process of ours at random points under mixed load: nothing acknowledged is lost.

`NEXUS_STORM_KILLS` says how many; run with `-s` to see how long each start took. The goal is ready within
five seconds on a free machine; what is asserted is that it becomes ready at all.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.evaluation.product import default_embedders
from tests.running import Service
from tests.system.mixed_load import Load

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("NEXUS_STORM_KILLS", "20"))
SEED = 20261121
# Which processes of ours there are, by what stands in their command line.
CHILDREN = {
    "model": "nexus.engine.worker",
    "learner": "nexus.training.learner_process",
    "grammars": "nexus.cortex.grammar_process",
}
# A group of the kernel's, a socket folder and the like: what one life may leave for the next to use.
LEFT_FOR_THE_NEXT = 3


@pytest.fixture
def service(tmp_path: Path, models_folder: Path, smollm2_path: Path) -> Iterator[Service]:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    service = Service(
        tmp_path / "home",
        models_folder,
        TMPDIR=str(temporary),
        XDG_RUNTIME_DIR=str(temporary),
        NEXUS_SERVICE_QUEUE="64",
    )
    yield service
    service.kill()


def processes(service: Service) -> dict[str, list[psutil.Process]]:
    """Those of ours that live now, by kind."""
    assert service.process
    found: dict[str, list[psutil.Process]] = {"service": [psutil.Process(service.process.pid)]}
    for child in found["service"][0].children(recursive=True):
        try:
            command = " ".join(child.cmdline())
        except psutil.NoSuchProcess:
            continue
        for kind, word in CHILDREN.items():
            if word in command:
                found.setdefault(kind, []).append(child)
    return found


def state(service: Service) -> dict[str, Any]:
    with service.client() as http:
        found: dict[str, Any] = http.get("/api/status").raise_for_status().json()
    return found


def check(service: Service, load: Load) -> None:
    """Memories that were acknowledged are there, what was forgotten is not."""
    kept, forgotten = load.kept()
    with service.client() as http:
        held = {m["id"]: m["learning"] for m in http.get("/api/memories").json()["memories"]}
    lost = {key: text for key, text in kept.items() if held.get(key) != text}
    # The load may have forgotten some of them meanwhile.
    assert not (set(lost) & set(load.kept()[0])), lost
    assert not forgotten & set(held)


def entries(*folders: Path) -> dict[str, int]:
    """How many files, sockets and folders there are in each, memories and the index apart."""
    return {
        str(folder): sum(1 for path in folder.rglob("*") if not {"memories", "shard"} & set(path.parts))
        for folder in folders
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_any_moment_nothing_acknowledged_is_lost(service, tmp_path, models_folder):
    draw, starts, early = random.Random(SEED), list[float](), dict[str, int]()
    homes = (service.root, tmp_path / "tmp")
    killed: dict[str, int] = dict.fromkeys(["service", *CHILDREN, "all"], 0)
    service.start()
    load = Load(service, tmp_path / "documents")
    with load.going():
        for turn in range(KILLS):
            time.sleep(draw.choice([draw.uniform(0, 0.4), draw.uniform(0, 3)]))
            living = processes(service)
            # Each kind is met, whatever the draw: the one that was killed least, of those that live.
            kinds = ["all", *living]
            victim = min(draw.sample(kinds, len(kinds)), key=lambda kind: killed[kind])
            killed[victim] += 1
            if victim in CHILDREN:
                for process in living[victim]:
                    process.kill()
                continue
            everybody = [process for group in living.values() for process in group]
            for process in draw.sample(everybody, len(everybody)) if victim == "all" else living["service"]:
                with suppress(psutil.NoSuchProcess):  # its parent went first
                    process.kill()
            service.kill()
            _, alive = psutil.wait_procs(everybody, 60)
            assert alive == [], "a child outlived its service"
            dead = everybody[0].pid
            began = time.monotonic()
            service.start()
            starts.append(time.monotonic() - began)
            print(f"{turn}: {victim} killed, ready after {starts[-1]:.1f} s", flush=True)
            recovery = state(service)["recovery"]
            assert (recovery["last_stop"], recovery["killed"]["pid"]) == ("killed", dead)
            check(service, load)
            if turn >= KILLS // 3 and not early:
                early = entries(*homes)
        # The last life is let work: whatever was killed is back.
        deadline = time.monotonic() + 120
        while state(service)["model"]["state"] != "ready" or "learner" not in processes(service):
            assert time.monotonic() < deadline, state(service)
            time.sleep(0.2)
    check(service, load)
    assert service.stop() == 0, service.log()
    assert load.wrong == []
    print(
        f"killed: {killed}; {len(load.memories)} memories, {len(load.forgotten)} forgotten,"
        f" {len(load.documents)} documents, answered {dict(load.answered)}"
    )
    print(
        f"ready after {min(starts):.1f} to {max(starts):.1f} s, {statistics.median(starts):.1f} in the median"
    )
    assert min(load.answered.values()) > 0
    assert min(killed.values()) > 0
    after = entries(*homes)
    for folder, number in early.items():
        assert after[folder] <= number + LEFT_FOR_THE_NEXT, f"{folder}: {number} became {after[folder]}"
    assert [path for home in homes for path in home.rglob("*.tmp")] == []
    with Cortex(Home(service.root), CortexSettings(), default_embedders(models_folder)) as cortex:
        assert cortex.verify().sound
        for path, markers in load.written().items():
            assert any(
                result.chunk.path == str(path) and marker in result.chunk.text
                for marker in markers
                for result in cortex.recall(marker, 20, ("document",))
            ), f"{path.name} lost all of {markers}"


def test_the_status_tells_how_the_last_life_ended(service):
    service.start()
    first = state(service)["recovery"]
    assert (first["last_stop"], first["killed"]) == ("none", None)
    service.stop()
    service.start()
    assert state(service)["recovery"]["last_stop"] == "in order"
    with service.client() as http:
        http.post("/api/memories", json={"learning": "the ferry leaves at seven"}).raise_for_status()
    # What is left when power fails in the middle of a write.
    (service.root / "memories" / ".MEM-2026-01-01-001-00000000.md.0a1b2c3d.tmp").write_text("half a wri")
    assert service.process
    dead = service.process.pid
    service.kill()
    service.start()
    recovery = state(service)["recovery"]
    assert (recovery["last_stop"], recovery["killed"]["pid"]) == ("killed", dead)
    assert recovery["removed"]["half_written_files"] == 1
    assert f"process {dead}" in recovery["summary"]
    assert "1 half-written files were removed" in recovery["summary"]
    assert str(dead) in service.cli("status").stdout
