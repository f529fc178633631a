"""The local engine with a real model: it streams, counts, refuses, stops, and survives its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import psutil
import pytest

from nexus.core.errors import (
    ContextOverflowError,
    EngineError,
    InvalidInputError,
    ModelCorruptError,
    ModelMissingError,
)
from nexus.engine.base import AnswerEvent, ChatMessage, Delta, Tool
from nexus.engine.child_engine import ChildEngine
from nexus.engine.worker_settings import WorkerSettings
from tests.contract.local_engine import STORY, ask, finish_of, text_of

CONTEXT = 2048
# Far more than one batch, and different from any other prompt, so that nothing of it is cached.
LONG = [ChatMessage("user", " ".join(f"item {number} is red;" for number in range(200)))]


@pytest.fixture(scope="module")
def engine(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildEngine]:
    folder = tmp_path_factory.mktemp("run")
    engine = llamacpp(smollm2_path, name="smollm2", context=CONTEXT, run_folder=folder, threads=1)
    engine.start()
    yield engine
    engine.stop()


def llamacpp(path: Path, *, name: str, context: int, run_folder: Path, threads: int = 0) -> ChildEngine:
    kinds = [WorkerSettings("llamacpp", str(path), context)]
    return ChildEngine(path, name=name, kinds=kinds, run_folder=run_folder, threads=threads)


class Slot:
    """The worker's own word on what it is doing."""

    def __init__(self, engine: ChildEngine) -> None:
        settings = engine._supervisor.require_life().worker.settings
        self._transport = httpx.HTTPTransport(uds=settings.socket)
        self._headers = {"Authorization": f"Bearer {settings.key}"}

    def state(self) -> dict[str, Any]:
        with httpx.Client(transport=self._transport, base_url="http://e", headers=self._headers) as client:
            slot: dict[str, Any] = client.get("/slots").json()[0]
        return slot

    def most_until_idle(self, *path: str | int) -> int:
        """The largest value of a counter until the slot is idle."""
        most = 0
        while (slot := self.state())["is_processing"]:
            value: Any = slot
            for key in path:
                value = value[key]
            most = max(most, value)
        return most


def test_it_streams_and_its_counts_are_those_of_the_model(engine: ChildEngine) -> None:
    events = list(engine.chat(ask([ChatMessage("system", "Be brief."), ChatMessage("user", "Say hi")])))
    finish = finish_of(events)
    assert len(events) > 3
    assert finish.reason == "length"
    assert finish.usage.exact
    assert finish.usage.completion_tokens == 8 == engine.count_tokens(text_of(events))
    prompt = [ChatMessage("system", "Be brief."), ChatMessage("user", "Say hi")]
    assert (
        finish.usage.prompt_tokens
        == engine.count_prompt(ask(prompt))
        > engine.count_tokens("Be brief.Say hi")
    )
    assert finish.seconds_to_first_token is not None
    assert finish.seconds_to_first_token <= finish.seconds
    assert engine.context == CONTEXT
    health = engine.health()
    assert (health.state, health.threads) == ("ready", 1)
    assert health.rss_bytes is not None
    assert health.rss_bytes > 50 << 20


def test_the_same_prompt_again_is_read_from_the_cache(engine: ChildEngine) -> None:
    request = ask([ChatMessage("user", "Name three rivers of Europe.")])
    first, second = list(engine.chat(request)), list(engine.chat(request))
    assert text_of(first) == text_of(second)
    assert finish_of(second).usage.cached_tokens > finish_of(first).usage.cached_tokens


def test_a_stop_text_ends_the_answer(engine: ChildEngine) -> None:
    whole = text_of(list(engine.chat(ask(STORY, 24))))
    word = whole.split()[4]
    events = list(engine.chat(ask(STORY, 24, stop=[word])))
    assert finish_of(events).reason == "stop"
    assert text_of(events) == whole[: whole.index(word)]


def test_a_prompt_over_the_window_is_refused_with_both_numbers(engine: ChildEngine) -> None:
    count = engine.count_prompt(ask(LONG))
    room = CONTEXT - count
    with pytest.raises(ContextOverflowError, match=rf"{count} tokens .* leaves {count - 1} "):
        next(engine.chat(ask(LONG, room + 1)))
    assert not Slot(engine).state()["is_processing"]


def test_how_likely_a_text_is_only_our_own_engine_tells(engine: ChildEngine) -> None:
    with pytest.raises(InvalidInputError, match=r"llama\.cpp") as told:
        engine.likelihood("The gate is green. Question:", " Which colour?")
    assert "engine.kind" in str(told.value.hint)


def test_tools_that_the_model_would_not_hear_of_are_refused(engine: ChildEngine) -> None:
    tool = Tool("look", "Look.", {"type": "object", "properties": {}})
    with pytest.raises(InvalidInputError, match="no words for tools"):
        next(engine.chat(ask(STORY, tools=[tool])))


def test_cancel_in_mid_stream_stops_the_decode(engine: ChildEngine) -> None:
    cancel = Event()
    events: list[AnswerEvent] = []
    for event in engine.chat(ask(STORY, 1500), cancel):
        events.append(event)
        if len(events) == 5:
            cancel.set()
    finish = finish_of(events)
    assert finish.reason == "cancelled"
    assert not finish.usage.exact
    assert Slot(engine).most_until_idle("next_token", 0, "n_decoded") < 100


def test_closing_the_generator_stops_the_decode(engine: ChildEngine) -> None:
    answer = engine.chat(ask(STORY, 1500))
    assert isinstance(next(answer), Delta)
    answer.close()
    assert Slot(engine).most_until_idle("next_token", 0, "n_decoded") < 100


def test_cancel_while_the_prompt_is_read_stops_the_reading(engine: ChildEngine) -> None:
    cancel, slot = Event(), Slot(engine)
    events: list[AnswerEvent] = []
    caller = Thread(target=lambda: events.extend(engine.chat(ask(LONG), cancel)))
    caller.start()
    while not slot.state()["is_processing"]:
        pass
    cancel.set()
    caller.join()
    assert [finish_of(events).reason, len(events)] == ["cancelled", 1]
    assert slot.most_until_idle("n_prompt_tokens_processed") < engine.count_prompt(ask(LONG)) // 2


def test_cancelled_before_it_began_nothing_is_asked(engine: ChildEngine) -> None:
    cancel = Event()
    cancel.set()
    assert finish_of(list(engine.chat(ask(STORY), cancel))).reason == "cancelled"


def test_eight_callers_at_once_are_all_answered(engine: ChildEngine) -> None:
    answers: dict[int, list[AnswerEvent]] = {}

    def call(number: int) -> None:
        answers[number] = list(engine.chat(ask([ChatMessage("user", f"Say {number}")])))

    threads = [Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [finish_of(answers[number]).usage.completion_tokens > 0 for number in range(8)] == [True] * 8


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_costs_one_answer_and_is_replaced(
    engine: ChildEngine, killer: signal.Signals
) -> None:
    before = engine.health()
    answer = engine.chat(ask(STORY, 1500))
    next(answer)
    assert before.pid is not None
    os.kill(before.pid, killer)
    with pytest.raises(EngineError, match=f"signal {int(killer)}, {killer.name}.*restarting"):
        list(answer)
    assert engine.health().state == "restarting"
    assert finish_of(list(engine.chat(ask(STORY)))).usage.completion_tokens == 8
    after = engine.health()
    assert (after.state, after.restarts) == ("ready", before.restarts + 1)
    assert after.pid != before.pid


def test_maintain_replaces_a_worker_that_died_idle(engine: ChildEngine) -> None:
    pid = engine.health().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while engine.health().pid in (pid, None) or engine.health().state != "ready":
        engine.maintain()
        Event().wait(0.05)
    assert engine.count_tokens("hello") == 1


def test_threads_follow_the_load_of_the_machine_when_the_engine_is_idle(
    smollm2_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.engine.threads.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("nexus.engine.threads.IDLE_SECONDS", 0.0)
    engine = llamacpp(smollm2_path, name="load", context=512, run_folder=tmp_path)
    engine.start()
    # As if it had been decided on a far emptier machine: then any load is a change.
    engine._supervisor._threads = 99
    while engine.health().threads == 99 or engine.health().state != "ready":
        engine.maintain()
        Event().wait(0.05)
    assert engine.health().threads in range(1, (os.cpu_count() or 1) + 1)
    assert finish_of(list(engine.chat(ask(STORY)))).usage.completion_tokens == 8
    engine.stop()


def test_stop_leaves_no_process_and_no_socket(smollm2_path: Path, tmp_path: Path) -> None:
    engine = llamacpp(smollm2_path, name="a/b", context=512, run_folder=tmp_path, threads=1)
    engine.start()
    pid = engine.health().pid
    sockets = [path for path in tmp_path.rglob("*") if path.is_socket()]
    assert len(sockets) == 1
    answer = engine.chat(ask([ChatMessage("user", "hi")], 400))
    next(answer)
    engine.stop()
    with pytest.raises(EngineError, match="was stopped"):
        list(answer)
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert engine.health().state == "stopped"
    engine.stop()
    with pytest.raises(EngineError, match="is stopped"):
        engine.count_tokens("x")
    engine.start()
    assert engine.count_tokens("hello") == 1
    engine.stop()


def test_the_window_of_the_model_itself_is_used_for_context_0(smollm2_path: Path, tmp_path: Path) -> None:
    # Left to itself the engine also decides its own thread count.
    engine = llamacpp(smollm2_path, name="own", context=0, run_folder=tmp_path)
    engine.start()
    assert engine.context == 8192
    assert engine.health().threads in range(1, (os.cpu_count() or 1) + 1)
    engine.stop()


def test_a_truncated_model_is_named_and_refused(smollm2_path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "half.gguf"
    with smollm2_path.open("rb") as file:
        broken.write_bytes(file.read(40 << 20))
    engine = llamacpp(broken, name="half", context=512, run_folder=tmp_path)
    with pytest.raises(ModelCorruptError, match=r"half\.gguf .*not within the file bounds"):
        engine.start()
    health = engine.health()
    assert (health.state, health.pid, health.restarts) == ("failed", None, 1)
    with pytest.raises(ModelCorruptError):
        list(engine.chat(ask(STORY)))
    engine.stop()


def test_random_bytes_after_a_sound_header_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "noise.gguf"
    broken.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(range(1, 256)) * 400)
    engine = llamacpp(broken, name="noise", context=512, run_folder=tmp_path)
    with pytest.raises(ModelCorruptError, match=r"noise\.gguf"):
        engine.start()
    engine.stop()


def test_a_missing_model_is_refused_before_anything_starts(tmp_path: Path) -> None:
    engine = llamacpp(tmp_path / "no.gguf", name="no", context=512, run_folder=tmp_path)
    with pytest.raises(ModelMissingError, match=r"no\.gguf"):
        engine.start()
    assert engine.health().state == "failed"
    assert "no.gguf" in engine.health().detail
    assert list(tmp_path.iterdir()) == []


PARENT = """
import sys, time
from pathlib import Path
from nexus.engine.child_engine import ChildEngine
from nexus.engine.worker_settings import WorkerSettings
from tests.contract.local_engine import STORY, ask, finish_of, text_of
path, folder = Path(sys.argv[1]), Path(sys.argv[2])
kinds = [WorkerSettings("llamacpp", str(path), 512)]
engine = ChildEngine(path, name="p", kinds=kinds, run_folder=folder, threads=1)
engine.start()
print(engine.health().pid, flush=True)
time.sleep(600)
"""


def test_a_killed_parent_leaves_no_orphan(smollm2_path: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(smollm2_path), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert worker.is_running()
        parent.kill()
    # The end comes from the kernel; the test's own time limit is the deadline.
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        Event().wait(0.01)
