"""The teacher of seed 002: asks a stronger model for a question and its answer, and judges what comes.

Knows where words come from only as a `Source`, and nothing of what is done with a lesson. Invariants:
a pair is given out once, passed the filter, and repeats neither earlier lessons nor what the learner
itself has said; whatever is refused is counted with its reason; a failing source is left alone by the
breaker and never raises out of here.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from nexus.core.breaker import Breaker
from nexus.core.errors import NexusError
from nexus.training.bounded_http import NotWantedError
from nexus.training.known_text import KnownText
from nexus.training.quality import objection
from nexus.training.sources import Source

SAME_SHARE: Final = 0.5  # of its runs of words known: the same lesson in other words
OWN_WORDS: Final = "the learner's own words"

# What makes two questions on one topic differ; a model asked the same thing gives the same thing.
ANGLES: Final = (
    "a basic definition",
    "how something works step by step",
    "a cause and its effect",
    "a famous experiment or proof",
    "a concrete example",
    "a common mistake",
    "a comparison of two ideas",
    "a quantity and how it is measured",
    "a practical use",
    "an open or historical problem",
)
_LABEL = re.compile(r"(?is)\A\W*(?:question|answer|q|a)\s*\d*\s*[:.)]\s*\W*")
_QUESTION = re.compile(r"(?s)\A.*?\?")


@dataclass(frozen=True, slots=True)
class Pair:
    """One lesson."""

    topic: str
    question: str
    answer: str

    @property
    def text(self) -> str:
        """What is learnt."""
        return f"{self.question}\n{self.answer}\n\n"


class Teacher:
    """Gives lessons, one at a time; used by one thread."""

    def __init__(
        self,
        source: Source,
        breaker: Breaker,
        taught: KnownText | None = None,
        own: KnownText | None = None,
        seed: int | None = None,
    ) -> None:
        """`taught` are earlier lessons, `own` what the learner has said or read; both are added to."""
        self.name = source.name
        self.breaker = breaker
        self.taught = KnownText() if taught is None else taught
        self.own = KnownText() if own is None else own
        self.pairs = 0
        self.refused: Counter[str] = Counter()
        self.trouble = ""
        self._source = source
        self._random = random.Random(seed)  # noqa: S311 - which topic comes next is no secret
        self._topics = topics()

    def next_pair(self, topic: str = "") -> Pair | None:
        """A lesson on `topic`, or on any; None where none came, and then `trouble` or `refused` says why."""
        self.trouble = ""
        if not self.breaker.allow():
            self.trouble = str(self.breaker.refusal())
            return None
        topic = topic.strip() or self._random.choice(self._topics)
        try:
            question = self._question(topic)
            answer = (
                _clean(self._source.say(_ANSWER.format(topic=topic, question=question))) if question else ""
            )
        except NotWantedError:
            self.breaker.undecided()
            return None
        except NexusError as error:
            self.breaker.failed(error)
            self.trouble = str(error)
            return None
        self.breaker.succeeded()
        pair = Pair(topic, question, answer)
        reason = self.judge(pair)
        if reason:
            self.refuse(reason)
            return None
        self.taught.add(pair.text)
        self.pairs += 1
        return pair

    def judge(self, pair: Pair) -> str:
        """Why the pair is not learnt; "" where it is."""
        reason = objection(pair.question, pair.answer, pair.topic)
        if reason:
            return reason
        if self.own.share(pair.answer) >= SAME_SHARE:
            return OWN_WORDS
        if self.taught.share(pair.text) >= SAME_SHARE:
            return "taught before"
        return ""

    def refuse(self, reason: str) -> None:
        """Count a refusal; reasons are few and ours."""
        self.refused[reason] += 1

    def close(self) -> None:
        """End the connections."""
        self._source.close()

    def _question(self, topic: str) -> str:
        said = _clean(self._source.say(_ASK.format(topic=topic, angle=self._random.choice(ANGLES))))
        # Small models go on with an answer of their own; what is asked ends at the first question mark.
        first = _QUESTION.match(said)
        return (first[0] if first else said)[:1000].strip()


_ASK = (
    "You are writing an examination on {topic}. Write one short question about {angle} in {topic}."
    " Write only the question, in one sentence, ending with a question mark."
)
_ANSWER = (
    "Answer this examination question on {topic} correctly and clearly in three to six sentences of plain"
    " text, without lists or headings.\n\n{question}"
)


def topics() -> list[str]:
    """The academic topics that lessons without a focus are about."""
    lines = files("nexus.training").joinpath("data", "topics.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _clean(text: str) -> str:
    """Without the thinking aloud of some models and without labels."""
    text = re.sub(r"(?s)<think>.*?(?:</think>|\Z)", "", text)
    return _LABEL.sub("", text.strip()).strip().strip('*_"').strip()
