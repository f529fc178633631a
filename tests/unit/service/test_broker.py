"""The broker as a child: missing, switched off, started by somebody else, in trouble, and its figures."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.agentmem import Launcher
from nexus.core.paths import Home
from nexus.core.settings import AgentmemSettings
from nexus.service import agent_memory
from nexus.service.broker import Broker
from nexus.service.exposition import text
from nexus.service.units import Units
from tests.agentmem_store import short_folder, skip_where_it_is_not_built

PATIENCE = 120.0
SETTINGS = AgentmemSettings(cold_gib=0)


@pytest.fixture
def home() -> Iterator[Home]:
    with short_folder() as folder:
        home = Home(folder)
        home.create()
        yield home


@pytest.fixture
def built() -> None:
    skip_where_it_is_not_built()


def until(condition: Callable[[], object], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def test_where_it_was_not_built_it_says_so_and_nothing_else_suffers(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_AGENTMEMD", "/nowhere/nexus-agentmemd")
    broker = Broker(home, SETTINGS)
    broker.start()
    until(lambda: broker.state == "missing", lambda: broker.state)
    units = Units(broker, SETTINGS)
    assert agent_memory.issues(broker) == []
    told = agent_memory.agent_memory(broker, units)
    assert "/nowhere/nexus-agentmemd" in told["detail"]
    assert (told["stored_bytes"], told["agents"]) == (None, None)
    assert "nexus_agentmem_up 0\n" in text(agent_memory.families(broker, units))
    broker.stop()


def test_switched_off_nothing_is_started(home: Home) -> None:
    broker = Broker(home, AgentmemSettings(enabled=False))
    broker.start()
    assert broker.state == "off"
    assert not broker.await_ready(0)
    assert broker.holdings() is None
    broker.stop()


def test_one_that_somebody_else_started_is_used_and_left_alone(home: Home, built: None) -> None:
    with Launcher(home.agentmem, socket=home.run / "agentmem.sock", options=["--cold", "0"]) as other:
        broker = Broker(home, SETTINGS)
        broker.start()
        assert broker.await_ready(PATIENCE)
        assert not broker.own
        until(broker.holdings, lambda: broker.problem)
        broker.stop()
        assert other.answers()


def test_its_figures_come_and_it_ends_with_who_started_it(home: Home, built: None) -> None:
    broker = Broker(home, SETTINGS)
    broker.start()
    assert broker.await_ready(PATIENCE)
    until(broker.holdings, lambda: broker.problem)
    held = broker.holdings()
    assert held
    assert held.agents == []
    assert held.pss is None or held.pss > 2**18
    units = Units(broker, SETTINGS)
    lines = text(agent_memory.families(broker, units)).splitlines()
    assert 'nexus_agentmem_restore_seconds_bucket{le="+Inf"} 0' in lines
    assert 'nexus_agentmem_tier_stored_bytes{tier="cold"} 0' in lines
    broker.stop()
    assert broker.state == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(held.stats["process"]["pid"], 0)


def test_killed_it_is_started_again_and_a_lost_connection_is_looked_into(home: Home, built: None) -> None:
    broker = Broker(home, SETTINGS)
    broker.start()
    assert broker.await_ready(PATIENCE)
    broker.lost()
    assert broker.await_ready(PATIENCE)
    assert broker.restarts == 0
    until(broker.holdings, lambda: broker.problem)
    held = broker.holdings()
    assert held
    stat = Path(f"/proc/{held.stats['process']['pid']}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)  # its supervisor
    until(lambda: broker.restarts == 1 and broker.state == "ready", lambda: (broker.state, broker.problem))
    broker.stop()


def test_a_folder_that_cannot_be_used_is_an_issue(home: Home, built: None) -> None:
    home.agentmem.write_text("in the way")
    broker = Broker(home, SETTINGS)
    broker.start()
    until(lambda: broker.state == "failed", lambda: broker.state)
    assert agent_memory.issues(broker)[0].startswith("AgentMem: ")
    broker.stop()


def test_limits_are_the_settings_or_come_from_the_machine(home: Home) -> None:
    given = Broker(home, AgentmemSettings(hot_mib=64, warm_mib=32, cold_gib=0.5)).options()
    assert given == ["--with-parent", "--hot", "64M", "--warm", "32M", "--cold", "512M"]
    cold = Broker(home, AgentmemSettings()).options()[-1]
    assert 128 <= int(cold.removesuffix("M")) <= 16 * 1024
