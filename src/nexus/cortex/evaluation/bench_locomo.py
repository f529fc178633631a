"""Section `locomo`: how much of the evidence in long conversations is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from nexus.cortex.evaluation.evidence import (
    Answered,
    Heard,
    Ids,
    ask,
    held_out,
    sessions_of,
    store,
    wanted_sessions,
)  # fmt: skip
from nexus.cortex.evaluation.locomo import CATEGORIES, find, load
from nexus.cortex.evaluation.measures import interval, percentile, recall, recall_within
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.product import default_embedders, temporary
from nexus.cortex.evaluation.report import OnProgress, Row, Section

_FIXED = {5: 68.0, 10: 79.0, 25: 86.0}
_FITTED = {5: 74.0, 10: 82.0, 25: 89.0}
_SESSIONS = {5: 90.0, 10: 95.0}
_BUDGETS = {250: None, 500: None, 1000: 87.0, 2000: None, 4000: None}
Rank = Callable[[Answered], Sequence[Ids]]


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it. Raises `InvalidInputError` for a damaged file."""
    section = Section("locomo", "LoCoMo: evidence in conversations, recall in percent")
    paths = find(options.data)
    if not paths:
        section.missing.append("a file locomo*.json: a list of conversations in LoCoMo's published form")
        return section
    conversations = load(paths)
    asked = sum(bool(question.evidence) for c in conversations for question in c.questions)
    section.data += [options.named(path) for path in paths]
    if not asked:
        section.missing.append("questions with evidence: the files have none")
        return section
    with temporary(default_embedders(options.models)) as (product, _):
        heard = store(product, conversations, on_progress)
        answers = ask(product, conversations, heard, on_progress)
    section.add(rows(answers))
    section.add(_cost(answers, heard))
    unasked = sum(len(c.questions) for c in conversations) - asked
    section.notes += [
        f"{len(conversations)} conversations, {heard.turns} turns in {len(heard.ids)} passages,"
        f" {asked} questions with evidence ({unasked} without are left out);"
        f" {sum(c.unknown for c in conversations)} pieces of evidence name no turn",
        f"{heard.joined} passages hold more than one short turn: all of them count at its rank;"
        f" {heard.cut} are further parts of long turns: each has a rank of its own",
        "fixed: the table in nexus.cortex.fusion as everybody gets it. It was fitted to LoCoMo's"
        " conversations 26, 30, 41 and 42: on these its figures are not held out",
        "fitted: the same features, weights fitted to all conversations but the one that is asked",
        "controls rank the same candidates; each one's own hundred best are among them",
    ]
    return section


def rows(answers: Sequence[Answered]) -> Iterable[Row]:
    """Recall of all methods, the product's and the controls'."""
    yield from turns("fixed weights", answers, lambda a: a.found, _FIXED)
    fitted: dict[int, list[Ids]] = {}
    if len({answer.conversation for answer in answers}) > 1:
        fitted = {id(answer): order for answer, order in zip(answers, held_out(answers), strict=True)}
        yield from turns("fitted, held out", answers, lambda a: fitted[id(a)], _FITTED)
    else:
        why = "needs at least two conversations"
        yield from (
            Row(f"turns, fitted, held out: R@{k}", None, "%", goal=goal, note=why)
            for k, goal in _FITTED.items()
        )
    for name in answers[0].controls:
        yield from turns(name, answers, lambda a, name=name: a.controls.get(name, []), {}, control=True)  # type: ignore[misc]
    yield from _sessions("fixed weights", answers, lambda a: a.found)
    if fitted:
        yield from _sessions("fitted, held out", answers, lambda a: fitted[id(a)])
    for budget, goal in _BUDGETS.items():
        shares = [recall_within(a.found, a.sizes, a.question.evidence, budget) for a in answers]
        yield Row.of(f"evidence within {budget:,} tokens", interval(shares), 100, unit="%", goal=goal)
    for category, name in CATEGORIES.items():
        chosen = [a for a in answers if a.question.category == category]
        if chosen:
            found = interval([recall(a.found, a.question.evidence, 10) for a in chosen])
            note = f"{len(chosen)} questions"
            yield Row.of(f"category {category} ({name}): R@10", found, 100, unit="%", note=note)


def turns(
    method: str, answers: Sequence[Answered], rank: Rank, goals: dict[int, float], *, control: bool = False
) -> Iterable[Row]:
    """Recall of turns by one way to rank, over all questions and over categories 1 to 4."""
    for part, chosen in (
        ("", answers),
        (", categories 1-4", [a for a in answers if a.question.category != 5]),
    ):
        for depth in (5, 10, 25):
            if chosen:
                found = interval([recall(rank(a), a.question.evidence, depth) for a in chosen])
                goal = None if part else goals.get(depth)
                what = f"turns, {method}{part}: R@{depth}"
                yield Row.of(what, found, 100, unit="%", goal=goal, control=control)


def _sessions(method: str, answers: Sequence[Answered], rank: Rank) -> Iterable[Row]:
    for depth, goal in _SESSIONS.items():
        found = [recall(sessions_of(rank(a)), wanted_sessions(a.question.evidence), depth) for a in answers]
        yield Row.of(f"sessions, {method}: R@{depth}", interval(found), 100, unit="%", goal=goal)


def _cost(answers: Sequence[Answered], heard: Heard) -> Iterable[Row]:
    note = "ten results from the store of all conversations"
    wall, cpu = [a.wall for a in answers], [a.cpu for a in answers]
    yield Row("a question: wall, median", percentile(wall, 50), "ms", note=note)
    yield Row("a question: CPU, median", percentile(cpu, 50), "ms", note=note)
    yield Row("a question: CPU, 99th percentile", percentile(cpu, 99), "ms", note=note)
    yield Row("storing: embedding, CPU", heard.embedding_cpu, "s", note=f"{heard.tokens:,} tokens of turns")
