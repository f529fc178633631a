"""A `Remembering` over a real ledger, with an index that is a dictionary of word sets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nexus.core import clock, ids
from nexus.core.paths import Home
from nexus.cortex.approvals import Approvals
from nexus.cortex.database import Database
from nexus.cortex.ledger import Ledger, NewChunk
from nexus.cortex.memory import Memory, MemoryStore
from nexus.cortex.remembering import Remembering


@dataclass
class Rules:
    """The one setting that matters here."""

    auto_approve: tuple[str, ...] = ()


@dataclass
class Sample:
    """Everything a test looks at."""

    home: Home
    ledger: Ledger
    approvals: Approvals
    rules: Rules = field(default_factory=Rules)
    indexed: dict[str, Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.home.memories)
        self.it = Remembering(
            self.store, self.ledger, self.approvals, self.index, self.drop, self.similar, self.rules
        )

    def index(self, memory: Memory, path: Path) -> None:
        """As the facade does it, without vectors."""
        data = path.read_bytes()
        chunk = NewChunk(ids.point_id(str(path)), (), memory.learning, 1, 1, 1)
        self.ledger.put(
            "memory",
            str(path),
            [chunk],
            root=str(path.parent),
            sha256=ids.content_hash(data),
            size=len(data),
            mtime_ns=0,
            project=memory.project,
        )
        self.indexed[str(path)] = memory

    def drop(self, path: str) -> None:
        """Out of both."""
        self.ledger.drop(path)
        del self.indexed[path]

    def similar(self, text: str, limit: int) -> list[tuple[str, float]]:
        """Cosine of word counts, lifted: words that lead to a value weigh nothing for a real embedder."""
        found = []
        for path, memory in self.indexed.items():
            a, b = (set(re.findall(r"\w+", t.lower())) for t in (text, memory.learning))
            if a & b and memory.valid_at(clock.now()):
                found.append((Path(path).stem, (len(a & b) / math.sqrt(len(a) * len(b))) ** 0.2))
        return sorted(found, key=lambda pair: -pair[1])[:limit]

    def texts(self) -> set[str]:
        """What could be recalled now."""
        return {m.learning for m in self.indexed.values() if m.valid_at(clock.now())}


@contextmanager
def opened(home: Home) -> Iterator[Sample]:
    """A sample over the store of `home`, as after a start."""
    database = Database(home.store)
    sample = Sample(home, Ledger(database), Approvals(database))
    try:
        yield sample
    finally:
        database.close()
