"""Who asks at the same time is answered together, and never with what was known before he asked."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.service.together import Together


class Slow:
    """Counts, and answers when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.may = threading.Semaphore(0)

    def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        assert self.may.acquire(timeout=60)
        return number


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


def test_who_comes_while_one_is_made_shares_the_next_and_not_this_one() -> None:
    async def scene() -> None:
        slow = Slow()
        together = Together(slow)
        first = asyncio.create_task(together.get())
        await until(lambda: slow.begun == 1)
        later = [asyncio.create_task(together.get()) for _ in range(50)]
        await asyncio.sleep(0)
        slow.may.release()
        assert await first == 1
        slow.may.release()
        assert await asyncio.gather(*later) == [2] * 50
        assert slow.begun == 2

    asyncio.run(scene())


def test_a_client_that_goes_takes_nothing_from_the_others() -> None:
    async def scene() -> None:
        slow = Slow()
        together = Together(slow)
        goes, stays = (asyncio.create_task(together.get()) for _ in range(2))
        await until(lambda: slow.begun == 1)
        goes.cancel()
        slow.may.release()
        assert await stays == 1
        assert goes.cancelled()

    asyncio.run(scene())


def test_a_failure_reaches_all_who_waited_and_nobody_after() -> None:
    async def scene() -> None:
        fails = [ValueError("once")]

        def make() -> str:
            if fails:
                raise fails.pop()
            return "well"

        together = Together(make)
        told = await asyncio.gather(*(together.get() for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in told] == [ValueError] * 3
        assert await together.get() == "well"

    asyncio.run(scene())


@given(st.lists(st.integers(0, 4), max_size=30))
def test_nobody_gets_what_was_known_before_he_asked(pauses: list[int]) -> None:
    async def scene() -> None:
        written = 0
        together = Together(lambda: written)

        async def client(pause: int) -> None:
            nonlocal written
            for _ in range(pause):
                await asyncio.sleep(0)
            written += 1
            mine = written
            assert await together.get() >= mine

        await asyncio.gather(*map(client, pauses))

    asyncio.run(scene())


def test_a_failure_that_nobody_waits_for_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        slow = Slow()
        together = Together(lambda: 1 // (slow() - 1))
        goes = asyncio.create_task(together.get())
        await until(lambda: slow.begun == 1)
        goes.cancel()
        slow.may.release()
        await asyncio.sleep(0.05)

    asyncio.run(scene())
    assert not caplog.records
