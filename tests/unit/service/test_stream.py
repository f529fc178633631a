"""Events from a worker to a response: in order, whole, and in bounds however slow the reader is."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.service.stream import Event, Stream


async def never() -> bool:
    return False


async def read(stream: Stream) -> list[Event]:
    return [event async for event in stream.events(never)]


def emitted(*events: Event) -> list[Event]:
    """What a reader sees that begins when all has been emitted."""

    async def session() -> list[Event]:
        stream = Stream()

        def work() -> None:
            for event in events:
                stream.emit(event.name, event.data)
            stream.finish()

        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.to_thread(thread.join)
        return await read(stream)

    return asyncio.run(session())


def text(events: list[Event], name: str) -> str:
    return "".join(event.data["text"] for event in events if event.name == name)


def test_a_reader_that_keeps_up_sees_each_event():
    events = [Event("frame", {}), *(Event("token", {"text": f"{n} "}) for n in range(50)), Event("done", {})]
    assert emitted(*events) == events


def test_a_long_backlog_is_kept_as_text():
    events = [Event("token", {"text": f"{n} "}) for n in range(10_000)]
    seen = emitted(*events, Event("done", {"reply": "x"}))
    assert len(seen) < 100
    assert text(seen, "token") == text(events, "token")
    assert seen[-1] == Event("done", {"reply": "x"})


def test_of_reports_on_progress_the_latest_stays():
    seen = emitted(*(Event("progress", {"done": n}) for n in range(10_000)), Event("done", {}))
    assert len(seen) < 100
    assert seen[-2:] == [Event("progress", {"done": 9999}), Event("done", {})]


@given(
    st.lists(
        st.one_of(
            st.sampled_from([Event("token", {"text": "a"}), Event("thinking", {"text": "b"})]),
            st.builds(lambda n: Event("token", {"index": n, "text": "c"}), st.integers(0, 2)),
            st.sampled_from([Event("tool_call", {"id": "1"}), Event("frame", {})]),
        ),
        max_size=200,
    )
)
def test_joining_changes_no_text_and_no_order(some: list[Event]):
    events = [*([Event("token", {"text": "x"})] * 70), *some]
    seen = emitted(*events)

    def spelled(events: list[Event]) -> list[tuple[str, int | None, str]]:
        return [(e.name, e.data.get("index"), letter) for e in events for letter in e.data.get("text", "-")]

    assert spelled(seen) == spelled(events)


@pytest.mark.parametrize("pause", [0.0, 0.01, 10.0])
def test_a_client_that_leaves_is_noticed_whether_events_come_or_not(pause):
    async def session() -> None:
        stream, over = Stream(), threading.Event()

        def work() -> None:
            while not stream.cancel.is_set():
                stream.emit("token", {"text": "x"})
                stream.cancel.wait(pause)
            over.set()
            stream.finish()

        async def gone() -> bool:
            return True

        thread = threading.Thread(target=work)
        thread.start()
        async for _ in stream.events(gone):
            await asyncio.sleep(0)
        assert stream.cancel.is_set()
        await asyncio.to_thread(thread.join)
        assert over.is_set()

    asyncio.run(session())


def test_after_the_loop_has_gone_emitting_is_harmless():
    async def made() -> Stream:
        return Stream()

    stream = asyncio.run(made())
    stream.emit("token", {"text": "x"})
    stream.finish()
