"""OpenAI's chat interface. Model `nexus` answers with memory; the model's own name passes through.

Fields that are not implemented are refused when they would change the answer (tools, several choices),
ignored when they would not (user, metadata).
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.assembler import Turn
from nexus.engine.base import ChatMessage, ChatRequest
from nexus.service.answer import Question, answer, chat
from nexus.service.api.streaming import SSE_HEADERS, collect, daemon_of, events, submit
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority
from nexus.service.stream import Event, Stream

router = APIRouter(prefix="/v1")
WITH_MEMORY = "nexus"


class Part(BaseModel):
    """A piece of a message's content."""

    type: str
    text: str = ""


class Message(BaseModel):
    """One message."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]

    def text(self) -> str:
        """The content as text. Raises `InvalidInputError` for images and the like."""
        if isinstance(self.content, str):
            return self.content
        for part in self.content:
            if part.type != "text":
                raise InvalidInputError(f"content of type {part.type!r} is not supported", hint="send text")
        return "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What the stream should hold besides text."""

    include_usage: bool = False


class ChatBody(BaseModel):
    """`POST /v1/chat/completions`; unknown fields are accepted."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=2000)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    stop: str | list[str] | None = None
    seed: int | None = None
    n: int = 1
    tools: list[Any] | None = None


@router.get("/models")
async def models(request: Request) -> dict[str, Any]:
    """The model with memory, and the model as it is."""
    names = [WITH_MEMORY, daemon_of(request).engine.name]
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{name}")
async def model(request: Request, name: str) -> dict[str, Any]:
    """One model."""
    _check_model(daemon_of(request), name)
    return _model(name)


@router.post("/chat/completions", response_model=None)
async def completions(request: Request, body: ChatBody) -> Response | dict[str, Any]:
    """Answer a conversation, whole or as a stream."""
    daemon = daemon_of(request)
    _check_model(daemon, body.model)
    if body.n != 1:
        raise InvalidInputError(f"n = {body.n} is not supported", hint="ask once for each choice")
    if body.tools:
        raise InvalidInputError("tools are not supported yet", hint="leave `tools` out")
    stream, _ = submit(request, Lane.ENGINE, Priority.AGENT, _plan(daemon, body))
    name, made = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    head = {"id": name, "created": made, "model": body.model}
    if body.stream:
        return StreamingResponse(
            _chunks(request, stream, head, body.stream_options.include_usage),
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
                "message": {"role": "assistant", "content": done["reply"]},
                "finish_reason": done["finish_reason"],
                "logprobs": None,
            }
        ],
        "usage": _usage(done),
        **({"nexus": seen["frame"]} if "frame" in seen else {}),
    }


def _plan(daemon: Daemon, body: ChatBody) -> Callable[[Stream, Job], None]:
    """What to do in the lane. Raises `InvalidInputError` before anything is queued."""
    messages = [(m.role, m.text()) for m in body.messages]
    length = body.max_completion_tokens or body.max_tokens
    if body.model == WITH_MEMORY:
        *earlier, (role, prompt) = messages
        if role != "user":
            raise InvalidInputError(f"the last message is of role {role!r}", hint="end with the user's")
        turns = tuple(Turn(r, text) for r, text in earlier if r == "user" or r == "assistant")
        question = Question(prompt, turns, length, body.temperature or 0.0)
        return lambda stream, job: answer(daemon, question, stream, job)
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    request = ChatRequest(
        messages=tuple(ChatMessage("system" if r == "developer" else r, text) for r, text in messages),
        max_tokens=length or daemon.config.settings.engine.reply_tokens,
        temperature=0.7 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        stop=tuple(stop),
        seed=body.seed,
    )
    return lambda stream, job: chat(daemon, request, stream, job)


async def _chunks(
    request: Request, stream: Stream, head: dict[str, Any], with_usage: bool
) -> AsyncIterator[bytes]:
    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return _data({**head, "object": "chat.completion.chunk", "choices": [choice], **more})

    yield chunk({"role": "assistant", "content": ""})
    async for event in events(request, stream):
        match event:
            case Event("frame", frame):
                yield chunk({}, nexus=frame)
            case Event("token", token):
                yield chunk({"content": token["text"]})
            case Event("error", data):
                error = data["error"]
                text = f"{error['message']} ({error['hint']})" if error["hint"] else error["message"]
                kind = "invalid_request_error" if data["status"] < 500 else "server_error"
                yield _data({"error": {"message": text, "type": kind, "code": error["code"]}})
            case Event("done", done):
                yield chunk({}, done["finish_reason"])
                if with_usage:
                    last = {**head, "object": "chat.completion.chunk", "choices": []}
                    yield _data({**last, "usage": _usage(done)})
    yield b"data: [DONE]\n\n"


def _data(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def _usage(done: dict[str, Any]) -> dict[str, Any]:
    usage = done["usage"]
    return {
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
        "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
        "prompt_tokens_details": {"cached_tokens": usage["cached_tokens"]},
    }


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "nexusos"}


def _check_model(daemon: Daemon, name: str) -> None:
    known = (WITH_MEMORY, daemon.engine.name)
    if name not in known:
        raise NotFoundError(f"no model {name!r}", hint=f"there are {', '.join(known)}")
