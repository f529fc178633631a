"""Results of a search, ordered anew by the model on this machine. Runs in the engine's lane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nexus.core.errors import InvalidInputError, NexusError
from nexus.cortex import likelihood
from nexus.cortex.retriever import Result
from nexus.engine.base import MOST_SCORED
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job


def reranked(daemon: Daemon, query: str, results: Sequence[Result], job: Job) -> list[Result]:
    """The results as `nexus.cortex.likelihood` orders them. The model reads each: a second or so.

    Raises `InvalidInputError` where the question is too long for that or the model is none that can tell, and
    what the engine raises.
    """
    found, asked = [], likelihood.question(query)
    if (tokens := daemon.engine.count_tokens(asked)) > MOST_SCORED:
        raise InvalidInputError(
            f"the question has {tokens} tokens, and the model orders by {MOST_SCORED} at most",
            hint="ask in fewer words, or search without rerank",
        )
    for result in results:
        if job.cancel.is_set():
            raise NexusError("the search was cancelled", hint="ask again")
        read = partial(daemon.engine.likelihood, likelihood.read(result), asked)
        found.append(daemon.inference.call(read).mean)
    return likelihood.reordered(results, found)
