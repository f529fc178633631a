"""Ours: Cortex with default settings, given conversations and files as a user gives them.

It cuts them itself; `take` hands its passages out, so that the peers store the very same ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nexus.core.paths import Home
from nexus.cortex.entries import searched_text, text_to_embed
from nexus.cortex.evaluation import bench_documents, evidence
from nexus.cortex.evaluation.product import default_embedders, opened
from nexus.cortex.filters import Filter
from nexus.cortex.ledger import ObjectKind
from peers import tasks
from peers.serving import serve


class Cortex:
    """A product in a home of its own."""

    def __init__(self, models: Path, work: Path) -> None:
        self._product = opened(Home(work / "home"), default_embedders(models))
        self._files = work / "files"
        self._files.mkdir()
        self._kind: ObjectKind = "document"
        self._shows: dict[str, tuple[str, ...]] = {}
        self._talks: tuple[Any, ...] = ()

    def take(self, task: str, data: str) -> None:
        """Store what the task is about."""
        if task == "locomo":
            self._kind, conversations = "transcript", tasks.conversations(Path(data))
            heard = evidence.store(self._product, conversations, _quiet)
            self._shows, self._talks = heard.ids, (conversations, heard)
        else:
            bench_documents._add(self._product, self._files, tasks.collection(task, Path(data)), _quiet)

    def passages(self) -> list[dict[str, Any]]:
        """All that is stored: what a passage says, what we search it by, and what it shows of the task."""
        ledger = self._product.ledger
        return [
            {
                "id": point,
                "scope": row.project if self._kind == "transcript" else "",
                "text": text_to_embed(row),
                "in context": searched_text(row),
                "shows": self._shows.get(point) or [Path(row.path).stem],
            }
            for point, row in ledger.chunks(list(ledger.points())).items()
        ]

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """As every client asks."""
        where = Filter(project=scope) if scope else Filter()
        return [r.chunk.point for r in self._product.cortex.recall(question, depth, (self._kind,), where)]

    def held_out(self) -> dict[str, Any]:
        """LoCoMo by weights that never saw the conversation asked, and what ten results cost.

        The weights that ship were fitted to these conversations, so their own ranking would flatter us.
        """
        conversations, heard = self._talks
        answers = evidence.ask(self._product, conversations, heard, _quiet)
        return {
            "rankings": evidence.held_out(answers),
            "cpu": [answer.cpu / 1000 for answer in answers],
            "wall": [answer.wall / 1000 for answer in answers],
        }


def _quiet(*_: Any) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    serve(Cortex)
