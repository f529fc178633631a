"""Anthropic's messages interface: what Claude Code and the `anthropic` package speak.

The local model answers, under whatever name it is asked. Invariants: a request is answered whole or
refused with the remedy; a client that waits hears something every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from nexus.core.errors import InvalidInputError, NexusError, NotFoundError
from nexus.service.api import anthropic_errors
from nexus.service.api.anthropic_messages import CountBody, MessagesBody, request_of
from nexus.service.api.anthropic_stream import NO_CHANGE, PING, Answer, error_event, paced
from nexus.service.api.fields import count_unknown
from nexus.service.api.openai_body import WITH_MEMORY
from nexus.service.api.streaming import SSE_HEADERS, daemon_of, events, submit
from nexus.service.asker import note_session
from nexus.service.daemon import Daemon
from nexus.service.fitting import chat_fitted
from nexus.service.jobs import Lane, Priority
from nexus.service.stream import Event, Stream

router = APIRouter(prefix=anthropic_errors.PATH)
PING_SECONDS = 3.0
# While the prompt is read, every so many pings something that is not swallowed.
PINGS_A_SIGN = 20


@router.post("", response_model=None)
async def messages(request: Request, body: MessagesBody) -> Response:
    """Answer a conversation, whole or as a stream."""
    daemon = daemon_of(request)
    _check_model(daemon, body.model)
    count_unknown(request, body)
    note_session(request.scope, {**(body.model_extra or {})})
    wanted = request_of(body)
    stops = tuple(body.stop_sequences or ())
    if "" in stops:
        raise InvalidInputError("a stop sequence is empty", hint="leave it out")
    one = bool((body.tool_choice or {}).get("disable_parallel_tool_use"))
    stream, _ = submit(
        request,
        Lane.ENGINE,
        Priority.AGENT,
        lambda stream, job: chat_fitted(daemon, wanted, stream, job, one_call=one),
    )
    answer = Answer(daemon.engine.name, stops, thoughts=body.wants_thoughts)
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
    count_unknown(request, body)
    wanted = request_of(body)
    return {"input_tokens": await asyncio.to_thread(daemon.engine.count_prompt, wanted)}


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
