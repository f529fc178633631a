"""Sentences are asked about before their text is learnt; nothing waits, nothing is lost, nothing returns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from nexus.core.breaker import Breaker
from nexus.core.errors import BusyError
from nexus.service import novelty
from nexus.service.novelty import Novelty, Sentence


class Learner:
    """Stands for the learner: answers when its gate is open, and notes what happens in which order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.trouble = False
        self.it = Novelty(self.ask, self.learn, breaker=Breaker("it", failures=2, reset_seconds=3600))

    def ask(self, words: str) -> float | None:
        self.open.wait(60)
        if self.trouble:
            raise BusyError("it does not answer")
        self.done.append(f"ask {words}")
        return None if words == "unknown" else 0.5

    def learn(self, text: str, source: str) -> None:
        self.done.append(f"learn {text}")

    def put(self, text: str, *sentences: str, source: str = "s") -> None:
        self.it.put(text, source, [Sentence(words, self.told(words)) for words in sentences])

    def told(self, words: str) -> Callable[[float], object]:
        return lambda number: self.done.append(f"told {words} {number}")

    def settled(self) -> list[str]:
        while self.it.waiting:
            time.sleep(0.005)
        return self.done


@pytest.fixture
def learner() -> Learner:
    return Learner()


def test_a_sentence_is_judged_before_its_text_is_learnt(learner: Learner) -> None:
    learner.put("first")
    assert learner.done == ["learn first"]  # nothing to ask: at once
    learner.put("second", "a", "unknown", "b")
    expected = ["ask a", "told a 0.5", "ask unknown", "ask b", "told b 0.5", "learn second"]
    assert learner.settled()[1:] == expected
    assert (learner.it.asked, learner.it.unasked) == (2, 1)


def test_nobody_waits_and_what_comes_later_keeps_its_place(learner: Learner) -> None:
    learner.open.clear()
    learner.put("first", "a")
    learner.put("second")
    learner.put("third", "b")
    assert learner.done == []
    learner.open.set()
    learner.settled()
    assert [d for d in learner.done if d.startswith("learn")] == [
        "learn first",
        "learn second",
        "learn third",
    ]


def test_a_learner_that_does_not_answer_is_left_alone_and_all_is_learnt(learner: Learner) -> None:
    learner.trouble = True
    for number in range(20):
        learner.put(f"text {number}", "a", "b")
    assert learner.settled() == [f"learn text {number}" for number in range(20)]
    assert (learner.it.asked, learner.it.unasked) == (0, 40)


def test_what_cannot_be_told_does_not_end_the_asking(learner: Learner) -> None:
    def broken(number: float) -> None:
        raise ZeroDivisionError

    learner.it.put("first", "s", [Sentence("a", broken)])
    learner.put("second", "b")
    assert learner.settled() == ["ask a", "learn first", "ask b", "told b 0.5", "learn second"]


@pytest.mark.parametrize("text", ["short", "x" * (novelty.MOST_CHARS // 4)])
def test_a_flood_is_bounded_and_learnt_unasked(learner: Learner, text: str) -> None:
    learner.open.clear()
    for _ in range(2 * novelty.MOST_WAITING):
        learner.put(text, "a")
        assert learner.it.waiting <= novelty.MOST_WAITING + 1
    assert learner.it.unasked > 0
    learner.open.set()
    learner.settled()
    assert sum(d.startswith("learn") for d in learner.done) == 2 * novelty.MOST_WAITING


@pytest.mark.parametrize("source", ["gone", None])
def test_what_is_forgotten_meanwhile_is_neither_told_nor_learnt(learner: Learner, source: str | None) -> None:
    learner.open.clear()
    learner.put("first", "a", source="gone")
    learner.put("second", "b", source="gone")
    learner.put("third", "c", source="kept")
    learner.it.forget(source, lambda: learner.done.append("forget"))
    learner.open.set()
    done = learner.settled()
    assert done[0] == "forget"
    assert not {"told a 0.5", "learn first", "ask b", "learn second"} & set(done)
    assert ("learn third" in done) == (source == "gone")


def test_stopping_asks_nothing_more_and_loses_nothing(learner: Learner) -> None:
    learner.open.clear()
    learner.put("first", "a")
    learner.put("second", "b")
    threading.Timer(0.05, learner.open.set).start()
    learner.it.stop(60)
    assert [d for d in learner.done if d.startswith("learn")] == ["learn first", "learn second"]
    assert "ask b" not in learner.done
    learner.put("third", "c")
    assert learner.done[-1] == "learn third"
