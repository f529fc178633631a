"""LoCoMo through the product: stored turn by turn, asked question by question.

Gives for every question what the product returned and what the controls would have, in LoCoMo's own
ids, and the features of the candidates for fitting. A passage that holds two short turns shows both;
of a turn that was cut in two, each part has a rank. Knows no goals and prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nexus.cortex import fusion
from nexus.cortex.evaluation.fitting import Array, Judged, fit
from nexus.cortex.evaluation.locomo import Conversation, Question
from nexus.cortex.evaluation.product import Product, orders
from nexus.cortex.evaluation.report import OnProgress
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import Matrix

DEPTH = 100
Ids = tuple[str, ...]


@dataclass(slots=True)
class Answered:
    """A question with evidence, and what was found for it. All rankings are best first.

    `found` is what the product returned, `sizes` its tokens; `controls` are the other rankings by
    name; `candidates` and `features` are what fitted weights rank. Times are in milliseconds.
    """

    conversation: int
    question: Question
    found: list[Ids]
    sizes: list[int]
    controls: dict[str, list[Ids]]
    candidates: list[Ids]
    features: Matrix
    wall: float
    cpu: float

    def judged(self) -> Judged | None:
        """The question as fitting wants it; None when no candidate holds evidence."""
        wanted = set(self.question.evidence)
        shares = np.array([len(wanted.intersection(ids)) for ids in self.candidates], np.float64)
        return Judged(self.features.astype(np.float64), shares / shares.sum()) if shares.any() else None

    def ranked(self, weights: Array) -> list[Ids]:
        """The candidates as these weights rank them."""
        order = np.argsort(-(self.features @ weights), kind="stable")
        return [self.candidates[row] for row in order]


@dataclass(slots=True)
class Heard:
    """What storing the conversations gave: the turns of each point, and how they were cut."""

    turns: int = 0
    tokens: int = 0
    ids: dict[str, Ids] = field(default_factory=dict)
    embedding_cpu: float = 0.0

    @property
    def joined(self) -> int:
        """Passages that hold more than one turn."""
        return sum(len(ids) > 1 for ids in self.ids.values())

    @property
    def cut(self) -> int:
        """Passages beyond the first of turns that were cut."""
        return len(self.ids) - len(set(self.ids.values()))


def store(product: Product, conversations: Sequence[Conversation], on_progress: OnProgress) -> Heard:
    """Store every session as a transcript, as a hook or an import would."""
    heard = Heard()
    points: list[str] = []
    for conversation in conversations:
        for session in conversation.sessions:
            name = conversation.place(session)
            points += product.listener.store(conversation.transcript(session), name)
            heard.turns += len(session.turns)
            for row in product.ledger.chunks_of(name):
                said = session.turns[row.start_line - 1 : row.end_line]
                heard.ids[row.point] = tuple(f"{conversation.id} {turn.id}" for turn in said)
                heard.tokens += row.tokens
    before = time.process_time()
    product.store.embed(points, lambda done: on_progress("embedding turns", done, len(points)))
    heard.embedding_cpu = time.process_time() - before
    return heard


def ask(
    product: Product, conversations: Sequence[Conversation], heard: Heard, on_progress: OnProgress
) -> list[Answered]:
    """Every question that has evidence, asked within its conversation."""
    wanted = [
        (number, conversation, question)
        for number, conversation in enumerate(conversations)
        for question in conversation.questions
        if question.evidence
    ]
    answers = []
    for done, (number, conversation, question) in enumerate(wanted, 1):
        answers.append(_answered(product, conversation, number, question, heard))
        on_progress("asking LoCoMo", done, len(wanted))
    return answers


def held_out(answers: Sequence[Answered], *, step: float = 0.0) -> list[list[Ids]]:
    """Rankings by weights fitted to the other conversations, rounded to multiples of `step` if given.

    Raises `ValueError` with fewer than two conversations.
    """
    judged = [answer.judged() for answer in answers]
    weights = {}
    for left_out in {answer.conversation for answer in answers}:
        others = [
            question
            for answer, question in zip(answers, judged, strict=True)
            if question is not None and answer.conversation != left_out
        ]
        weights[left_out] = rounded(fit(others), step)
    return [answer.ranked(weights[answer.conversation]) for answer in answers]


def fitted(answers: Sequence[Answered], *, step: float = 0.0) -> dict[str, float]:
    """Weights fitted to all questions, by name of the feature."""
    weights = rounded(fit([found for a in answers if (found := a.judged()) is not None]), step)
    return {name: float(weight) for name, weight in zip(fusion.FEATURES, weights, strict=True)}


def rounded(weights: Array, step: float) -> Array:
    """To multiples of `step`; 0 leaves them as they are."""
    return np.round(weights / step) * step if step else weights


def sessions_of(ranking: Sequence[Ids]) -> list[Ids]:
    """Sessions by their best turn: `("conv-26 D3:7",)` counts for `("conv-26 D3",)`."""
    return [(session,) for session in dict.fromkeys(_session(name) for ids in ranking for name in ids)]


def wanted_sessions(evidence: Sequence[str]) -> list[str]:
    """The sessions that hold the evidence, each once."""
    return list(dict.fromkeys(_session(name) for name in evidence))


def _session(name: str) -> str:
    return name.partition(":")[0]


def _answered(
    product: Product, conversation: Conversation, number: int, question: Question, heard: Heard
) -> Answered:
    where = Filter(project=conversation.project)
    wall, cpu = time.perf_counter(), time.process_time()
    product.cortex.recall(question.text, 10, ("transcript",), where)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    results = product.cortex.recall(question.text, DEPTH, ("transcript",), where)
    pool = product.pool(question.text, "transcript", where)
    controls: dict[str, list[Ids]] = {}
    candidates: list[Ids] = []
    features = np.zeros((0, len(fusion.FEATURES)), np.float32)
    if pool is not None:
        controls = {name: [heard.ids[p] for p in order] for name, order in orders(pool).items()}
        by_seed = product.seed.search(question.text, DEPTH, ("transcript",), where)
        controls["formula of seed 004"] = [heard.ids[result.chunk.point] for result in by_seed]
        candidates = [heard.ids[point] for point in pool.points]
        features = fusion.features(fusion.Candidates.of(pool))
    named = Question(
        question.text, question.category, tuple(f"{conversation.id} {name}" for name in question.evidence)
    )
    return Answered(
        number,
        named,
        [heard.ids[result.chunk.point] for result in results],
        [result.chunk.tokens for result in results],
        controls,
        candidates,
        features,
        1000 * wall,
        1000 * cpu,
    )
