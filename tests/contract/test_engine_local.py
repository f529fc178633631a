"""Our own engine with a real model: it streams, counts, refuses, stops, and survives its worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from nexus.core.errors import (
    ContextOverflowError,
    EngineError,
    InvalidInputError,
    ModelCorruptError,
    ModelUnsupportedError,
)
from nexus.engine.base import AnswerEvent, ChatMessage, ChatRequest, Delta, Finish, Tool, ToolChoice
from nexus.engine.child_engine import ChildEngine
from nexus.engine.worker_settings import WorkerSettings
from tests.contract.local_engine import (
    CONTEXT,
    LONG,
    STORY,
    answer,
    ask,
    finish_of,
    local_engine,
    properties,
    text_of,
    wait_until_idle,
)


@pytest.fixture(scope="module")
def engine(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildEngine]:
    engine = local_engine(smollm2_path, tmp_path_factory.mktemp("engine"))
    engine.start()
    yield engine
    engine.stop()


def test_it_streams_and_its_counts_are_those_of_the_model(engine: ChildEngine) -> None:
    prompt = [ChatMessage("system", "Be brief."), ChatMessage("user", "Say hi")]
    events = list(engine.chat(ask(prompt)))
    finish = finish_of(events)
    assert len(events) > 3
    assert finish.reason == "length"
    assert finish.usage.exact
    assert finish.usage.completion_tokens == 8 == engine.count_tokens(text_of(events))
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


def test_tools_are_counted_where_they_are_offered(engine: ChildEngine) -> None:
    prompt = [ChatMessage("user", "Say hi.")]
    path = {"path": {"type": "string"}}
    tools = [Tool("read", "Reads a file.", {"type": "object", "properties": path})]
    offered = ask(prompt, 1, tools=tools)
    bare, unused = ask(prompt), ask(prompt, tools=tools, tool_choice=ToolChoice("none"))
    assert engine.count_prompt(bare) == engine.count_prompt(unused) < engine.count_prompt(offered)
    assert finish_of(list(engine.chat(offered))).usage.prompt_tokens == engine.count_prompt(offered)


def test_the_same_prompt_again_is_not_read_again(engine: ChildEngine) -> None:
    prompt = [ChatMessage("user", "Name three rivers of Europe.")]
    (first, _), (second, finish) = answer(engine, prompt), answer(engine, prompt)
    assert first == second
    # All but the last token, whose logits are needed.
    assert finish.usage.cached_tokens == finish.usage.prompt_tokens - 1


def test_the_next_turn_of_a_conversation_begins_where_the_last_one_ended(engine: ChildEngine) -> None:
    turns = [ChatMessage("user", "Name a colour of the sky at night.")]
    text, finish = answer(engine, turns)
    turns += [ChatMessage("assistant", text), ChatMessage("user", "Another one.")]
    _, following = answer(engine, turns)
    assert following.usage.cached_tokens >= finish.usage.prompt_tokens


def test_conversations_that_begin_alike_share_what_is_stored(engine: ChildEngine) -> None:
    answer(engine, LONG)
    stored = engine.manage(action="store")
    _, finish = answer(engine, [*LONG, ChatMessage("assistant", "No."), ChatMessage("user", "Why?")])
    assert finish.usage.cached_tokens >= 512
    assert engine.manage(action="store")["roots"] == stored["roots"]


def test_what_is_stored_can_be_forgotten(engine: ChildEngine) -> None:
    answer(engine, LONG)
    assert engine.manage(action="clear")["blocks"] >= 4
    assert engine.manage(action="store")["blocks"] == 0
    assert answer(engine, LONG)[1].usage.cached_tokens == 0
    with pytest.raises(InvalidInputError, match="'burn' is unknown"):
        engine.manage(action="burn")


def test_a_stop_text_ends_the_answer(engine: ChildEngine) -> None:
    whole = text_of(list(engine.chat(ask(STORY, 24))))
    word = whole.split()[4]
    events = list(engine.chat(ask(STORY, 24, stop=[word])))
    assert finish_of(events).reason == "stop"
    assert text_of(events) == whole[: whole.index(word)]


def test_the_same_seed_draws_the_same_answer(engine: ChildEngine) -> None:
    def drawn(seed: int) -> str:
        return text_of(list(engine.chat(ChatRequest(STORY, max_tokens=16, temperature=1.5, seed=seed))))

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(4)}) > 1


def test_a_prompt_over_the_window_is_refused_with_both_numbers(engine: ChildEngine) -> None:
    count = engine.count_prompt(ask(LONG))
    room = CONTEXT - count
    with pytest.raises(ContextOverflowError, match=rf"{count} tokens .* leaves {count - 1} "):
        next(engine.chat(ask(LONG, room + 1)))
    assert properties(engine)["running"] == 0


def test_what_the_worker_refuses_is_said_in_our_words(engine: ChildEngine) -> None:
    request = ask(STORY, schema={"type": "no such type"})
    with pytest.raises(InvalidInputError, match="cannot be held to the schema"):
        next(engine.chat(request))


def test_cancel_stops_the_decode_within_two_tokens(engine: ChildEngine) -> None:
    cancel = Event()
    events: list[AnswerEvent] = []
    for event in engine.chat(ask(STORY, 1500), cancel):
        events.append(event)
        if len(events) == 5:
            cancel.set()
    finish = finish_of(events)
    assert finish.reason == "cancelled"
    assert not finish.usage.exact
    wait_until_idle(engine)


def test_closing_the_generator_stops_the_decode(engine: ChildEngine) -> None:
    running = engine.chat(ask(STORY, 1500))
    assert isinstance(next(running), Delta)
    running.close()
    wait_until_idle(engine)


def test_cancel_while_the_prompt_is_read_stops_the_reading(engine: ChildEngine) -> None:
    cancel, events = Event(), list[AnswerEvent]()
    unread = [ChatMessage("user", " ".join(f"thing {number} is blue;" for number in range(450)))]
    caller = Thread(target=lambda: events.extend(engine.chat(ask(unread), cancel)))
    caller.start()
    while not engine.reading():
        pass
    cancel.set()
    caller.join()
    assert [finish_of(events).reason, len(events)] == ["cancelled", 1]
    wait_until_idle(engine)
    # What was read is kept, and it was not all of it.
    assert answer(engine, unread, 1)[1].usage.cached_tokens < engine.count_prompt(ask(unread)) // 2


def test_cancelled_before_it_began_nothing_is_asked(engine: ChildEngine) -> None:
    cancel = Event()
    cancel.set()
    assert finish_of(list(engine.chat(ask(STORY), cancel))).reason == "cancelled"


def test_eight_callers_at_once_get_what_each_would_get_alone(engine: ChildEngine) -> None:
    prompts = [[ChatMessage("user", f"Say the number {number} in words.")] for number in range(8)]
    alone = [answer(engine, prompt, 6)[0] for prompt in prompts]
    engine.manage(action="clear")
    together: dict[int, str] = {}

    def call(number: int) -> None:
        together[number] = answer(engine, prompts[number], 6)[0]

    threads = [Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[number] for number in range(8)] == alone


def test_a_caller_who_leaves_the_line_is_not_answered(smollm2_path: Path, tmp_path: Path) -> None:
    engine = local_engine(smollm2_path, tmp_path, streams=1)
    engine.start()
    writer = engine.chat(ask(STORY, 1500))
    next(writer)
    cancel = Event()
    waiting = Thread(target=lambda: list(engine.chat(ask(STORY), cancel)))
    waiting.start()
    while properties(engine)["waiting"] == 0:
        pass
    cancel.set()
    waiting.join()
    while properties(engine)["waiting"]:
        pass
    assert properties(engine)["running"] == 1
    writer.close()
    wait_until_idle(engine)
    engine.stop()


@pytest.mark.slow
def test_a_short_prompt_does_not_wait_for_a_long_one(engine: ChildEngine) -> None:
    engine.manage(action="clear")
    unread = [ChatMessage("user", " ".join(f"thing {number} is green;" for number in range(450)))]
    long = Thread(target=lambda: list(engine.chat(ask(unread, 1))))
    long.start()
    while not engine.reading():
        pass
    answer(engine, [ChatMessage("user", "Say hi")], 2)
    assert engine.reading(), "the long prompt was read to its end first"
    long.join()


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_costs_one_answer_and_is_replaced(
    engine: ChildEngine, killer: signal.Signals
) -> None:
    before = engine.health()
    running = engine.chat(ask(STORY, 1500))
    next(running)
    assert before.pid is not None
    os.kill(before.pid, killer)
    with pytest.raises(EngineError, match=f"signal {int(killer)}, {killer.name}.*restarting"):
        list(running)
    assert engine.health().state == "restarting"
    assert finish_of(list(engine.chat(ask(STORY)))).usage.completion_tokens == 8
    after = engine.health()
    assert (after.state, after.restarts) == ("ready", before.restarts + 1)
    assert after.pid != before.pid


def test_stop_leaves_no_process_and_no_socket(smollm2_path: Path, tmp_path: Path) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    pid = engine.health().pid
    running = engine.chat(ask(STORY, 1500))
    next(running)
    engine.stop()
    with pytest.raises(EngineError, match="was stopped"):
        list(running)
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert [path for path in tmp_path.rglob("*") if path.is_socket()] == []
    assert engine.health().state == "stopped"


def test_the_window_is_no_larger_than_the_disk_allows(smollm2_path: Path, tmp_path: Path) -> None:
    engine = local_engine(smollm2_path, tmp_path, context=100_000, store_disk_bytes=1)
    engine.start()
    assert engine.context == 64 * 128
    assert "not 100000" in engine.health().detail
    engine.stop()


def test_a_truncated_model_is_named_and_refused(smollm2_path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "half.gguf"
    with smollm2_path.open("rb") as file:
        broken.write_bytes(file.read(40 << 20))
    engine = local_engine(broken, tmp_path)
    with pytest.raises(ModelCorruptError, match=r"half\.gguf"):
        engine.start()
    engine.stop()


def test_a_model_of_an_unknown_kind_goes_to_the_next_engine(smollm2_path: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.gguf"
    data = smollm2_path.read_bytes()
    # The architecture's name, with its length before it; keys that begin with it stay.
    strange.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0zebra", 1))
    alone = local_engine(strange, tmp_path)
    with pytest.raises(ModelUnsupportedError, match="zebra"):
        alone.start()
    alone.stop()
    kinds = [
        WorkerSettings("local", str(strange), CONTEXT, store=str(tmp_path / "store")),
        WorkerSettings("llamacpp", str(strange), 512),
    ]
    both = ChildEngine(strange, name="both", kinds=kinds, run_folder=tmp_path, threads=1)
    with pytest.raises(ModelCorruptError, match="zebra"):
        both.start()
    both.stop()


def test_finish_is_the_last_event_and_the_only_one(engine: ChildEngine) -> None:
    events = list(engine.chat(ask(STORY, 3)))
    assert [isinstance(event, Finish) for event in events] == [False] * (len(events) - 1) + [True]
