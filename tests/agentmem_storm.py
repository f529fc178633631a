"""Clients that are killed with -9 at random points, from a process that forks them by the dozen.

    python tests/agentmem_storm.py SOCKET DEATHS SEED

Each child attaches as an agent of its own, publishes, acquires, appends, shares and lets go until it is
killed; some are killed while they still attach. The process itself never connects. Prints how many it killed.
What must be left of all that (nothing) is checked by whoever starts it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from nexus.agentmem import (
    AgentMemError,
    BrokerBusyError,
    BrokerMemoryError,
    Conversation,
    Store,
    Unit,
    UnitType,
)
from nexus.agentmem.native import native

SHARED = [f"shared content {n}\n".encode() * (1 << n) for n in range(15)]  # 17 bytes to 280 KB
MOST_MS = 25


def live(socket: Path, name: str, random_of: random.Random) -> None:
    """An agent's life; it does not end by itself."""
    store = Store.connect(socket, agent=name, realm="storm")
    held: list[Unit] = []
    talk = store.conversation("talk")
    while True:
        try:
            step(store, talk, held, name, random_of)
        except (BrokerMemoryError, BrokerBusyError):  # the hot tier is small, and others hold it
            held.clear()


def step(store: Store, talk: Conversation, held: list[Unit], name: str, random_of: random.Random) -> None:
    """One thing an agent does."""
    what = random_of.randrange(6)
    data = random_of.choice(SHARED)
    if what == 0:
        held.append(store.publish(UnitType.SYSTEM_PROMPT, data))
    elif what == 1:
        held.append(store.publish(UnitType.TOOL_RESULT, name.encode() + data))
    elif what == 2:
        talk.append(UnitType.CONVERSATION, name.encode() + data[:300])
    elif what == 3 and held:
        held.append(store.acquire(random_of.choice(held).id))
    elif what == 4:
        store.share(store.publish(UnitType.CONVERSATION, data).id)
    elif what == 5 and held:
        held.pop(random_of.randrange(len(held))).release()
    if len(held) > 40:
        held.clear()


def main() -> None:
    socket, deaths, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    native()  # loaded once, here; a child that is forked has it
    random_of = random.Random(seed)
    for n in range(deaths):
        delay = random_of.uniform(0, MOST_MS) / 1000
        child = os.fork()
        if child == 0:
            try:
                live(socket, f"victim-{n}", random.Random(seed * 1_000_003 + n))
            except AgentMemError as error:
                print(f"victim {n}: {error!r}", file=sys.stderr, flush=True)
            finally:
                os._exit(3)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            sys.exit(f"victim {n} ended by itself: {status}")
    print(deaths)


if __name__ == "__main__":
    main()
