"""What a store takes beside the content: maps of paused agents, tables, prompts that are nearly the same."""

from __future__ import annotations

import os
import random
from pathlib import Path

from nexus.agentmem import UnitType
from tests.agentmem_store import attach, running, wait_until

PROMPT = " ".join(f"{n}: rule number {n * n} says {n * 7919 % 997}." for n in range(400)).encode()


def mapped() -> int:
    """Segments of units in this process."""
    return Path("/proc/self/maps").read_text().count("memfd:agentmem-units")


def test_an_agent_that_pauses_itself_keeps_only_what_it_refers_to_mapped() -> None:
    before = mapped()
    with running() as broker, attach(broker, "agent") as store:
        held = store.publish(UnitType.TOOL_RESULT, b"held " * 100)
        private = [store.publish(UnitType.CONVERSATION, os.urandom(30_000)) for _ in range(100)]
        contents = [bytes(unit) for unit in private]
        for unit in private:
            unit.release()
        assert mapped() > before + 1
        store.agent.pause()
        assert mapped() == before + 1
        assert bytes(held) == b"held " * 100
        wait_until(lambda: store.stats()["tiers"]["hot"]["units"] == 1, "private units stay hot")
        assert [bytes(store.acquire(unit.id)) for unit in private] == contents


def test_a_prompt_leans_on_a_like_one_that_went_to_the_warm_tier_before_it() -> None:
    with running() as broker:
        stores = [attach(broker, f"agent-{n}") for n in range(12)]
        prompts = [b"user %d, branch %d\n" % (n, n * 7919) + PROMPT for n in range(len(stores))]
        ids = []
        for store, prompt in zip(stores, prompts, strict=True):
            with store.publish(UnitType.SYSTEM_PROMPT, prompt) as unit:
                ids.append(unit.id)

            def warm(number: int = len(ids)) -> bool:
                return bool(stores[0].stats()["tiers"]["warm"]["units"] == number)

            wait_until(lambda: stores[0].stats()["server"]["jobs_pending"] == 0, "it is never learnt")
            store.agent.pause()
            wait_until(warm, f"prompt {len(ids)} does not become warm")
        of = stores[0].stats()["types"]["system_prompt"]
        assert of["unique_bytes"] == sum(map(len, prompts))
        alone = of["stored_bytes"]
        assert alone < of["unique_bytes"] / 15  # each by itself: a third
        assert [bytes(store.acquire(i)) for store, i in zip(stores, ids, strict=True)] == prompts
        for store in stores:
            store.close()


def test_the_tables_of_many_small_units_stay_small() -> None:
    text = random.Random(1)
    with running() as broker, attach(broker, "agent") as store:
        empty = store.stats()["store"]["table_bytes"]
        for n in range(6000):
            store.publish(UnitType.TOOL_RESULT, b"%d %d\n" % (n, text.getrandbits(200)) * 4).release()
        store.publish(UnitType.TOOL_RESULT, PROMPT).release()  # the only one that others may lean on
        wait_until(lambda: store.stats()["server"]["jobs_pending"] == 0, "it is never learnt")
        taken = store.stats()["store"]["table_bytes"] - empty
    # Record, meta and sketch are 64 bytes each, the index has at most 32; each table may be half empty.
    assert taken / 6000 < 450
