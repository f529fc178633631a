"""A proposal: a learning on its way to become a memory, as it waits in the queue.

Knows nothing of where the queue is kept. Invariant: a body that an older version queued is still read.
"""

from __future__ import annotations

import re
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


@dataclass(frozen=True, slots=True)
class ProposedMemory:
    """A learning that waits for the user's word.

    `words` are the exact words it came from. `contradicts` and `similar` are ids of memories; `memory` is
    the id it has got when a rule approved it.
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
        return {name: v for name, v in self.as_dict().items() if name not in _NOT_QUEUED}

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


def normal(text: str) -> str:
    """Two learnings with the same words are the same, whatever case, spaces and last stop."""
    return " ".join(text.split()).casefold().rstrip(".!")


def bare(learning: str) -> str:
    """The learning without the words that ask to remember it."""
    return _LEAD.sub("", learning)


def key(learning: str) -> str:
    """The id of a proposal: the same for the same words."""
    return f"NEW-{ids.content_hash(normal(learning).encode())[:10]}"
