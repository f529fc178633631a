"""Anthropic's messages interface: what Claude Code and the `anthropic` package speak.

The local model answers, under whatever name it is asked. Invariants: a request is answered whole or
refused with the remedy; a client that waits hears something every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from nexus.core.errors import ContextOverflowError, InvalidInputError, NexusError, NotFoundError
from nexus.engine.base import ChatRequest, Engine
from nexus.service.answer import chat, envelope
from nexus.service.api import anthropic_errors
from nexus.service.api.anthropic_messages import CountBody, MessagesBody, request_of
from nexus.service.api.anthropic_stream import NO_CHANGE, PING, Answer, error_event, paced
from nexus.service.api.openai import WITH_MEMORY
from nexus.service.api.streaming import SSE_HEADERS, daemon_of, events, submit
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Event, Stream

router = APIRouter(prefix=anthropic_errors.PATH)
PING_SECONDS = 3.0
# While the prompt is read, every so many pings something that is not swallowed.
PINGS_A_SIGN = 20
# An answer is not begun with less room than this, unless less was asked for.
LEAST_ANSWER = 512


@router.post("", response_model=None)
async def messages(request: Request, body: MessagesBody) -> Response:
    """Answer a conversation, whole or as a stream."""
    daemon = daemon_of(request)
    _check_model(daemon, body.model)
    wanted = request_of(body)
    stops = tuple(body.stop_sequences or ())
    if "" in stops:
        raise InvalidInputError("a stop sequence is empty", hint="leave it out")
    one = bool((body.tool_choice or {}).get("disable_parallel_tool_use"))
    stream, _ = submit(
        request, Lane.ENGINE, Priority.AGENT, lambda stream, job: _work(daemon, wanted, stream, job, one)
    )
    answer = Answer(daemon.engine.name, stops)
    said = paced(_said(request, stream, answer), PING_SECONDS)
    headers = {"request-id": anthropic_errors.request_id()}
    if not body.stream:
        async for _ in said:
            pass
        return JSONResponse(answer.message, headers=headers)
    # What is refused at once is refused with its own status, before the answer begins.
    body_of = _sent(answer, await anext(said), said)
    return StreamingResponse(body_of, media_type="text/event-stream", headers={**SSE_HEADERS, **headers})


@router.post("/count_tokens")
async def count_tokens(request: Request, body: CountBody) -> dict[str, int]:
    """How long a prompt is in the model's own tokens."""
    daemon = daemon_of(request)
    _check_model(daemon, body.model)
    wanted = request_of(body)
    return {"input_tokens": await asyncio.to_thread(daemon.engine.count_prompt, wanted)}


def fitted(engine: Engine, request: ChatRequest) -> ChatRequest:
    """The request with no more `max_tokens` than the window leaves.

    Clients ask for more than they need: `max_tokens` is where an answer ends at the latest. Raises
    `ContextOverflowError` when the window does not leave room for an answer worth its name.
    """
    prompt = engine.count_prompt(request)
    most = engine.context - min(request.max_tokens, LEAST_ANSWER)
    if prompt > most:
        raise ContextOverflowError(
            f"{anthropic_errors.TOO_LONG}: {prompt} tokens > {most} maximum",
            hint="shorten the conversation or raise engine.context",
        )
    return replace(request, max_tokens=min(request.max_tokens, engine.context - prompt))


def _work(daemon: Daemon, wanted: ChatRequest, stream: Stream, job: Job, one_call: bool) -> None:
    """In the engine's lane: measure the prompt, then answer."""
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


async def _said(request: Request, stream: Stream, answer: Answer) -> AsyncGenerator[Event]:
    """The job's events as the client is to see them; the model is stopped at a stop text.

    Raises what the job reported, and `NexusError` when it ended without a word or the client has left.
    """
    async for event in events(request, stream):
        shown = answer.take(event)
        if event.name == "counted":
            yield event
        for one in shown:
            yield one
        if answer.stopped:
            stream.cancel.set()
    if answer.message["stop_reason"] is None:
        raise NexusError("the answer broke off", hint="see the log")


async def _sent(answer: Answer, first: Event, rest: AsyncGenerator[Event]) -> AsyncIterator[bytes]:
    """The bytes of a stream that began with `first`."""
    yield answer.start().sse()
    yield PING.sse()
    pings, begun = 0, first.name not in ("counted", "ping")
    if begun:
        yield first.sse()
    try:
        async with aclosing(rest):
            async for event in rest:
                if event.name == "counted":
                    continue
                yield event.sse()
                if event is not PING:
                    begun = True
                elif not begun and (pings := pings + 1) % PINGS_A_SIGN == 0:
                    yield NO_CHANGE.sse()
    except NexusError as error:
        yield error_event(error).sse()


def _check_model(daemon: Daemon, name: str) -> None:
    own = daemon.engine.name
    if name == WITH_MEMORY:
        raise InvalidInputError(
            f"the model {name!r}, which answers from memory, is not served here",
            hint=f"ask /v1/chat/completions for it, or {own} here",
        )
    if name != own and not daemon.config.settings.service.anthropic_any_model:
        raise NotFoundError(
            f"no model {name!r}", hint=f"there is {own}; service.anthropic_any_model answers to any name"
        )
