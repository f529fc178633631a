"""OpenAI's chat interface. Model `nexus` answers with memory; the model's own name passes through.

Fields that are not implemented are refused when they would change the answer (several choices),
ignored when they would not (user, metadata).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.service.answer import answer, chat
from nexus.service.api.errors import openai_event
from nexus.service.api.fields import count_unknown
from nexus.service.api.openai_body import WITH_MEMORY, ChatBody, check_model, question_of, request_of
from nexus.service.api.sound import sound_json
from nexus.service.api.streaming import SSE_HEADERS, collect, daemon_of, events, submit
from nexus.service.asker import note_session
from nexus.service.daemon import Daemon
from nexus.service.embedding import embedder_names
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Event, Stream

router = APIRouter(prefix="/v1")


@router.get("/models")
async def models(request: Request) -> dict[str, Any]:
    """The model with memory, the model as it is, and those that make vectors."""
    return {"object": "list", "data": [_model(name) for name in _names(daemon_of(request))]}


@router.get("/models/{name:path}")
async def model(request: Request, name: str) -> dict[str, Any]:
    """One model."""
    known = _names(daemon_of(request))
    if name not in known:
        raise NotFoundError(f"no model {name!r}", hint=f"there are {', '.join(known)}")
    return _model(name)


@router.post("/chat/completions", response_model=None)
async def completions(request: Request, body: ChatBody) -> Response | dict[str, Any]:
    """Answer a conversation, whole or as a stream."""
    daemon = daemon_of(request)
    check_model(daemon, body.model)
    sound_json(body.model_dump(by_alias=True), "the request")
    count_unknown(request, body)
    note_session(request.scope, {**(body.model_extra or {})})
    if body.n not in (None, 1):
        raise InvalidInputError(f"n = {body.n} is not supported", hint="ask once for each choice")
    stream, _ = submit(request, Lane.ENGINE, Priority.AGENT, _plan(daemon, body))
    name, made = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    head = {"id": name, "created": made, "model": body.model}
    if body.stream:
        return StreamingResponse(
            _chunks(request, stream, head, bool(body.stream_options and body.stream_options.include_usage)),
            media_type="text/event-stream",
            headers=SSE_HEADERS,
        )
    seen = await collect(request, stream)
    done = seen["done"]
    return {
        **head,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": _message(done),
                "finish_reason": done["finish_reason"],
                "logprobs": None,
            }
        ],
        "usage": usage_of(done),
        **({"nexus": seen["frame"]} if "frame" in seen else {}),
    }


def _plan(daemon: Daemon, body: ChatBody) -> Callable[[Stream, Job], None]:
    """What to do in the lane. Raises `InvalidInputError` before anything is queued."""
    if body.model == WITH_MEMORY:
        question = question_of(body, WITH_MEMORY, daemon.engine.name)
        return lambda stream, job: answer(daemon, question, stream, job)
    request = request_of(body, daemon.config.settings.engine.reply_tokens)
    one_call = body.parallel_tool_calls is False
    return lambda stream, job: chat(daemon, request, stream, job, one_call=one_call)


def _message(done: dict[str, Any]) -> dict[str, Any]:
    calls = [_call(call) for call in done["tool_calls"]]
    message = {"role": "assistant", "content": done["reply"] or (None if calls else "")}
    if done["thoughts"]:
        message["reasoning_content"] = done["thoughts"]
    return {**message, "tool_calls": calls} if calls else message


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": call["arguments"]}
    return {"id": call["id"], "type": "function", "function": function}


async def _chunks(
    request: Request, stream: Stream, head: dict[str, Any], with_usage: bool
) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return data_line({**head, "object": "chat.completion.chunk", "choices": [choice], **more})

    calls = 0
    yield chunk({"role": "assistant", "content": ""})
    async for event in events(request, stream):
        match event:
            case Event("frame", frame):
                yield chunk({}, nexus=frame)
            case Event("thinking", thought):
                yield chunk({"reasoning_content": thought["text"]})
            case Event("token", token):
                yield chunk({"content": token["text"]})
            case Event("tool_call", call):
                yield chunk({"tool_calls": [{"index": calls, **_call(call)}]})
                calls += 1
            case Event("error", told):
                yield data_line(openai_event(told))
            case Event("done", done):
                yield chunk({}, done["finish_reason"])
                if with_usage:
                    last = {**head, "object": "chat.completion.chunk", "choices": []}
                    yield data_line({**last, "usage": usage_of(done)})
    yield b"data: [DONE]\n\n"


def data_line(body: dict[str, Any]) -> bytes:
    """One event of a stream without names."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def usage_of(done: dict[str, Any]) -> dict[str, Any]:
    """Tokens in the words of both interfaces for text."""
    usage = done["usage"]
    return {
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
        "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
        "prompt_tokens_details": {"cached_tokens": usage["cached_tokens"]},
    }


def _names(daemon: Daemon) -> list[str]:
    """The model with memory, the model itself, and those that make vectors."""
    return list(dict.fromkeys((WITH_MEMORY, daemon.engine.name, *embedder_names(daemon))))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "nexusos"}
