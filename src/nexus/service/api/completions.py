"""OpenAI's older interface: a text is continued as it stands, without roles and template.

For editors that complete code and for whoever writes a model's marks himself. Invariant: what is asked
for and cannot be done is refused by name before anything is queued.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from nexus.core.errors import InvalidInputError
from nexus.engine.completion import CompletionRequest
from nexus.service.answer import complete
from nexus.service.api.errors import openai_event
from nexus.service.api.fields import Body, count_unknown
from nexus.service.api.openai import data_line, usage_of
from nexus.service.api.openai_body import StreamOptions, check_model
from nexus.service.api.sound import sound
from nexus.service.api.streaming import SSE_HEADERS, collected, daemon_of, events, submit
from nexus.service.jobs import Lane, Priority
from nexus.service.stream import Event, Stream

router = APIRouter(prefix="/v1")
MOST_PROMPTS = 64


class CompletionBody(Body):
    """`POST /v1/completions`; unknown fields are accepted and counted."""

    model: str
    prompt: str | list[str] | list[int] | list[list[int]]
    suffix: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    presence_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    frequency_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    stop: str | list[str] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    echo: bool | None = None
    n: int | None = None
    best_of: int | None = None
    logprobs: int | None = None
    logit_bias: dict[str, float] | None = None


@router.post("/completions", response_model=None)
async def completions(request: Request, body: CompletionBody) -> Response | dict[str, Any]:
    """Continue one text or several, whole or as a stream."""
    daemon = daemon_of(request)
    check_model(daemon, body.model, memory_at="/v1/chat/completions")
    asked = requests_of(body, daemon.config.settings.engine.reply_tokens)
    count_unknown(request, body)
    stream, _ = submit(
        request, Lane.ENGINE, Priority.AGENT, lambda stream, job: complete(daemon, asked, stream, job)
    )
    head = {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": body.model,
    }
    echoed = [one.prompt if body.echo else "" for one in asked]
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = _chunks(request, stream, head, echoed, with_usage)
        return StreamingResponse(chunks, media_type="text/event-stream", headers=SSE_HEADERS)
    choices, done = [], {}
    async for event in collected(request, stream):
        if event.name == "ended":
            ended = event.data
            text = echoed[ended["index"]] + ended["reply"]
            choices.append(_choice(ended["index"], text, ended["finish_reason"]))
        elif event.name == "done":
            done = event.data
    return {**head, "choices": choices, "usage": usage_of(done)}


def requests_of(body: CompletionBody, reply_tokens: int) -> list[CompletionRequest]:
    """What the engine is asked, text by text. `reply_tokens` where the client does not say how many.

    Raises `InvalidInputError` naming the field that cannot be served.
    """
    for name in ("n", "best_of"):
        if getattr(body, name) not in (None, 1):
            raise InvalidInputError(
                f"{name} = {getattr(body, name)} is not supported", hint="ask once for each choice"
            )
    # 0 asks for the probability of each token that was chosen.
    if body.logprobs is not None or body.logit_bias:
        name = "logit_bias" if body.logit_bias else "logprobs"
        raise InvalidInputError(f"{name} is not supported", hint="leave it out")
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if not prompts or len(prompts) > MOST_PROMPTS:
        raise InvalidInputError(f"prompt holds {len(prompts)} texts", hint=f"send 1 to {MOST_PROMPTS}")
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    asked = []
    for prompt in prompts:
        if not isinstance(prompt, str):
            raise InvalidInputError(
                "prompt is a list of token ids, which are not read here", hint="send the text itself"
            )
        asked.append(
            CompletionRequest(
                prompt=sound(prompt, "prompt"),
                suffix=None if body.suffix is None else sound(body.suffix, "suffix"),
                max_tokens=body.max_tokens or reply_tokens,
                temperature=0.7 if body.temperature is None else body.temperature,
                top_p=1.0 if body.top_p is None else body.top_p,
                stop=tuple(sound(text, "stop") for text in stop),
                seed=body.seed,
                presence_penalty=body.presence_penalty or 0.0,
                frequency_penalty=body.frequency_penalty or 0.0,
            )
        )
    return asked


async def _chunks(
    request: Request, stream: Stream, head: dict[str, Any], echoed: list[str], with_usage: bool
) -> AsyncIterator[bytes]:
    def chunk(index: int, text: str, reason: str | None = None) -> bytes:
        return data_line({**head, "choices": [_choice(index, text, reason)]})

    for index, text in enumerate(echoed):
        if text:
            yield chunk(index, text)
    async for event in events(request, stream):
        match event:
            case Event("token", token):
                yield chunk(token["index"], token["text"])
            case Event("ended", ended):
                yield chunk(ended["index"], "", ended["finish_reason"])
            case Event("error", told):
                yield data_line(openai_event(told))
            case Event("done", done):
                if with_usage:
                    yield data_line({**head, "choices": [], "usage": usage_of(done)})
    yield b"data: [DONE]\n\n"


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "finish_reason": reason, "logprobs": None}
