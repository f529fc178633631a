"""What the model on this machine expects an answer to say, for searching. Runs in the engine's lane."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nexus.core.errors import NexusError
from nexus.cortex import expected
from nexus.cortex.retriever import Result
from nexus.engine.base import ChatMessage, ChatRequest, Delta
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job


def drafted(daemon: Daemon, query: str, recall: Callable[[str], list[Result]], job: Job) -> str:
    """What the model expects, from what `recall` finds for the question and for what it expected before.

    `recall("")` is the search for the question alone; the best `SHOWN` are read. Empty where the model has
    nothing to say, as one that thinks until its tokens are spent. Raises what the engine raises, and
    `NexusError` where nobody waits any more.
    """
    written = ""
    for _ in range(expected.ROUNDS):
        role = ChatMessage("system", expected.ROLE)
        message = ChatMessage("user", expected.instructions(query, recall(written)))
        request = ChatRequest((role, message), max_tokens=expected.MOST_WRITTEN, temperature=0.0)
        said = daemon.inference.call(partial(_said, daemon, request, job))
        if job.cancel.is_set():
            raise NexusError("the search was cancelled", hint="ask again")
        written = said.strip() or written
    return written


def _said(daemon: Daemon, request: ChatRequest, job: Job) -> str:
    pieces = daemon.engine.chat(request, job.cancel)
    return "".join(p.text for p in pieces if isinstance(p, Delta) and not p.reasoning)
