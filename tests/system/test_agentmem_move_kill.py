"""kill -9 of an import and of a broker at any moment: a conversation is there as before or as it came, and
what nobody names is freed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexus.agentmem import Launcher, Store, UnitType
from nexus.agentmem.errors import AgentMemError
from nexus.agentmem.placing import STAGE
from tests.agentmem_store import attach, running, wait_until

pytestmark = pytest.mark.slow

KILLS = 12
UNITS = 3000
IMPORT = """
import sys
from pathlib import Path
from nexus.agentmem import Store
from nexus.agentmem.placing import Placer
place = Placer.place
def said(self, *words, **named):
    print(".", end="", flush=True)
    return place(self, *words, **named)
Placer.place = said
with Store.connect(sys.argv[1], agent="mover", durable=True, timeout=120) as store:
    store.import_(Path(sys.argv[2]))
"""


def export(path: Path, count: int) -> list[bytes]:
    """A pack of a conversation with so many messages, each a unit."""
    with running() as own, attach(own, "mover", durable=True) as store:
        conversation = store.conversation("main")
        for number in range(count):
            conversation.append(UnitType.CONVERSATION, b"message %d " % number * 20)
        store.export(path)
        return [bytes(message) for message in conversation]


def counted(launcher: Launcher) -> int:
    with attach(launcher, "counter") as store:
        return int(store.stats()["store"]["units"])


@pytest.mark.slow
def test_an_import_that_is_killed_at_any_moment_leaves_all_or_nothing(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    expected = export(pack, UNITS)
    choose = random.Random(33)
    half = 0
    with running() as own:
        empty = counted(own)
        for _ in range(KILLS):
            command = [sys.executable, "-c", IMPORT, str(own.socket), str(pack)]
            importing = subprocess.Popen(command, stdout=subprocess.PIPE)
            assert importing.stdout is not None
            importing.stdout.read(choose.randrange(UNITS))  # so many units, and a moment more
            time.sleep(choose.random() * 0.001)
            importing.kill()
            importing.wait()
            importing.stdout.close()
            with attach(own, "mover", durable=True) as store:
                had = store.inventory()
                assert len(had.owned) <= 1  # what was on its way from published to kept
                half += STAGE in had.heads
                there = [bytes(message) for message in store.conversation("main")]
                assert there in ([], expected)
                for unit in had.owned:
                    store.disown(unit)
                store.import_(pack)
                assert set(store.inventory().heads) == {"main"}
                assert [bytes(message) for message in store.conversation("main")] == expected
                store.agent.forget()
            wait_until(lambda: counted(own) == empty, "everything is freed")
    assert half > 0, "no kill fell into an import"


@pytest.mark.slow
def test_a_broker_that_dies_under_an_import_is_told_and_the_next_attempt_is_whole(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    expected = export(pack, UNITS)
    choose = random.Random(34)
    with running() as own:
        empty = counted(own)
        for _ in range(KILLS // 2):
            command = [sys.executable, "-c", IMPORT, str(own.socket), str(pack)]
            importing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert importing.stdout is not None
            with attach(own, "counter") as store:
                worker = int(store.stats()["process"]["pid"])
            importing.stdout.read(choose.randrange(UNITS))
            os.kill(worker, signal.SIGKILL)
            _, said = importing.communicate(timeout=240)
            assert importing.returncode == 0 or b"BrokerGoneError" in said
            wait_until(lambda: answers(own), "the next broker serves")
            with attach(own, "mover", durable=True) as store:
                had = store.inventory()
                assert len(had.owned) <= 1
                for unit in had.owned:
                    store.disown(unit)
                store.import_(pack)
                assert [bytes(message) for message in store.conversation("main")] == expected
                assert set(store.inventory().heads) == {"main"}
                store.agent.forget()
            wait_until(lambda: counted(own) == empty, "everything is freed")


def answers(launcher: Launcher) -> bool:
    try:
        with Store.connect(launcher.socket, agent="counter") as store:
            return bool(store.stats())
    except AgentMemError:
        return False
