"""OpenAI's Responses interface: what Codex and newer programs speak.

The local model answers. Invariants: nothing is kept between requests, and who relies on it is told so; a
request is answered whole or refused with the remedy; a client that waits hears something.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from nexus.core.errors import NexusError, NotFoundError
from nexus.service.api.anthropic_stream import PING, error_of, paced
from nexus.service.api.fields import count_unknown
from nexus.service.api.openai_body import check_model
from nexus.service.api.responses_body import Asked, InputBody, ResponsesBody, asked_of
from nexus.service.api.responses_stream import Reply, echo_of
from nexus.service.api.sound import sound_json
from nexus.service.api.streaming import SSE_HEADERS, daemon_of, events, submit
from nexus.service.asker import note_session
from nexus.service.fitting import chat_fitted
from nexus.service.jobs import Lane, Priority
from nexus.service.stream import Event

router = APIRouter(prefix="/v1/responses")
# Codex gives up a stream that says nothing for five minutes; some proxies after one.
SIGN_SECONDS = 10.0


@router.post("", response_model=None)
async def responses(request: Request, body: ResponsesBody) -> Response | dict[str, Any]:
    """Answer a conversation, whole or as a stream."""
    daemon, asked = daemon_of(request), _asked(request, body)
    note_session(request.scope, body.model_dump(include={"user", "metadata", "prompt_cache_key"}))
    echoed = echo_of(body.model_dump(by_alias=True))
    sound_json(echoed, "the request")
    one = body.parallel_tool_calls is False
    stream, _ = submit(
        request,
        Lane.ENGINE,
        Priority.AGENT,
        lambda stream, job: chat_fitted(daemon, asked.chat, stream, job, one_call=one),
    )
    reply = Reply(daemon.engine.name, echoed, asked.left_out)
    if not body.stream:
        async for event in events(request, stream):
            reply.take(event)
        if not reply.ended:
            raise NexusError("the answer broke off", hint="see the log")
        return reply.response
    said = paced(events(request, stream), SIGN_SECONDS)
    # What is refused at once is refused with its own status, before the answer begins.
    first = await anext(said, Event("left", {}))
    if first.name == "error":
        raise error_of(first.data)
    body_of = _sent(reply, first, said)
    return StreamingResponse(body_of, media_type="text/event-stream", headers=SSE_HEADERS)


@router.post("/input_tokens")
async def input_tokens(request: Request, body: InputBody) -> dict[str, Any]:
    """How long a prompt is in the model's own tokens."""
    engine, asked = daemon_of(request).engine, _asked(request, body)
    count = await asyncio.to_thread(engine.count_prompt, asked.chat)
    return {"object": "response.input_tokens", "input_tokens": count}


@router.get("/{response_id}")
@router.delete("/{response_id}")
@router.post("/{response_id}/cancel")
@router.get("/{response_id}/input_items")
async def kept(response_id: str) -> None:
    """Responses are not kept."""
    raise NotFoundError(
        f"no response {response_id!r}: none are kept", hint="send the whole conversation as input"
    )


def _asked(request: Request, body: InputBody) -> Asked:
    daemon = daemon_of(request)
    check_model(daemon, body.model, memory_at="/v1/chat/completions")
    asked = asked_of(body, daemon.config.settings.engine.reply_tokens)
    count_unknown(request, body, *asked.names)
    return asked


async def _sent(reply: Reply, first: Event, rest: AsyncGenerator[Event]) -> AsyncIterator[bytes]:
    """The bytes of a stream that began with `first`."""

    def shown(event: Event) -> list[Event]:
        return [reply.wait()] if event is PING else reply.take(event)

    for told in reply.start():
        yield told.sse()
    last: list[Event] = []
    try:
        for told in shown(first):
            yield told.sse()
        async with aclosing(rest):
            async for event in rest:
                for told in shown(event):
                    yield told.sse()
        if not reply.ended:
            raise NexusError("the answer broke off", hint="see the log")
    except NexusError as error:
        last = reply.fail(error)
    for told in last:
        yield told.sse()
