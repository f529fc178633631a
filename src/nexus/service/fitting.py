"""A conversation answered within the model's window, for clients that ask for more room than they need.

Runs in the engine's lane; does not know which interface is spoken. Invariant: the prompt is read whole or
refused with the numbers; only the room for the answer is made smaller, and that is told.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.core.errors import ContextOverflowError, NexusError
from nexus.engine.base import ChatRequest, Engine
from nexus.service.answer import chat, envelope
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job
from nexus.service.stream import Stream

# An answer is not begun with less room than this, unless less was asked for.
LEAST_ANSWER = 512
# Clients look for these words to know that the conversation has to be made shorter.
TOO_LONG = "prompt is too long"


def fitted(engine: Engine, request: ChatRequest) -> ChatRequest:
    """The request with no more `max_tokens` than the window leaves.

    Clients ask for more than they need: `max_tokens` is where an answer ends at the latest. Raises
    `ContextOverflowError` when the window does not leave room for an answer worth its name.
    """
    prompt = engine.count_prompt(request)
    most = engine.context - min(request.max_tokens, LEAST_ANSWER)
    if prompt > most:
        raise ContextOverflowError(
            f"{TOO_LONG}: {prompt} tokens > {most} maximum",
            hint="shorten the conversation or raise engine.context",
        )
    return replace(request, max_tokens=min(request.max_tokens, engine.context - prompt))


def chat_fitted(daemon: Daemon, wanted: ChatRequest, stream: Stream, job: Job, *, one_call: bool) -> None:
    """Measure the prompt, tell `counted`, then answer as `chat` does."""
    engine = daemon.engine
    while engine.health().state in ("starting", "restarting") and not job.cancel.wait(0.1):
        pass
    # An engine that is not ready says why, or mends it, when it is asked.
    if engine.health().state == "ready" and engine.context:
        try:
            asked = wanted.max_tokens
            wanted = fitted(engine, wanted)
        except NexusError as error:
            daemon.metrics.answered(ok=error.http_status < 500)
            stream.emit("error", envelope(error))
            return
        stream.emit("counted", {"short": wanted.max_tokens < asked})
    chat(daemon, wanted, stream, job, one_call=one_call)
