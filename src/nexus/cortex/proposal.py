"""A proposal: a learning on its way to become a memory, as it waits in the queue.

Knows nothing of where the queue is kept, nor of who measures surprise. Invariants: a body that an older
version queued is still read; surprise decides nothing but the order of what was said on the same day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nexus.core import ids
from nexus.cortex.memory import MemoryType

_MEMORY_TYPES: dict[str, MemoryType] = {
    "verified_fix": "experiential",
    "discovery": "experiential",
    "requirement": "procedural",
    "rule": "procedural",
}
# What asks to remember is not what is to be remembered.
_LEAD = re.compile(
    r"^(?:please |and |also |ok |so )*(?:remember|note|nb|important|keep in mind|fyi|for the record"
    r"|for future reference)(?: ?: *| -{1,2} | that |, )(?=\S)",
    re.IGNORECASE,
)
_LISTS = ("contradicts", "similar")
_NOT_QUEUED = ("id", "created", "memory")
# Of what a line costs a stranger, it costs the learner about .6; half of all lines lie between these.
_FAMILIAR, _NEW = 0.52, 0.70
_USUAL = 0.61


@dataclass(frozen=True, slots=True)
class ProposedMemory:
    """A learning that waits for the user's word.

    `words` are the exact words it came from. `contradicts` and `similar` are ids of memories; `memory` is
    the id it has got when a rule approved it. `surprise` is how new the words are to the learner: 0 known
    by heart, 1 as new as to somebody who has never read the user; None where nobody has measured it.
    """

    id: str
    learning: str
    category: str
    confidence: str
    reason: str
    created: str
    role: str = "user"
    session: str = ""
    project: str = ""
    words: str = ""
    contradicts: tuple[str, ...] = ()
    similar: tuple[str, ...] = ()
    memory: str = ""
    surprise: float | None = None

    @classmethod
    def queued(cls, key: str, created: str, body: dict[str, Any]) -> ProposedMemory:
        """As it lies in the queue."""
        values: dict[str, Any] = {n: tuple(v) if n in _LISTS else v for n, v in body.items()}
        return cls(id=key, created=created, **values)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def body(self) -> dict[str, Any]:
        """What is queued."""
        held = {name: v for name, v in self.as_dict().items() if name not in _NOT_QUEUED}
        if self.surprise is None:
            del held["surprise"]
        return held

    def fields(self) -> dict[str, Any]:
        """The fields of the memory it becomes."""
        return {
            "confidence": self.confidence,
            "type": _MEMORY_TYPES.get(self.category, "factual"),
            "context": f"proposed: {self.reason}",
            "source": "conversation",
            "session": self.session,
            "words": self.words,
            "project": self.project,
        }


def meaning(surprise: float | None) -> str:
    """The number in words, for people; "" where there is none."""
    if surprise is None:
        return ""
    if surprise < _FAMILIAR:
        return "much of it was said before"
    return "newer than most of what is said" if surprise > _NEW else "as new as most of what is said"


def in_order(proposals: Iterable[ProposedMemory]) -> list[ProposedMemory]:
    """As the queue is shown: the newest day first, of one day the familiar first, then the newest.

    Familiar first, because that is what was measured: lines worth remembering speak of what the user
    often speaks of (docs/decisions/0024-surprise.md). Without a number a proposal counts as usual, so that
    without a learner the order is by time alone. `proposals` come newest first.
    """
    return sorted(proposals, key=lambda p: (_backwards(p.created[:10]), _known(p.surprise)))


def _backwards(day: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in day)


def _known(surprise: float | None) -> float:
    return _USUAL if surprise is None or not math.isfinite(surprise) else surprise


def normal(text: str) -> str:
    """Two learnings with the same words are the same, whatever case, spaces and last stop."""
    return " ".join(text.split()).casefold().rstrip(".!")


def bare(learning: str) -> str:
    """The learning without the words that ask to remember it."""
    return _LEAD.sub("", learning)


def key(learning: str) -> str:
    """The id of a proposal: the same for the same words."""
    return f"NEW-{ids.content_hash(normal(learning).encode())[:10]}"
