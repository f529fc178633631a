"""Who is paused, and in which order; what happens where pausing is not possible."""

from __future__ import annotations

import os

import pytest

from nexus.agentmem import pageout
from nexus.agentmem.ksm_governor import KsmGovernor
from nexus.agentmem.listing import listing
from nexus.agentmem.machine import Machine
from nexus.agentmem.registration import Registration
from nexus.agentmem.registry import Registry
from nexus.agentmem.watcher import AgentWatcher, Candidate, pressure
from nexus.core.settings import AgentsSettings
from tests.unit.agentmem.conftest import registered, until


def candidate(name: str, idle: float, importance: int = 50, minutes: float | None = None) -> Candidate:
    agent = Registration(1, 1, "", name, "node", "/", 0.0, importance=importance, idle_minutes=minutes)
    return Candidate(agent, idle, ())


@pytest.fixture
def watcher(home, tmp_path):
    (tmp_path / "pressure").mkdir()
    settings = AgentsSettings(idle_minutes=10, pressure_percent=5, never=("precious",))
    return AgentWatcher(home, settings, tmp_path)


def squeeze(tmp_path, percent: float) -> None:
    line = f"some avg10={percent:.2f} avg60=0.00 avg300=0.00 total=1\n"
    (tmp_path / "pressure" / "memory").write_text(line + line.replace("some", "full"))


def names(found: list[Candidate]) -> list[str]:
    return [candidate.agent.name for candidate in found]


def test_who_is_idle_long_enough_is_paused_the_least_important_first(watcher, tmp_path):
    squeeze(tmp_path, 0)
    found = watcher._due(
        [candidate("a", 700), candidate("b", 900, 10), candidate("c", 800), candidate("d", 599)]
    )
    assert names(found) == ["b", "c", "a"]


def test_an_agents_own_time_and_never_hold(watcher, tmp_path):
    squeeze(tmp_path, 100)
    found = [candidate("own", 130, minutes=2), candidate("not", 9000, minutes=0), candidate("precious", 9000)]
    assert names(watcher._due(found)) == ["own"]


def test_under_pressure_one_idle_agent_goes_earlier_and_an_active_one_never(watcher, tmp_path):
    found = [candidate("a", 100, 80), candidate("b", 100, 20), candidate("c", 30, 0)]
    squeeze(tmp_path, 4.9)
    assert names(watcher._due(found)) == []
    squeeze(tmp_path, 5.1)
    assert names(watcher._due(found)) == ["b"]
    assert names(watcher._due([candidate("c", 30, 0)])) == []


def test_a_kernel_that_does_not_tell_pressure_has_none(tmp_path):
    assert pressure(tmp_path) == 0


def test_without_swap_it_says_why_and_the_agent_goes_on(home, sleeper):
    if pageout.swap_bytes()[0]:
        pytest.skip("this machine has swap")
    registered(home, sleeper.pid, name="x", idle_minutes=0.001)
    watcher = AgentWatcher(home, AgentsSettings())
    watcher.start()
    try:
        until(lambda: watcher.problem, "it has tried")
        assert "no swap" in watcher.problem
        assert watcher.as_dict() == {"running": 1, "paused": 0, "problem": watcher.problem, "merging": ""}
        # The next look says so to `nexus agents`.
        until(lambda: (watch := Registry(home).watch()) and watch.problem == watcher.problem, "it is told")
        found = listing(Registry(home))
        assert (found.problem, found.watcher) == (watcher.problem, os.getpid())
    finally:
        watcher.stop()
        watcher.stop()
    assert Registry(home).watch() is None
    assert sleeper.poll() is None


def test_a_second_watcher_leaves_the_agents_to_the_first(home, sleeper, start):
    from nexus.agentmem import registration

    registered(home, sleeper.pid, idle_minutes=0.001)
    other = start("sleep", "60")
    registry = Registry(home)
    registry.set_watch({})
    path = registration.agents_folder(home) / "watch"
    mine = registration.start_of(other.pid)
    text = f'{{"pid": {other.pid}, "start": {mine}, "at": 1.0, "idle": {{}}}}'
    path.write_text(text)
    AgentWatcher(home, AgentsSettings()).look()
    assert path.read_text() == text


def test_merging_is_looked_after_at_every_round_and_when_that_fails_agents_still_are(home, tmp_path):
    class Broken(KsmGovernor):
        looks = 0

        def look(self) -> None:
            self.looks += 1
            raise OSError("no /proc")

    governor = Broken(AgentsSettings(), Machine(tmp_path))
    watcher = AgentWatcher(home, AgentsSettings(), governor=governor)
    watcher.start()
    try:
        until(lambda: governor.looks, "it has looked")
        assert watcher._threads[0].is_alive()
        assert watcher.look() > 0
    finally:
        watcher.stop()
