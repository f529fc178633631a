"""Let clients die (tests/agentmem_storm.py) while others of the same realm read, and look what is left."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from nexus.agentmem import Store, Unit, UnitType
from tests.agentmem_store import attach, running, wait_until
from tests.agentmem_storm import SHARED

STORM = Path(__file__).with_name("agentmem_storm.py")


def deaths(count: int, *options: str, seed: int) -> None:
    """Kill `count` clients; fails when a witness reads wrong bytes or anything of the dead stays."""
    with running(*options) as launcher, attach(launcher, "witness", realm="storm") as store:
        names = {}
        held: list[Unit] = []
        for n, data in enumerate(SHARED):
            unit = store.publish(UnitType.SYSTEM_PROMPT, data)  # what the victims publish too
            names[unit.id] = data
            if n % 2:
                held.append(unit)
        del unit
        talk = store.conversation("talk")
        for n in range(40):
            talk.append(UnitType.CONVERSATION, b"said %d" % n)
        # What will be left: the contents, the pieces, the conversation's root. Older roots go soon.
        expected = {"agents": 1, "readers": 1, "units": len(names) + 40 + 1}
        wait_until(lambda: counted(store) == expected, f"not {expected} before anything died")
        stop = threading.Event()
        wrong: list[str] = []

        def watch() -> None:
            try:
                while not stop.is_set():
                    look(store, names, held)
            except BaseException as error:  # told by the test's own thread
                wrong.append(repr(error))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            done = subprocess.run(
                [sys.executable, str(STORM), str(launcher.socket), str(count), str(seed)],
                capture_output=True,
                text=True,
                timeout=1200,
                check=False,
            )
        finally:
            stop.set()
            watcher.join()
        told = (done.returncode, done.stdout.strip(), done.stderr)
        assert told == (0, str(count), ""), told
        assert wrong == [], wrong
        look(store, names, held)
        assert [bytes(message) for message in talk] == [b"said %d" % n for n in range(40)]

        try:
            wait_until(lambda: counted(store) == expected, f"not {expected} afterwards")
        except AssertionError as error:
            raise AssertionError(f"{error}: {store.stats()['store']}, {store.agents()}") from None
        own = store.agent.figures()
        assert (own["references"], own["units"]) == (len(held), len(names)), own
        broken = store.stats()["store"]["broken"]
        assert broken == 0, f"{broken} broken records"


def counted(store: Store) -> dict[str, int]:
    figures = store.stats()["store"]
    return {key: figures[key] for key in ("agents", "readers", "units")}


def look(store: Store, names: dict[bytes, bytes], held: list[Unit]) -> None:
    for name, data in names.items():
        with store.acquire(name) as unit:
            assert bytes(unit) == data
    for unit in held:
        assert bytes(unit) == names[unit.id]
