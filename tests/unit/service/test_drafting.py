"""What the model expects an answer to say: by what the question found, then by what that found."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from nexus.core.errors import NexusError
from nexus.cortex.expected import MOST_WRITTEN, ROLE, ROUNDS
from nexus.cortex.ledger import ChunkRow
from nexus.cortex.retriever import Result, Scores
from nexus.engine.base import ChatRequest, Delta, Finish, Usage
from nexus.service.drafting import drafted
from nexus.service.jobs import Job, Lane, Priority


def found(text: str) -> list[Result]:
    chunk = ChunkRow("1", "document", "a.md", ("Guide",), f"found for {text!r}", 1, 2, 3, 0, "")
    return [Result(chunk, Scores(0, 0, 0, 0, 0, 0, 0, 0, 1.0))]


class Model:
    """Answers with what it is given, and notes what it was asked."""

    def __init__(self, *answers: list[Delta], leave: Event | None = None) -> None:
        self.answers, self.asked, self.leave = list(answers), list[ChatRequest](), leave

    def chat(self, request: ChatRequest, cancel: Event) -> Iterator[Delta | Finish]:
        self.asked.append(request)
        if self.leave:
            self.leave.set()
        yield from self.answers.pop(0)
        yield Finish("stop", Usage(1, 1), None, 0.1)


def draft(model: Model, job: Job | None = None) -> str:
    daemon: Any = SimpleNamespace(engine=model, inference=SimpleNamespace(call=lambda work: work()))
    return drafted(
        daemon, "which port?", found, job or Job(Lane.ENGINE, Priority.INTERACTIVE, lambda job: None)
    )


def test_each_round_reads_what_the_one_before_found() -> None:
    model = Model([Delta("The port is "), Delta("6543.")], [Delta("Staging listens on 6543.")])
    assert draft(model) == "Staging listens on 6543."
    assert len(model.asked) == ROUNDS
    assert "found for ''" in model.asked[0].messages[-1].content
    assert "found for 'The port is 6543.'" in model.asked[1].messages[-1].content
    assert all(asked.max_tokens == MOST_WRITTEN and asked.temperature == 0 for asked in model.asked)


def test_no_template_fills_in_a_role_of_its_own() -> None:
    model = Model([Delta("Port 6543.")], [Delta("Port 6543.")])
    draft(model)
    assert [(message.role, message.content) for message in model.asked[0].messages][:-1] == [("system", ROLE)]


def test_what_a_model_thinks_to_itself_is_not_searched_for() -> None:
    model = Model(
        [Delta("The user wants", reasoning=True), Delta("Port 6543.")], [Delta("Hm", reasoning=True)]
    )
    assert draft(model) == "Port 6543."


def test_a_model_that_has_nothing_to_say_leaves_the_question() -> None:
    assert draft(Model([], [])) == ""


def test_who_has_gone_is_not_written_on_for() -> None:
    job = Job(Lane.ENGINE, Priority.INTERACTIVE, lambda job: None)
    model = Model([Delta("a")], [Delta("b")], leave=job.cancel)
    with pytest.raises(NexusError, match="cancelled"):
        draft(model, job)
    assert len(model.asked) == 1
