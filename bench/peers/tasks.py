"""What is asked: the judged sets of `nexus bench cortex`, as questions with what answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.cortex.evaluation import collection as sets
from nexus.cortex.evaluation import locomo
from nexus.cortex.evaluation.measures import ndcg, recall
from nexus.cortex.evaluation.options import Options

TITLES = {
    "locomo": "LoCoMo, evidence among the first 5, 10, 25",
    "cranfield": "Cranfield, nDCG@10",
    "claude-docs": "Claude docs, nDCG@10",
}
_FILES = {
    "cranfield": ("cran.all.1400.xml", "cran.qry.xml", "cranqrel.trec.txt"),
    "claude-docs": ("anthropic_docs.json", "docs_evaluation_dataset.json"),
}
_DEPTHS = {"locomo": 100, "cranfield": 200, "claude-docs": 200}  # as `nexus bench cortex` asks


@dataclass(frozen=True, slots=True)
class Question:
    """`gains` says what is worth how much; for LoCoMo every piece of evidence the same."""

    text: str
    scope: str
    gains: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Task:
    """A set: its questions, and how deep a ranking is looked at."""

    name: str
    questions: tuple[Question, ...]

    @property
    def depth(self) -> int:
        """How many passages are asked for."""
        return _DEPTHS[self.name]

    @property
    def measures(self) -> tuple[str, ...]:
        """What `score` gives; the one by which it is decided in the middle or alone."""
        return ("R@5", "R@10", "R@25") if self.name == "locomo" else ("nDCG@10",)

    @property
    def decided_by(self) -> str:
        """The measure that the verdict is about."""
        return "R@10" if self.name == "locomo" else "nDCG@10"

    def score(self, question: Question, ranking: Sequence[Sequence[str]]) -> dict[str, float]:
        """Of one question; `ranking` holds what each passage shows, best first."""
        if self.name == "locomo":
            return {f"R@{depth}": recall(ranking, question.gains, depth) for depth in (5, 10, 25)}
        names = list(dict.fromkeys(name for shown in ranking for name in shown))
        return {"nDCG@10": ndcg(names, question.gains)}


def conversations(data: Path) -> list[locomo.Conversation]:
    """LoCoMo's, below `data`."""
    return locomo.load(locomo.find(data))


def collection(name: str, data: Path) -> sets.Collection:
    """A judged set below `data`, which `find` has seen."""
    folder = Options(data, data).folder(*_FILES[name])
    assert folder is not None
    return sets.cranfield(folder) if name == "cranfield" else sets.claude_docs(folder)


def find(data: Path) -> dict[str, Task]:
    """The tasks whose files are there."""
    found = {}
    if locomo.find(data):
        found["locomo"] = Task(
            "locomo",
            tuple(
                Question(
                    question.text,
                    talk.project,
                    {f"{talk.id} {name}": 1.0 for name in question.evidence},
                )
                for talk in conversations(data)
                for question in talk.questions
                if question.evidence
            ),
        )
    for name, files in _FILES.items():
        if Options(data, data).folder(*files):
            asked = collection(name, data).questions
            found[name] = Task(name, tuple(Question(text, "", gains) for text, gains in asked))
    return found
