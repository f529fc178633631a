"""What the tests of engines with a real model share: how ours is made, how one is asked and looked into."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nexus.engine.base import AnswerEvent, ChatMessage, ChatRequest, Delta, Finish
from nexus.engine.child_engine import ChildEngine
from nexus.engine.worker_settings import WorkerSettings

CONTEXT = 4096
STORY = [ChatMessage("user", "Write a long story about a ship.")]


def long_talk(opening: str = "") -> list[ChatMessage]:
    """Several blocks of 128 tokens. What comes next is so certain that it does not hang on the rounding of
    numbers, which differs with how many tokens are read at once."""
    turns = [ChatMessage("user", "Say yes."), ChatMessage("assistant", "Yes, I am here and I am well.")] * 25
    return [ChatMessage("user", f"{opening}Say yes."), *turns[1:], ChatMessage("user", "Say yes.")]


LONG = long_talk()


def local_engine(model: Path, folder: Path, *, store: Path | None = None, **settings: Any) -> ChildEngine:
    """Not started. Two of one `store` need a `folder` each."""
    kind = WorkerSettings(
        "local",
        str(model),
        **{
            "context": CONTEXT,
            "store": str(store or folder / "store"),
            "store_ram_bytes": 64 << 20,
            **settings,
        },
    )
    return ChildEngine(model, name="smollm2", kinds=[kind], run_folder=folder / "run", threads=1)


def ask(messages: list[ChatMessage], max_tokens: int = 8, **more: Any) -> ChatRequest:
    return ChatRequest(messages, max_tokens=max_tokens, temperature=0, **more)


def answer(engine: ChildEngine, messages: list[ChatMessage], max_tokens: int = 8) -> tuple[str, Finish]:
    """The text of a greedy answer, and its end."""
    events = list(engine.chat(ask(messages, max_tokens)))
    return text_of(events), finish_of(events)


def finish_of(events: list[AnswerEvent]) -> Finish:
    last = events[-1]
    assert isinstance(last, Finish)
    assert not any(isinstance(event, Finish) for event in events[:-1])
    return last


def text_of(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def properties(engine: ChildEngine) -> dict[str, Any]:
    """The worker's own word on what it is doing."""
    return engine._supervisor.require_life().wire.get("/props")


def wait_until_idle(engine: ChildEngine) -> None:
    """The test's own time limit is the deadline."""
    while properties(engine)["running"]:
        pass


def wait_for_log(engine: ChildEngine, text: str) -> None:
    """Until the worker has said this. What it writes is read by a thread of its own and may come after the
    answer; the test's own time limit is the deadline."""
    log = engine._supervisor.require_life().worker.log
    while not any(text in line for line in tuple(log)):
        time.sleep(0.01)
