"""A search that the model orders, when nobody waits for it any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nexus.core.errors import NexusError
from nexus.cortex.ledger import ChunkRow
from nexus.cortex.retriever import Result, Scores
from nexus.engine.base import Likelihood
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.reranking import reranked


def test_who_has_gone_is_not_read_on_for() -> None:
    job = Job(Lane.ENGINE, Priority.INTERACTIVE, lambda job: None)
    read: list[str] = []

    def likelihood(text: str, continuation: str) -> Likelihood:
        read.append(text)
        job.cancel.set()
        return Likelihood(-2.0, 2)

    engine = SimpleNamespace(likelihood=likelihood, count_tokens=len)
    daemon: Any = SimpleNamespace(engine=engine, inference=SimpleNamespace(call=lambda work: work()))
    chunk = ChunkRow("1", "document", "a.md", (), "text", 1, 2, 3, 0, "")
    results = [Result(chunk, Scores(0, 0, 0, 0, 0, 0, 0, 0, 1.0))] * 3
    with pytest.raises(NexusError, match="cancelled"):
        reranked(daemon, "which port?", results, job)
    assert len(read) == 1
