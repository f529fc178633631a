"""Who is an agent: registrations, the dead, process ids that were given away anew."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from nexus.agentmem import registration
from nexus.agentmem.activity import Activity
from nexus.agentmem.registration import Registration, agents_folder
from nexus.agentmem.registry import Paused, Registry
from nexus.core.errors import InvalidInputError, NotFoundError
from tests.unit.agentmem.conftest import registered, until

PAUSED = Paused(1.0, Activity(5.0, {3: 0.25}, {3: 40}, 2.0), 100, 7)


def test_an_agent_is_found_by_name_and_by_process_id(home, sleeper):
    agent = registered(home, sleeper.pid, name="ada", importance=7, idle_minutes=2.5)
    registry = Registry(home)
    assert registry.agents() == [agent]
    assert registry.find("ada") == registry.find(str(sleeper.pid)) == agent
    with pytest.raises(NotFoundError, match="no agent 'eve'"):
        registry.find("eve")


def test_two_of_one_name_must_be_told_apart(home, sleeper, start):
    other = start("sleep", "60")
    registered(home, sleeper.pid, name="twin")
    registered(home, other.pid, name="twin")
    with pytest.raises(InvalidInputError, match="2 agents") as caught:
        Registry(home).find("twin")
    assert str(other.pid) in caught.value.hint


def test_only_the_owner_can_read_it(home, sleeper):
    agent = registered(home, sleeper.pid)
    path = agents_folder(home) / f"{agent.key}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_the_dead_have_left_is_removed(home, start):
    process = start("sleep", "60")
    agent = registered(home, process.pid)
    registry = Registry(home)
    registry.set_paused(agent, PAUSED, b"1:2 3 4\n")
    process.kill()
    process.wait()
    assert registry.agents() == []
    assert list(agents_folder(home).iterdir()) == []


@pytest.mark.parametrize("other", [{"start": 1}, {"boot": "another start of the machine"}])
def test_a_process_id_that_was_given_away_anew_is_nobodys(home, sleeper, other):
    mine = registered(home, sleeper.pid)
    agents_folder(home).joinpath(f"{mine.key}.json").unlink()
    registration.write(home, mine._replace(**other))
    assert Registry(home).agents() == []
    assert list(agents_folder(home).glob("*.json")) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', "\x00\xff"])
def test_a_damaged_file_is_no_agent(home, text):
    folder = agents_folder(home)
    folder.mkdir(parents=True)
    (folder / "77-88.json").write_text(text)
    assert Registry(home).agents() == []
    assert list(folder.iterdir()) == []


def test_a_file_under_another_ones_name_is_no_agent(home, sleeper):
    agent = registered(home, sleeper.pid)
    path = agents_folder(home) / f"{agent.key}.json"
    path.rename(path.with_name("1-1.json"))
    assert Registry(home).agents() == []


def test_what_a_killed_writer_left_is_swept(home, sleeper):
    registered(home, sleeper.pid)
    left = agents_folder(home) / f"1-1.json.{2**22 + 1}.tmp"
    left.write_text("half")
    Registry(home).agents()
    assert not left.exists()


def test_a_pause_is_noted_read_and_forgotten(home, sleeper):
    agent, registry = registered(home, sleeper.pid), Registry(home)
    assert registry.paused(agent) is None
    registry.set_paused(agent, PAUSED, b"1:2 3 4\n")
    assert (registry.paused(agent), registry.pages(agent)) == (PAUSED, b"1:2 3 4\n")
    registry.set_paused(agent, PAUSED, None)
    assert registry.pages(agent) == b"1:2 3 4\n"
    registry.set_awake(agent)
    assert (registry.paused(agent), registry.pages(agent)) == (None, b"")


def test_settings_are_changed_for_the_same_agent(home, sleeper):
    registry = Registry(home)
    registry.change(registered(home, sleeper.pid)._replace(importance=90, name="x"))
    assert [(agent.name, agent.importance) for agent in registry.agents()] == [("x", 90)]


def test_a_watcher_counts_as_long_as_it_lives(home, start):
    registry = Registry(home)
    assert registry.watch() is None
    registry.set_watch({"1-2": 3.0})
    watch = registry.watch()
    assert watch
    assert (watch.pid, watch.idle) == (os.getpid(), {"1-2": 3.0})
    path = agents_folder(home) / "watch"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"start": 1}))
    assert registry.watch() is None


def test_a_registration_holds_the_program_and_no_arguments(home, start):
    secret = "sk-very-secret"
    process = start(
        sys.executable, "-m", "nexus", "run", "--name", "x", "--importance", "3", "--idle", "7",
        "--", "sh", "-c", f": {secret}; echo $$; exec sleep 60",
    )  # fmt: skip
    assert process.stdout
    # No process of ours stays: the agent has the process id that was started.
    assert int(process.stdout.readline()) == process.pid
    agent = Registry(home).find("x")
    assert (agent.pid, agent.program, agent.importance, agent.idle_minutes) == (process.pid, "sh", 3, 7.0)
    texts = [path.read_text() for path in agents_folder(home).iterdir()]
    assert texts
    assert not any(secret in text for text in texts)
    process.kill()
    until(lambda: process.poll() is not None, "it has ended")
    assert Registry(home).agents() == []
    assert not agent.group or not Path(agent.group).exists()


def test_a_registration_survives_being_written_and_read(home, sleeper):
    agent = registered(home, sleeper.pid, merge=True, freeze=True, group="/x")
    assert registration.read(agents_folder(home) / f"{agent.key}.json") == agent
    assert isinstance(agent, Registration)
