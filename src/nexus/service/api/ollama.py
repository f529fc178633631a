"""Ollama's interface: `/api/chat` and `/api/generate`, answered in lines of JSON.

Model `nexus` answers with memory; the model's own name passes through, with or without `:latest`.
Invariants: a prompt is answered whole or refused with 400 and both numbers, never cut; what is refused
before the first word is refused with its own status, and what fails later with a last line `error`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from nexus.core.errors import ContextOverflowError, InvalidInputError, NexusError
from nexus.engine.base import ChatRequest, Engine
from nexus.engine.completion import CompletionRequest
from nexus.service.answer import answer, generate, run
from nexus.service.api import ollama_embed, ollama_models
from nexus.service.api.fields import count_unknown
from nexus.service.api.ollama_answer import MEDIA_TYPE, Answer, Kind, Line, broken_off, written
from nexus.service.api.ollama_body import ChatBody, GenerateBody, question_of, request_of
from nexus.service.api.ollama_models import check_model
from nexus.service.api.openai_body import WITH_MEMORY
from nexus.service.api.streaming import daemon_of, events, submit
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Stream

router = APIRouter()
router.include_router(ollama_models.router)
router.include_router(ollama_embed.router)
Wanted = ChatRequest | CompletionRequest
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


@router.post("/api/chat", response_model=None)
async def chat(request: Request, body: ChatBody) -> Response:
    """Continue a conversation."""
    return await _answered(request, body, "chat", empty=not body.messages)


@router.post("/api/generate", response_model=None)
async def complete(request: Request, body: GenerateBody) -> Response:
    """Answer one prompt."""
    return await _answered(request, body, "generate", empty=not (body.prompt or body.suffix))


async def _answered(request: Request, body: ChatBody | GenerateBody, kind: Kind, *, empty: bool) -> Response:
    daemon = daemon_of(request)
    check_model(daemon, body.name)
    count_unknown(request, body, *(["keep_alive"] if body.keep_alive is not None else []))
    reply = Answer(body.model, kind, thoughts=body.think is not False)
    work = _loading(daemon) if empty else _plan(daemon, body)
    stream, _ = submit(request, Lane.ENGINE, Priority.AGENT, work)
    lines = _lines(request, stream, reply, empty=empty)
    # What is refused at once is refused with its own status, before the answer begins.
    first = await anext(lines)
    if body.streamed:
        return StreamingResponse(_sent(first, lines), media_type=MEDIA_TYPE, headers=_HEADERS)
    last = first
    async with aclosing(lines):
        async for line in lines:
            last = line
    return Response(written(last if empty else reply.whole(last)), media_type="application/json")


def fitted(engine: Engine, request: Wanted, num_ctx: int | None) -> Wanted:
    """The request with no more `max_tokens` than the window leaves, or than `num_ctx` of it leaves.

    Raises `InvalidInputError` for a `num_ctx` that is more than the window, `ContextOverflowError` when
    the prompt leaves no room for an answer.
    """
    prompt = engine.count_prompt(request)
    window = engine.context
    if num_ctx is not None and num_ctx > window:
        raise InvalidInputError(
            f"num_ctx = {num_ctx} and the model's window is {window} tokens",
            hint="leave num_ctx out or raise engine.context",
        )
    room = num_ctx or window
    if prompt >= room:
        named = f"num_ctx is {room}" if num_ctx else f"the model's window is {room}"
        raise ContextOverflowError(
            f"the prompt has {prompt} tokens and {named}; nothing was cut",
            hint="shorten the prompt, or raise num_ctx" if num_ctx else "shorten it or raise engine.context",
        )
    return replace(request, max_tokens=min(request.max_tokens, room - prompt))


def _plan(daemon: Daemon, body: ChatBody | GenerateBody) -> Callable[[Stream, Job], None]:
    """What to do in the lane. Raises `InvalidInputError` before anything is queued."""
    num_ctx = body.settings.num_ctx
    if body.name == WITH_MEMORY:
        window = daemon.engine.context
        if num_ctx is not None and num_ctx != window:
            raise InvalidInputError(
                f"num_ctx = {num_ctx} and the model {WITH_MEMORY!r} works with {window} tokens",
                hint="leave num_ctx out",
            )
        question = question_of(body, WITH_MEMORY, daemon.engine.name)
        return lambda stream, job: answer(daemon, question, stream, job)
    wanted = request_of(body, daemon.config.settings.engine.reply_tokens)

    def work(stream: Stream, job: Job) -> None:
        began = time.monotonic()

        def talk() -> dict[str, Any]:
            _await_engine(daemon.engine, job)
            request = wanted if job.cancel.is_set() else fitted(daemon.engine, wanted, num_ctx)
            return generate(daemon, request, stream, job, began)

        run(daemon, stream, job, talk)

    return work


def _loading(daemon: Daemon) -> Callable[[Stream, Job], None]:
    """What a request without a prompt asks for."""

    def work(stream: Stream, job: Job) -> None:
        def wait() -> dict[str, Any]:
            _await_engine(daemon.engine, job)
            return {}

        run(daemon, stream, job, wait)

    return work


def _await_engine(engine: Engine, job: Job) -> None:
    """Until the model is there, so that its window is known. Raises why it cannot be."""
    while engine.health().state in ("starting", "restarting") and not job.cancel.wait(0.1):
        pass
    if engine.health().state != "ready" and not job.cancel.is_set():
        # A model that was missing may have been fetched meanwhile.
        engine.start()


async def _lines(request: Request, stream: Stream, reply: Answer, *, empty: bool) -> AsyncGenerator[Line]:
    """The lines of an answer. Raises what the job reported, also when it ended without a word."""
    done = False
    async with aclosing(events(request, stream)) as coming:
        async for event in coming:
            if empty and event.name == "done":
                yield reply.loaded()
                return
            for line in reply.take(event):
                done = bool(line["done"])
                yield line
    if not done:
        raise NexusError("the answer broke off", hint="see the log")


async def _sent(first: Line, rest: AsyncGenerator[Line]) -> AsyncIterator[bytes]:
    """The bytes of a stream that began with `first`."""
    yield written(first)
    try:
        async with aclosing(rest):
            async for line in rest:
                yield written(line)
    except NexusError as error:
        yield broken_off(error)
