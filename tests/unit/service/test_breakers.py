"""What fails again and again is left alone: the model behind answers, loading the embedder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from nexus.core.breaker import Breaker, BrokenError
from nexus.core.errors import ContextOverflowError, EngineError, NexusError
from nexus.cortex.embedder import OnnxEmbedder
from nexus.engine.base import ChatMessage, ChatRequest, Delta
from nexus.service.answer import generate


class Failing:
    """An engine that fails as it is told, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: NexusError | None = EngineError("the model's process died")

    def chat(self, request: ChatRequest, cancel: Event) -> Iterator[Delta]:
        self.asked += 1
        if self.error:
            raise self.error
        yield Delta("Yes.")


class Told:
    """Takes events and keeps none."""

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Nobody reads them here."""


def ask(engine: Failing, breaker: Breaker) -> dict[str, Any]:
    daemon: Any = SimpleNamespace(engine=engine, inference=breaker, metrics=SimpleNamespace(tokens=print))
    job: Any = SimpleNamespace(cancel=Event())
    return generate(daemon, ChatRequest([ChatMessage("user", "Hi")]), Told(), job, time.monotonic())


def test_a_model_that_keeps_failing_is_not_asked_for_a_while_then_once() -> None:
    now = [0.0]
    engine, breaker = Failing(), Breaker("the model", failures=3, reset_seconds=10, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(EngineError):
            ask(engine, breaker)
    with pytest.raises(BrokenError, match="the model failed 3 times in a row: the model's process died"):
        ask(engine, breaker)
    assert engine.asked == 3
    now[0] = 10.0
    engine.error = None
    assert ask(engine, breaker)["reply"] == "Yes."
    assert breaker.state == "CLOSED"


def test_questions_that_cannot_be_answered_are_not_the_models_fault() -> None:
    engine, breaker = Failing(), Breaker("the model", failures=2)
    engine.error = ContextOverflowError("too long")
    for _ in range(5):
        with pytest.raises(ContextOverflowError):
            ask(engine, breaker)
    assert breaker.state == "CLOSED"


def test_an_embedder_whose_file_is_gone_is_looked_for_three_times(tmp_path: Path) -> None:
    breaker = Breaker("loading the embedder", failures=3)
    embedder = OnnxEmbedder("all-minilm-l6-v2", tmp_path / "gone", breaker=breaker)
    for _ in range(3):
        with pytest.raises(NexusError):
            embedder.query("anything")
    with pytest.raises(BrokenError, match="loading the embedder failed 3 times"):
        embedder.query("anything")
