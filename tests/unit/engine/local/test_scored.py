"""How likely a text is behind another one, beside the same computed at once by the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from nexus._engine import Model, Store
from nexus.core.errors import ContextOverflowError, InvalidInputError
from nexus.engine.base import MOST_SCORED
from nexus.engine.local.desk import ChatDesk
from nexus.engine.local.names import Names, root_name
from nexus.engine.local.scheduler import Scheduler
from nexus.engine.local.stream import Limits, new_context
from nexus.engine.local.streams import Streams
from nexus.engine.local.template import ChatTemplate

SHORT = "Staging Postgres listens on port 6543.\n\nQuestion:"
ASKED = " Which port does the staging database listen on?"
LONG = "The ferry leaves Norrholm at noon and comes back at six. " * 40


class Office:
    def __init__(self, path: Path, folder: Path) -> None:
        self.limits = Limits(exact_tokens=8192)
        self.model = Model(str(path), 1)
        self.store = Store(str(folder / "blocks"), self.model, b"\4" * 32, 64 << 20, 64)
        self.names = Names(folder / "names.db", root_name(b"\4" * 32, self.limits.profile()))
        self.streams = Streams(self.model, self.store, self.names, self.limits, kept=4, ram_bytes=64 << 20)
        self.scheduler = Scheduler(self.model, self.streams, at_once=4)
        template = ChatTemplate(self.model.text("tokenizer.chat_template") or "")
        self.desk = ChatDesk(self.model, self.streams, self.scheduler, template, window=2000)

    def reference(self, text: str, continuation: str) -> float:
        """Token by token, with a context of its own; only before the scheduler is started."""
        encode = self.model.tokenizer.encode
        prompt, wanted = encode(text, add_bos=self.model.tokenizer.adds_bos), encode(continuation)
        context = new_context(self.model, self.store, self.limits)
        total, row = 0.0, np.zeros(0)
        for number, token in enumerate([*prompt, *wanted]):
            if number >= len(prompt):
                total += float(row[token] - row.max() - np.log(np.exp(row - row.max()).sum()))
            row = np.array(self.model.step([(context, [int(token)], 1)])[0], np.float64)
        for _, slot, _ in context.new_blocks():
            self.store.release(slot)
        return total


@pytest.fixture(scope="module")
def references() -> dict[tuple[str, str], float]:
    return {}


@pytest.fixture(scope="module")
def office(
    smollm2_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    references: dict[tuple[str, str], float],
) -> Iterator[Office]:
    office = Office(smollm2_path, tmp_path_factory.mktemp("store"))
    for text, asked in ((SHORT, ASKED), (SHORT, " <|im_end|>"), (LONG, ASKED), ("x", LONG[:300])):
        references[text, asked] = office.reference(text, asked)
    office.scheduler.start()
    yield office
    office.scheduler.stop()
    office.names.close()


def score(office: Office, text: str, continuation: str) -> float:
    return float(office.desk.score({"prompt": text, "continuation": continuation})["logprob"])


def test_it_is_what_the_model_finds_token_by_token(
    office: Office, references: dict[tuple[str, str], float]
) -> None:
    for (text, asked), wanted in references.items():
        assert score(office, text, asked) == pytest.approx(wanted, abs=0.02 * abs(wanted))
        assert score(office, text, asked) == pytest.approx(score(office, text, asked))


def test_a_text_that_holds_the_answer_makes_its_question_likelier(office: Office) -> None:
    other = "Forty solar panels lie on the roof of the barn.\n\nQuestion:"
    assert score(office, SHORT, ASKED) > score(office, other, ASKED) + 3


def test_it_keeps_nothing_and_takes_no_stream_of_a_conversation(office: Office) -> None:
    body = {"messages": [{"role": "user", "content": "Say hi"}], "max_tokens": 2, "temperature": 0}
    list(office.desk.chat(body, Event()))
    before = office.desk.manage({"action": "store"})
    score(office, SHORT, ASKED)
    score(office, LONG, ASKED)
    after = office.desk.manage({"action": "store"})
    assert {k: before[k] for k in ("blocks", "idle", "open", "store_blocks")} == {
        k: after[k] for k in ("blocks", "idle", "open", "store_blocks")
    }


def test_answers_and_scores_go_together(office: Office, references: dict[tuple[str, str], float]) -> None:
    body = {"messages": [{"role": "user", "content": "Count to ten"}], "max_tokens": 40, "temperature": 0}
    alone = list(office.desk.chat(body, Event()))
    with ThreadPoolExecutor(4) as pool:
        answer = pool.submit(lambda: list(office.desk.chat(body, Event())))
        scores = list(pool.map(lambda _: score(office, LONG, ASKED), range(3)))
    assert answer.result()[-2]["choices"] == alone[-2]["choices"]
    assert scores == pytest.approx([references[LONG, ASKED]] * 3, rel=0.02)


@pytest.mark.parametrize(
    ("text", "continuation", "told"),
    [
        (SHORT, "", "0 tokens"),
        (SHORT, "no " * (MOST_SCORED + 1), "tokens"),
        (SHORT, 5, "continuation is not text"),
        (None, ASKED, "prompt is not text"),
        ("", ASKED, "prompt is empty"),
        ("\ud800", ASKED, "prompt is not text"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    office: Office, text: object, continuation: object, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        office.desk.score({"prompt": text, "continuation": continuation})


def test_what_does_not_fit_the_window_is_refused(office: Office) -> None:
    with pytest.raises(ContextOverflowError):
        office.desk.score({"prompt": LONG * 10, "continuation": ASKED})
