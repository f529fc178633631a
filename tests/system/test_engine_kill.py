"""The model's process dies at any moment, thirty times; what it had stored is whole or not there."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from nexus.core.errors import EngineError
from nexus.engine.base import ChatMessage
from tests.contract.local_engine import LONG, answer, ask, local_engine, long_talk, properties

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
def test_killed_at_any_moment_it_answers_as_with_a_fresh_store(
    smollm2_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.engine.supervisor.FIRST_PAUSE_SECONDS", 0.0)
    fresh = local_engine(smollm2_path, tmp_path / "fresh")
    fresh.start()
    expected, _ = answer(fresh, LONG, 16)
    fresh.stop()
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    moments = random.Random(30)
    for turn in range(30):
        unread = long_talk(f"Turn {turn}. ")

        def call(prompt: list[ChatMessage] = unread) -> None:
            with suppress(EngineError):  # killed, unless it had ended before
                list(engine.chat(ask(prompt, 400)))

        caller = Thread(target=call)
        caller.start()
        while not properties(engine)["running"]:
            pass
        time.sleep(moments.uniform(0, 0.9))
        pid = engine.health().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        caller.join()
        while engine.health().pid == pid:
            time.sleep(0.01)
        text, finish = answer(engine, LONG, 16)
        assert text == expected
        assert (finish.usage.cached_tokens > 0) == (turn > 0)
    stored = engine.manage(action="store")
    assert stored["store_blocks"] <= stored["blocks"] + 10
    engine.stop()
