"""The service's own interface: ask, look into the frame, see the state (seed 002)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from nexus.core.errors import InvalidInputError
from nexus.cortex.assembler import Turn
from nexus.cortex.filters import Filter
from nexus.engine.child_engine import ChildEngine
from nexus.service.answer import Question, answer, frame_for
from nexus.service.api.streaming import SSE_HEADERS, as_sse, collect, daemon_of, submit
from nexus.service.api.where import folder
from nexus.service.jobs import Lane, Priority
from nexus.service.learning import Action
from nexus.service.status import status
from nexus.service.stream import Event

router = APIRouter()


class TurnBody(BaseModel):
    """An earlier message of the conversation."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=1_000_000)


class PromptBody(BaseModel):
    """What is asked, and what was said before."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(max_length=1_000_000)
    history: list[TurnBody] = Field(default=[], max_length=200)

    def turns(self) -> tuple[Turn, ...]:
        """The history as the assembler takes it."""
        return tuple(Turn(t.role, t.content) for t in self.history)


class ContextBody(PromptBody):
    """`POST /api/context`. `tokens` is the size of the frame beside the prompt."""

    project: str = Field(default="", max_length=4096)
    tokens: int | None = Field(default=None, ge=200, le=1_000_000)
    expected: str = Field(default="", max_length=10_000, description="How the answer may read, as in recall.")


class InteractBody(PromptBody):
    """`POST /api/interact`."""

    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=1, le=65_536)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok", "service": "nexusos"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether requests are taken: 200 when ready, 503 while starting, draining or failed."""
    daemon = daemon_of(request)
    body: dict[str, Any] = {"status": daemon.state}
    if daemon.failure:
        body["error"] = {
            "code": daemon.failure.code,
            "message": daemon.failure.message,
            "hint": daemon.failure.hint,
        }
    return JSONResponse(body, 200 if daemon.state == "ready" else 503)


# Early among the routes, which are tried in turn: this is what is asked most.
@router.get("/api/status", response_model=dict[str, Any])
async def get_status(request: Request) -> Response:
    """The state of everything."""
    # Bytes already: not to be walked over once more by what makes data of models.
    return Response(await request.app.state.status.get(), media_type="application/json")


@router.post("/api/interact", response_model=None)
async def interact(request: Request, body: InteractBody) -> Response | dict[str, Any]:
    """Ask. The answer names its sources; what was learnt is proposed, not stored."""
    daemon = daemon_of(request)
    question = Question(body.prompt, body.turns(), body.max_tokens, body.temperature)
    stream, ahead = submit(
        request,
        Lane.ENGINE,
        Priority.INTERACTIVE,
        lambda stream, job: answer(daemon, question, stream, job),
    )
    if body.stream:
        return as_sse(request, stream, ahead)
    seen = await collect(request, stream)
    return {**seen["done"], "frame": seen["frame"], "sources": seen["frame"]["sources"]}


@router.post("/api/context")
async def context(request: Request, body: ContextBody) -> dict[str, Any]:
    """The frame for a prompt, with its text, without asking the model."""
    daemon, where = daemon_of(request), Filter(project=folder(body.project))
    more: dict[str, Any] = {"where": where, "budget": body.tokens, "expected": body.expected}
    frame = await asyncio.to_thread(lambda: frame_for(daemon, body.prompt, body.turns(), **more))
    return frame.as_dict(with_text=True)


class ControlBody(BaseModel):
    """`POST /api/control`, seed 002."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    topic: str = Field(default="", max_length=200)


@router.post("/api/control")
async def control(request: Request, body: ControlBody) -> dict[str, Any]:
    """Pause or resume background learning, start training with a topic or without, stop it."""
    daemon = daemon_of(request)
    if body.topic and body.action != "train_start":
        raise InvalidInputError(f"{body.action} takes no topic", hint="send it with train_start")
    daemon.learning.control(body.action, body.topic)
    return await asyncio.to_thread(status, daemon)


@router.get("/api/learning")
async def learning(request: Request) -> dict[str, Any]:
    """What the learner thought last and how it has come on, for who begins to look."""
    found = daemon_of(request).learning
    return {**found.as_dict(), "history": found.history(), "thoughts": found.thoughts_since(0)[1]}


@router.delete("/api/learning")
async def forget_learnt(request: Request) -> dict[str, Any]:
    """Forget everything that the learner has read and learnt."""
    found = daemon_of(request).learning
    found.forget()
    return found.as_dict()


@router.delete("/api/agents/units", status_code=202)
async def forget_units(request: Request) -> dict[str, Any]:
    """Forget every conversation that passed and was kept as units; it is done when nothing is left."""
    units = daemon_of(request).units
    units.forget()
    return units.as_dict()


@router.get("/api/events")
async def get_events(request: Request) -> StreamingResponse:
    """The status once a second and the learner's thoughts, as server-sent events, until somebody goes."""
    daemon = daemon_of(request)

    async def body() -> AsyncIterator[bytes]:
        seen, _ = daemon.learning.thoughts_since(0)
        while daemon.state in ("starting", "ready") and not await request.is_disconnected():
            yield Event("status", await asyncio.to_thread(status, daemon)).sse()
            for _ in range(4):
                await asyncio.sleep(0.25)
                seen, thoughts = daemon.learning.thoughts_since(seen)
                for thought in thoughts:
                    yield Event("thought", thought).sse()

    return StreamingResponse(body(), media_type="text/event-stream", headers=SSE_HEADERS)


@router.get("/api/engine/prefixes")
async def prefixes(request: Request) -> dict[str, Any]:
    """What the engine has stored of prompts."""
    return await asyncio.to_thread(_engine_store(request).manage, action="store")


@router.delete("/api/engine/prefixes")
async def forget_prefixes(request: Request) -> dict[str, Any]:
    """Forget all of it that no open answer needs."""
    return await asyncio.to_thread(_engine_store(request).manage, action="clear")


def _engine_store(request: Request) -> ChildEngine:
    engine = daemon_of(request).engine
    if not isinstance(engine, ChildEngine):
        raise InvalidInputError(f"{engine.name} is answered by a server", hint="it stores nothing here")
    return engine
