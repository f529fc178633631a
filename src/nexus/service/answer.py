"""One question, answered: recall, assemble the frame, ask the model, note what was learnt.

Runs in the engine's lane. Everything it has to say goes out as events, in the order of `/api/interact`:
`frame`, `token`*, `done`, or `error`; where tools were offered, `tool_call`* among the tokens, and
`thinking`* before them where a model says something to itself first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from nexus.core.errors import NexusError
from nexus.cortex.assembler import SYSTEM, Frame, Turn
from nexus.cortex.filters import Filter
from nexus.engine.base import ChatMessage, ChatRequest, Delta, Finish, FinishReason, ToolCall
from nexus.engine.completion import CompletionRequest
from nexus.engine.worker_settings import PEER_CONTEXT
from nexus.service import approval
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job
from nexus.service.stream import Emitter, Stream
from nexus.service.units import OWN_PROGRAM

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks. `max_tokens` None takes the configured length."""

    prompt: str
    history: tuple[Turn, ...] = ()
    max_tokens: int | None = None
    temperature: float = 0.0


def frame_for(
    daemon: Daemon,
    prompt: str,
    history: Sequence[Turn],
    *,
    where: Filter | None = None,
    budget: int | None = None,
    expected: str = "",
) -> Frame:
    """The context frame, counted in the model's own tokens when the model is there.

    It may hold `budget` tokens beside the prompt (default `cortex.frame_tokens`), but never more than
    the model's window has room for.
    """
    engine, settings = daemon.engine, daemon.config.settings
    window = engine.context or settings.engine.context or PEER_CONTEXT
    # The reply, the system message and the template's marks need room beside the frame.
    most = window - settings.engine.reply_tokens - 128
    ready = engine.health().state == "ready"
    count = engine.count_tokens if ready else None
    return daemon.cortex.frame(
        prompt, history, count=count, most=most, where=where, budget=budget, expected=expected
    )


def answer(daemon: Daemon, question: Question, stream: Stream, job: Job) -> None:
    """Answer with memory: the events of `/api/interact`."""

    began = time.monotonic()

    def work() -> dict[str, Any]:
        frame = frame_for(daemon, question.prompt, question.history)
        stream.emit("frame", frame.as_dict())
        answerable = _holds_answer(daemon, frame, job)
        prompt = frame.prompt if answerable or not frame.sources else frame.abstention
        request = ChatRequest(
            messages=_messages(prompt),
            max_tokens=question.max_tokens or daemon.config.settings.engine.reply_tokens,
            temperature=question.temperature,
        )
        asked = ChatRequest(
            (
                *(ChatMessage(t.role, t.content) for t in question.history),
                ChatMessage("user", question.prompt),
            )
        )
        done = generate(daemon, request, stream, job, began, asked=asked)
        proposals = approval.hear(
            daemon.cortex, daemon.learning, question.prompt, learnt=f"{question.prompt}\n\n{done['reply']}"
        )
        return {
            **done,
            "answerable": answerable,
            "proposals": [p.as_dict() for p in proposals],
        }

    run(daemon, stream, job, work)


def _messages(prompt: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage("system", SYSTEM), ChatMessage("user", prompt))


def _holds_answer(daemon: Daemon, frame: Frame, job: Job) -> bool:
    """Whether the frame's texts answer its question: nothing found is no, then the model is asked."""
    if not frame.sources or not daemon.config.settings.cortex.check_answer:
        return bool(frame.sources)
    request = ChatRequest(messages=_messages(frame.check), max_tokens=4, temperature=0.0)
    pieces = daemon.inference.call(lambda: list(daemon.engine.chat(request, job.cancel)))
    said = "".join(p.text for p in pieces if isinstance(p, Delta) and not p.reasoning)
    return not said.strip().lower().startswith("no")


def chat(daemon: Daemon, request: ChatRequest, stream: Stream, job: Job, *, one_call: bool = False) -> None:
    """Pass messages to the model as they are. `one_call` ends the answer with its first tool call."""
    began = time.monotonic()
    run(daemon, stream, job, lambda: generate(daemon, request, stream, job, began, one_call=one_call))


def run(daemon: Daemon, stream: Stream, job: Job, work: Any) -> None:
    """Do `work` and end the stream with its result as `done`, or with `error`."""
    try:
        if job.cancel.is_set():
            stream.emit("error", envelope(NexusError("the service is stopping", hint="try again")))
            return
        stream.emit("done", work())
        daemon.metrics.answered(ok=True)
    except NexusError as error:
        daemon.metrics.answered(ok=error.http_status < 500)
        stream.emit("error", envelope(error))
    except Exception as error:
        daemon.metrics.answered(ok=False)
        _log.exception("answering failed")
        stream.emit("error", envelope(NexusError(f"a bug of NexusOS: {error!r}", hint="see the log")))


def complete(daemon: Daemon, requests: Sequence[CompletionRequest], stream: Stream, job: Job) -> None:
    """Continue texts as they stand, one after the other: `token`* and `ended` with the text's `index`,
    then `done` with the usage of all."""
    began = time.monotonic()

    def work() -> dict[str, Any]:
        total: dict[str, int] = {}
        for index, request in enumerate(requests):
            ended = generate(daemon, request, stream.part(index), job, began)
            stream.emit("ended", {"index": index, **ended})
            for name, tokens in ended["usage"].items():
                total[name] = total.get(name, 0) + tokens
            if job.cancel.is_set():
                break
        return {"usage": total}

    run(daemon, stream, job, work)


def generate(
    daemon: Daemon,
    request: ChatRequest | CompletionRequest,
    stream: Emitter,
    job: Job,
    began: float,
    *,
    one_call: bool = False,
    asked: ChatRequest | None = None,
) -> dict[str, Any]:
    """Stream the model's reply as `token` and `tool_call` events. Returns the fields of `done`.

    `asked` is what the client has asked where that is not the request itself. Seconds are counted from
    `began`, when the work on the question was taken up. Raises `BrokenError` while the model is left alone.
    """
    done = daemon.inference.call(lambda: _generate(daemon, request, stream, job, began, one_call))
    heard = asked or (request if isinstance(request, ChatRequest) else None)
    if heard and done["finish_reason"] != "cancelled" and not job.background:
        calls = [ToolCall(call["id"], call["name"], call["arguments"]) for call in done["tool_calls"]]
        program = job.caller.program if job.caller else OWN_PROGRAM
        daemon.units.heard(
            heard, done["reply"], calls, program=program, session=job.session, project=job.project
        )
    return done


def _generate(
    daemon: Daemon,
    request: ChatRequest | CompletionRequest,
    stream: Emitter,
    job: Job,
    began: float,
    one_call: bool,
) -> dict[str, Any]:
    first: float | None = None
    parts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, str]] = []
    finish: Finish | None = None
    reason: FinishReason = "cancelled"
    enough = False
    engine = daemon.engine
    if isinstance(request, CompletionRequest):
        said = engine.complete(request, job.cancel)
    else:
        said = engine.chat(request, job.cancel)
    with closing(said) as pieces:
        for piece in pieces:
            if isinstance(piece, Finish):
                finish = piece
                reason = "tool_calls" if enough else piece.reason
                continue
            if enough:
                continue
            if isinstance(piece, Delta) and piece.reasoning:
                thoughts.append(piece.text)
                stream.emit("thinking", {"text": piece.text})
                continue
            first = first or time.monotonic() - began
            if isinstance(piece, ToolCall):
                calls.append({"id": piece.id, "name": piece.name, "arguments": piece.arguments})
                stream.emit("tool_call", calls[-1])
                if one_call:
                    enough = True
                    job.cancel.set()
            else:
                parts.append(piece.text)
                stream.emit("token", {"text": piece.text})
    usage = finish.usage if finish else None
    if usage:
        tokens = (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        daemon.metrics.tokens(*tokens)
        if job.caller:
            daemon.traffic.took(job.caller, *tokens)
    return {
        "reply": "".join(parts),
        "thoughts": "".join(thoughts),
        "tool_calls": calls,
        "finish_reason": reason,
        "usage": {
            "prompt_tokens": usage.prompt_tokens if usage else 0,
            "completion_tokens": usage.completion_tokens if usage else 0,
            "cached_tokens": usage.cached_tokens if usage else 0,
        },
        "seconds": {
            "first_token": round(first or 0.0, 3),
            "total": round(time.monotonic() - began, 3),
        },
    }


def envelope(error: NexusError) -> dict[str, Any]:
    """The error as every interface of ours sends it."""
    return {
        "error": {"code": error.code, "message": error.message, "hint": error.hint},
        "status": error.http_status,
    }
