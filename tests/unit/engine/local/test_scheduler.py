"""The computing thread with a tiny real model: fair, cancelled at once, and one failure costs one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nexus._engine import EngineIoError
from nexus.core.errors import EngineError, InvalidInputError, StorageError
from nexus.engine.local import streams as streams_module
from nexus.engine.local.answer import Answer, Ended, Failed, Progress, Text
from nexus.engine.local.stream import new_context
from tests.unit.engine.local.tiny_engine import TinyEngine, events_of, prompt, text_of


class Hook:
    """A constraint that allows everything and calls `act` with how many tokens have been chosen."""

    finished = False

    def __init__(self, act: Callable[[int], None]) -> None:
        self._act = act
        self._count = 0

    def mask(self) -> NDArray[np.uint32]:
        return np.full(4, 0xFFFFFFFF, dtype=np.uint32)

    def accept(self, token: int) -> None:
        self._count += 1
        self._act(self._count)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[TinyEngine]:
    engine = TinyEngine(tmp_path)
    engine.scheduler.start()
    yield engine
    engine.scheduler.stop()


def ended(answer: Answer) -> Ended:
    last = events_of(answer)[-1]
    assert isinstance(last, Ended)
    return last


def ask(engine: TinyEngine, answer: Answer) -> str:
    engine.scheduler.submit(answer)
    return text_of(events_of(answer))


def test_an_answer_tells_its_progress_its_text_and_its_end(engine: TinyEngine) -> None:
    answer = engine.answer(prompt(600), 5)
    engine.scheduler.submit(answer)
    events = events_of(answer)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 256, 512, 600]
    assert {(event.total, event.cached) for event in progress} == {(600, 0)}
    texts = [event for event in events if isinstance(event, Text)]
    assert [event.tokens for event in texts] == [1, 2, 3, 4, 5]
    last = events[-1]
    assert isinstance(last, Ended)
    assert (last.reason, last.prompt_tokens, last.cached_tokens, last.answer_tokens) == ("length", 600, 0, 5)
    assert engine.scheduler.load == (0, 0)


def test_an_end_token_ends_the_answer_and_is_not_shown(engine: TinyEngine) -> None:
    answer = engine.answer(prompt(20), 5, bias={0: 1000.0})
    assert ask(engine, answer) == ""
    again = engine.answer(prompt(20), 5, bias={0: 1000.0})
    engine.scheduler.submit(again)
    last = ended(again)
    assert (last.reason, last.answer_tokens, last.cached_tokens) == ("stop", 0, 19)


def test_together_each_gets_what_it_gets_alone(tmp_path: Path, engine: TinyEngine) -> None:
    prompts = [prompt(size, seed) for seed, size in enumerate([5, 700, 130, 64, 1, 300])]
    alone = [ask(engine, engine.answer(tokens, 12)) for tokens in prompts]
    (tmp_path / "other").mkdir()
    other = TinyEngine(tmp_path / "other")
    answers = [other.answer(tokens, 12) for tokens in prompts]
    for answer in answers:
        other.scheduler.submit(answer)
    other.scheduler.start()
    assert [text_of(events_of(answer)) for answer in answers] == alone
    other.scheduler.stop()


def test_the_next_turn_computes_only_what_is_new(engine: TinyEngine) -> None:
    first = engine.answer(prompt(300), 6)
    ask(engine, first)
    turn = np.concatenate([prompt(300), first.chosen, prompt(10, 1)]).astype(np.int32)
    second = engine.answer(turn, 3)
    engine.scheduler.submit(second)
    # The token chosen last had not entered.
    assert ended(second).cached_tokens == 305


def test_cancel_ends_an_answer_before_another_token(engine: TinyEngine) -> None:
    cancel = Event()
    hook = Hook(lambda count: cancel.set() if count == 5 else None)
    answer = engine.answer(prompt(20), 1000, constraint=hook, cancel=cancel)
    engine.scheduler.submit(answer)
    last = ended(answer)
    assert last.reason == "cancelled"
    assert last.answer_tokens == 5


def test_a_long_prompt_is_left_where_its_reader_goes(engine: TinyEngine) -> None:
    cancel = Event()
    answer = engine.answer(prompt(3000), 5, cancel=cancel)
    engine.scheduler.submit(answer)
    while not isinstance(event := answer.events.get(timeout=60), Progress) or event.done < 512:
        pass
    cancel.set()
    assert ended(answer).answer_tokens == 0
    again = engine.answer(prompt(3000), 1)
    engine.scheduler.submit(again)
    assert 512 <= ended(again).cached_tokens < 2999


def test_who_waits_comes_in_order_and_may_leave(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, at_once=1)
    order: list[str] = []

    def named(name: str) -> Hook:
        return Hook(lambda count: order.append(name) if count == 1 else None)

    answers = [engine.answer(prompt(20, n), 3, constraint=named(str(n))) for n in range(4)]
    for answer in answers:
        engine.scheduler.submit(answer)
    answers[1].cancel.set()
    engine.scheduler.start()
    ends = [ended(answer) for answer in answers]
    assert order == ["0", "2", "3"]
    assert [(end.reason, end.answer_tokens) for end in ends] == [
        ("length", 3),
        ("cancelled", 0),
        ("length", 3),
        ("length", 3),
    ]
    engine.scheduler.stop()


def test_a_short_prompt_does_not_wait_for_long_ones(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    seen: list[list[tuple[int, int]]] = []
    long = [engine.answer(prompt(3500, seed), 1) for seed in (1, 2)]
    writer = engine.answer(prompt(10, 3), 500)
    short = engine.answer(
        prompt(200, 4), 1, constraint=Hook(lambda count: seen.append(engine.scheduler.reading))
    )
    for answer in (writer, *long, short):
        engine.scheduler.submit(answer)
    engine.scheduler.start()
    events_of(short)
    # Each of the long ones had its turns, and far from all.
    reading = [done for done, total in seen[0] if total == 3500]
    assert len(reading) == 2
    assert all(0 < done <= 3500 // 4 for done in reading)
    writer.cancel.set()
    for answer in long:
        assert ended(answer).reason == "length"
    engine.scheduler.stop()


def test_the_error_of_one_answer_is_not_that_of_others(engine: TinyEngine) -> None:
    def fail(count: int) -> None:
        raise InvalidInputError("the grammar stopped")

    sound = engine.answer(prompt(300, 1), 40)
    engine.scheduler.submit(sound)
    bad = engine.answer(prompt(20, 2), 40, constraint=Hook(fail))
    engine.scheduler.submit(bad)
    failed = events_of(bad)[-1]
    assert isinstance(failed, Failed)
    assert str(failed.error) == "the grammar stopped"
    assert ended(sound).answer_tokens == 40


def test_a_step_that_fails_costs_the_answer_that_it_fails_for(tmp_path: Path, engine: TinyEngine) -> None:
    alone = [ask(engine, engine.answer(prompt(size, size), 30)) for size in (90, 200)]
    (tmp_path / "other").mkdir()
    other = TinyEngine(tmp_path / "other")
    sound = [other.answer(prompt(size, size), 30) for size in (90, 200)]
    strange = prompt(400, 5)
    strange[300] = 4000  # no token of this model
    bad = other.answer(strange, 30)
    for answer in (sound[0], bad, sound[1]):
        other.scheduler.submit(answer)
    other.scheduler.start()
    failed = events_of(bad)[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, EngineError)
    assert "token 4000" in failed.error.message
    assert failed.error.__traceback__ is None
    assert [text_of(events_of(answer)) for answer in sound] == alone
    other.scheduler.stop()
    assert other.streams.summary()["open"] == 0


def test_damage_in_mid_answer_is_mended_without_showing_anything_twice(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    page = engine.store.least_ram // 10
    engine.scheduler.start()
    expected = ask(engine, engine.answer(prompt(2000), 20))
    engine.scheduler.stop()
    (tmp_path / "small").mkdir()
    # 16 blocks of 2 layers, and fewer frames than that: each step reads pages from the disk.
    context = engine.streams.open(prompt(5))[0].context.ram_bytes
    small = TinyEngine(tmp_path / "small", ram=context + 13 * page)

    def harm(count: int) -> None:
        if count in (5, 9):
            [stream] = small.streams._open
            small.flip(stream.slots[11 - count])

    answer = small.answer(prompt(2000), 20, constraint=Hook(harm))
    small.scheduler.submit(answer)
    small.scheduler.start()
    events = events_of(answer)
    last = events[-1]
    assert isinstance(last, Ended), last
    assert text_of(events) == expected
    assert (last.prompt_tokens, last.answer_tokens) == (2000, 20)
    assert answer.tries >= 2
    small.scheduler.stop()


class FailingStore:
    """A store whose disk refuses to sync while `broken`; that cannot be provoked from outside."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.broken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def sync(self) -> None:
        if self.broken:
            raise EngineIoError("writes did not reach the disk: Input/output error")
        self.real.sync()


def test_blocks_that_did_not_reach_the_disk_get_no_name(
    tmp_path: Path, engine: TinyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(engine, engine.answer(prompt(900, 2), 30))
    (tmp_path / "other").mkdir()
    other = TinyEngine(tmp_path / "other")
    store = FailingStore(other.store)
    monkeypatch.setattr(
        streams_module, "new_context", lambda model, store, limits: new_context(model, store.real, limits)
    )
    other.streams._store = store  # type: ignore[assignment]
    # The first is long enough to be named on the way; the second reads on after what it lost with it.
    long, short = other.answer(prompt(3000, 1), 5), other.answer(prompt(900, 2), 30)
    other.scheduler.submit(long)
    other.scheduler.submit(short)
    other.scheduler.start()
    failed = events_of(long)[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, StorageError)
    assert text_of(events_of(short)) == expected
    assert other.names.summary()["blocks"] == 0
    store.broken = False
    assert ask(other, other.answer(prompt(900, 2), 30)) == expected
    other.scheduler.stop()
    assert other.blocks == other.names.summary()["blocks"] > 0


def test_answers_that_do_not_fit_the_store_together_follow_one_another(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=8)
    answers = [engine.answer(prompt(500, seed), 300) for seed in range(3)]
    for answer in answers:
        engine.scheduler.submit(answer)
    engine.scheduler.start()
    assert [ended(answer).answer_tokens for answer in answers] == [300] * 3
    engine.scheduler.stop()


def test_an_answer_that_never_fits_the_store_is_refused(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=4)
    large, small = engine.answer(prompt(500), 300), engine.answer(prompt(100, 1), 3)
    engine.scheduler.submit(large)
    engine.scheduler.submit(small)
    engine.scheduler.start()
    failed = events_of(large)[-1]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, StorageError)
    assert ended(small).answer_tokens == 3
    engine.scheduler.stop()


def test_tasks_run_between_steps(engine: TinyEngine) -> None:
    done = Event()
    engine.scheduler.between_steps(done.set)
    assert done.wait(60)


def test_stopping_ends_all_and_takes_no_more(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, at_once=1)
    engine.scheduler.start()
    running, waiting = engine.answer(prompt(20), 5000), engine.answer(prompt(20, 1), 5)
    engine.scheduler.submit(running)
    engine.scheduler.submit(waiting)
    while not isinstance(running.events.get(timeout=60), Text):
        pass
    engine.scheduler.stop()
    late = engine.answer(prompt(20), 5)
    engine.scheduler.submit(late)
    for answer, said in ((running, "was stopped"), (waiting, "was stopped"), (late, "is stopping")):
        failed = events_of(answer)[-1]
        assert isinstance(failed, Failed)
        assert said in str(failed.error)
    with pytest.raises(EngineError, match="is stopping"):
        engine.scheduler.between_steps(lambda: None)


def test_what_passed_through_leaves_nothing_behind(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=30, kept=2)
    engine.scheduler.start()
    for seed in range(40):
        ask(engine, engine.answer(prompt(300, seed), 2))
    summaries: SimpleQueue[dict[str, int]] = SimpleQueue()
    engine.scheduler.between_steps(lambda: summaries.put(engine.streams.summary()))
    summary = summaries.get(timeout=60)
    engine.scheduler.stop()
    assert summary["idle"] == 2
    assert summary["store_blocks"] == summary["blocks"] <= 30
