"""What could be forgotten: named with a reason, never what is verified or the last that says something."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from nexus.core import clock
from nexus.core.errors import InvalidInputError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.contradiction import adds
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.filters import Filter
from nexus.cortex.keeping import Judged
from nexus.cortex.memory import Memory

PORT = "The staging database listens on port 5432"
Ago = Callable[[int], None]


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


@pytest.fixture
def ago(monkeypatch: pytest.MonkeyPatch) -> Ago:
    """Set the clock to so many days before now."""
    now = clock.now()

    def move(days: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: now - timedelta(days=days))

    return move


def taken_in(cortex: Cortex, learning: str, **fields: object) -> Memory:
    return cortex.remember(learning, verified=False, source="agent", **fields)


def named(cortex: Cortex, **where: object) -> dict[str, Judged]:
    return {j.memory.id: j for j in cortex.keeping.judged(Filter(**where)) if j.forgettable}  # type: ignore[arg-type]


def test_what_nobody_asked_for_in_a_year_could_go_and_what_was_used_or_verified_stays(
    cortex: Cortex, ago: Ago
) -> None:
    ago(400)
    unused = taken_in(cortex, "The old printer needs the PCL driver")
    used = taken_in(cortex, "Deployments to Oslo run on Mondays")
    verified = cortex.remember("The cellar key hangs behind the map")
    ago(0)
    cortex.used(cortex.recall("When do deployments to Oslo run?", 1, kinds=("memory",)))
    fresh = taken_in(cortex, "The new scanner writes to the share")
    assert set(named(cortex)) == {unused.id}
    assert named(cortex)[unused.id].why == "never used in 400 days"
    judged = cortex.keeping.judged()
    assert [j.memory.id for j in judged] == [
        unused.id,
        *(m.id for m in _by_regret(cortex, used, fresh, verified)),
    ]
    why = {j.memory.id: j.why for j in judged}
    assert why[used.id] == "used once, last 0 days ago"
    assert why[verified.id] == "verified, never used in 400 days"
    assert cortex.memory(unused.id) == unused  # named, not forgotten


def _by_regret(cortex: Cortex, *memories: Memory) -> list[Memory]:
    regrets = {j.memory.id: j.regret for j in cortex.keeping.judged()}
    return sorted(memories, key=lambda m: regrets[m.id])


def test_of_memories_that_say_the_same_all_but_one_could_go(cortex: Cortex) -> None:
    said = [PORT, f"Our{PORT[3:]}", "Port 5432 is where the staging database listens"]
    ids = {taken_in(cortex, words).id for words in said}
    found = named(cortex)
    assert len(ids) == 3
    assert len(found) == 2
    [stays] = ids - found.keys()
    assert all(f"says nearly the same as {stays}" in judged.why for judged in found.values())


def test_the_verified_one_of_two_stays(cortex: Cortex, ago: Ago) -> None:
    ago(10)
    older = taken_in(cortex, f"Our{PORT[3:]}")
    ago(0)
    cortex.remember(PORT, verified=True)
    assert set(named(cortex)) == {older.id}


def test_another_number_name_or_place_is_another_fact(cortex: Cortex) -> None:
    taken_in(cortex, PORT)
    taken_in(cortex, PORT.replace("5432", "5433"))
    taken_in(cortex, PORT.replace("staging", "production"))
    taken_in(cortex, PORT.replace("listens", "never listens"))
    taken_in(cortex, f"Our{PORT[3:]}", project="/srv/shop")
    assert set(named(cortex)) == {m.id for m in cortex.memories() if m.project == "/srv/shop"}
    # What all projects see may not go because one project has it, too.
    assert adds(PORT, PORT.replace("5432", "5433"))
    assert not adds(f"Our{PORT[3:]}", PORT)


def test_memories_of_projects_and_ended_ones_are_left_alone(cortex: Cortex, ago: Ago, tmp_path: Path) -> None:
    ago(900)
    ended = taken_in(cortex, "The gate opens at seven", valid_to="2020-01-01")
    shared = cortex.remember("Builds need a warm cache", share=True, project=str(tmp_path))
    ago(0)
    judged = {j.memory.learning: j for j in cortex.keeping.judged(Filter(include_expired=True))}
    assert judged[shared.learning].why.startswith("belongs to a project")
    assert judged[ended.learning].why.startswith("not valid now")
    assert not any(j.forgettable for j in judged.values())


def test_a_project_is_judged_by_all_that_is_known(cortex: Cortex) -> None:
    cortex.remember(PORT)
    double = taken_in(cortex, f"Our{PORT[3:]}", project="/srv/shop")
    taken_in(cortex, "Elsewhere the moon is full", project="/srv/other")
    judged = cortex.keeping.judged(Filter(project="/srv/shop"))
    assert {j.memory.learning for j in judged} == {PORT, f"Our{PORT[3:]}"}
    assert judged[0].memory.id == double.id
    assert judged[0].forgettable


def test_a_surprise_goes_with_the_proposal_into_the_memory(cortex: Cortex) -> None:
    [proposed] = cortex.consider(f"Remember that {PORT}.")
    assert proposed.surprise is None
    assert cortex.keeping.note_surprise(proposed, 0.41237)
    [waiting] = cortex.proposals()
    assert waiting.surprise == 0.412
    [again] = cortex.consider(f"Remember that {PORT}.")
    assert again.surprise == 0.412
    memory = cortex.approve(proposed.id)
    path = str(cortex.memory_store.path(memory.id))
    assert cortex.ledger.keeping()[path] == ("", 0.412)
    assert not cortex.keeping.note_surprise(proposed, 0.5)  # it waits no more
    cortex.edit(memory.id, context="after a change, too")
    assert cortex.ledger.keeping()[path] == ("", 0.412)
    cortex.forget(memory.id)
    assert cortex.ledger.keeping() == {}


def test_what_a_rule_approved_has_its_surprise_too(home: Home, embedder_folder: Path) -> None:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    settings = CortexSettings(index="exact", auto_approve=("explicit_note",))
    with Cortex(home, settings, embedder) as cortex:
        [proposed] = cortex.consider(f"Remember that {PORT}.")
        assert proposed.memory
        assert cortex.keeping.note_surprise(proposed, 0.9)
        assert [fact[1] for fact in cortex.ledger.keeping().values()] == [0.9]


@pytest.mark.parametrize("surprise", [math.nan, math.inf, -0.1])
def test_what_is_no_surprise_is_refused(cortex: Cortex, surprise: float) -> None:
    [proposed] = cortex.consider(f"Remember that {PORT}.")
    with pytest.raises(InvalidInputError):
        cortex.keeping.note_surprise(proposed, surprise)
    assert cortex.proposals()[0].surprise is None


def test_of_one_day_the_familiar_comes_first_and_without_numbers_the_newest(cortex: Cortex, ago: Ago) -> None:
    for day, words in ((2, "the build needs make 4.3"), (0, PORT), (0, "the wheel is built by the CI job")):
        ago(day)
        assert cortex.consider(f"Remember that {words}.")
    ports, wheel, build = "The stagi", "the wheel", "the build"
    by_words = {p.learning[:9]: p for p in cortex.proposals()}
    assert list(by_words) == [wheel, ports, build]
    cortex.keeping.note_surprise(by_words[wheel], 0.9)
    cortex.keeping.note_surprise(by_words[build], 0.1)
    assert [p.learning[:9] for p in cortex.proposals()] == [ports, wheel, build]


def test_a_store_from_before_is_opened_and_keeps_its_memories(home: Home, embedder_folder: Path) -> None:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as cortex:
        cortex.remember(PORT)
    with sqlite3.connect(home.store) as database:
        database.execute("DROP TABLE keeping")
    database.close()
    with Cortex(home, CortexSettings(index="exact"), embedder) as cortex:
        assert [j.memory.learning for j in cortex.keeping.judged()] == [PORT]


def test_nothing_remembered_is_nothing_to_judge(cortex: Cortex) -> None:
    assert cortex.keeping.judged() == []
