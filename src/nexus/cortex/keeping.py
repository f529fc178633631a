"""What is worth keeping: the surprise of what is proposed, and what could be forgotten without a loss.

Composes memories, their counts and their vectors; where a surprise comes from is the caller's business.
Invariants: nothing is forgotten here, only named; what a person has verified is never named, nor what
belongs to a project; of memories that say the same at least one is never named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.core import clock
from nexus.core.errors import InvalidInputError
from nexus.cortex.approvals import Approvals
from nexus.cortex.contradiction import adds
from nexus.cortex.filters import Filter
from nexus.cortex.ledger import Ledger
from nexus.cortex.memory import Memory, MemoryStore, moment
from nexus.cortex.project_memories import SOURCE
from nexus.cortex.proposal import ProposedMemory
from nexus.cortex.regret import ALIKE, FORGETTABLE, regret
from nexus.cortex.remembering import Remembering
from nexus.cortex.vectors import Vectors

_DAY = 86_400.0
_AT_ONCE = 256  # memories compared with all others in one multiplication
_MOST_ALIKE = 64  # of the memories near to one so many are compared word by word


@dataclass(frozen=True, slots=True)
class Judged:
    """A memory with the regret that its loss would bring; `forgettable` names it, `why` says the reason."""

    memory: Memory
    regret: float
    forgettable: bool
    why: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        facts = {"regret": round(self.regret, 3), "forgettable": self.forgettable, "why": self.why}
        return {**self.memory.as_dict(), **facts}


class Keeping:
    """Methods may be called from several threads."""

    def __init__(
        self,
        remembering: Remembering,
        store: MemoryStore,
        approvals: Approvals,
        ledger: Ledger,
        vectors: Vectors,
    ) -> None:
        self._remembering, self._store = remembering, store
        self._approvals, self._ledger, self._vectors = approvals, ledger, vectors

    def note_surprise(self, proposed: ProposedMemory, surprise: float) -> bool:
        """Note how surprising the words of a proposal were; approved, the memory takes it along.

        False where it waits no more and is no memory of ours. Raises `InvalidInputError` for no number.
        """
        if not math.isfinite(surprise) or surprise < 0:
            raise InvalidInputError(f"{surprise} is no surprise", hint="0 known by heart, 1 new")
        surprise = round(surprise, 3)
        if proposed.memory:  # a rule has approved it
            return self._ledger.note_surprise(str(self._store.path(proposed.memory)), surprise)
        return self._approvals.note_on_proposal(proposed.id, surprise=surprise)

    def judged(self, where: Filter | None = None) -> list[Judged]:
        """The memories that `where` lets pass with their regrets, the least first."""
        now, where = clock.now(), where or Filter()
        # What stays is looked for among all that is valid, whatever was asked for.
        memories = self._remembering.memories(Filter(include_expired=True))
        if replace(where, include_expired=True) == Filter(include_expired=True):  # not each file once more
            wanted = {m.id for m in memories if where.include_expired or m.valid_at(now)}
        else:
            wanted = {memory.id for memory in self._remembering.memories(where)}
        paths = {(row.title, row.project): row.path for row in self._ledger.objects("memory")}
        held = [paths.get((memory.id, memory.project), "") for memory in memories]
        vectors, known = self._vectors_of(held), self._ledger.keeping()
        done: list[Judged] = []
        stays = np.zeros(len(memories), bool)
        order = sorted(range(len(memories)), key=lambda n: _rank(memories[n]))
        for at, cosines in _cosines(vectors, order):
            memory, valid = memories[at], memories[at].valid_at(now)
            likeness, like = _likest(memories, cosines, at, stays) if valid else (0.0, "")
            used, surprise = known.get(held[at], ("", None))
            judged = _judge(memory, used, surprise, likeness, like, now)
            if valid and not judged.forgettable:
                stays[at] = True
            if memory.id in wanted:
                done.append(judged)
        return sorted(done, key=lambda j: (j.regret, j.memory.created, j.memory.id))

    def _vectors_of(self, paths: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (n, d); zero for what is not indexed."""
        rows = [self._ledger.chunks_of(path)[:1] if path else [] for path in paths]
        found, _ = self._vectors.of([row[0] for row in rows if row])
        matrix = np.zeros((len(paths), found.shape[1]), np.float32)
        matrix[[at for at, row in enumerate(rows) if row]] = found
        return matrix


def _cosines(vectors: NDArray[np.float32], order: Sequence[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Each place of `order` with its cosines with all, shape (n,). Many at once: one by one takes minutes."""
    for start in range(0, len(order), _AT_ONCE):
        part = list(order[start : start + _AT_ONCE])
        yield from zip(part, vectors[part] @ vectors.T, strict=True)


def _likest(
    memories: Sequence[Memory], cosines: NDArray[np.float32], at: int, stays: NDArray[np.bool_]
) -> tuple[float, str]:
    """The cosine with the memory that stays, is seen where this one is and says most nearly the same."""
    near = np.flatnonzero(stays & (cosines >= ALIKE))
    for place in near[np.argsort(-cosines[near])][:_MOST_ALIKE]:
        other = memories[place]
        seen = other.project in ("", memories[at].project)
        # A port changed by one digit is nearly the same text and quite another fact.
        if seen and not adds(memories[at].learning, other.learning):
            return float(cosines[place]), other.id
    return 0.0, ""


def _rank(memory: Memory) -> tuple[bool, bool, int, str, str]:
    """Of two that say the same the first of these stays."""
    return not memory.verified, memory.source == SOURCE, -memory.retrieval_count, memory.created, memory.id


def _judge(
    memory: Memory, used: str, surprise: float | None, likeness: float, like: str, now: datetime
) -> Judged:
    age = _days(memory.created, now)
    idle = _days(used or memory.created, now)
    value = regret(
        verified=memory.verified,
        uses=memory.retrieval_count,
        age_days=age,
        idle_days=idle,
        likeness=likeness,
        surprise=surprise,
    )
    left_alone = _left_alone(memory, now)
    reasons = [
        *([left_alone] if left_alone else []),
        *([f"says nearly the same as {like}"] if like else []),
        _use(memory.retrieval_count, used, age, idle),
    ]
    return Judged(memory, value, not left_alone and value < FORGETTABLE, ", ".join(reasons))


def _left_alone(memory: Memory, now: datetime) -> str:
    """Why this memory is never named; "" where it may be."""
    if memory.verified:
        return "verified"
    if memory.source == SOURCE:
        return "belongs to a project"
    return "" if memory.valid_at(now) else "not valid now, kept to be read"


def _use(uses: int, used: str, age: float, idle: float) -> str:
    if not uses:
        return f"never used in {age:.0f} days"
    times = "once" if uses == 1 else f"{uses} times"
    return f"used {times}, last {idle:.0f} days ago" if used else f"used {times}"


def _days(time: str, now: datetime) -> float:
    """Days since a time of a memory; 0 where it says none that can be read."""
    try:
        return max(0.0, (now - moment(time)).total_seconds() / _DAY) if time else 0.0
    except InvalidInputError:
        return 0.0
