"""An answer in the lines of Ollama's interface, and the whole answer from the same events.

Knows the events of `service.answer`, not HTTP. Invariants: the last line says `done` or `error`; the
durations are in nanoseconds and add up: total = load + prompt + answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from nexus.core.errors import BusyError, EngineError, NexusError, revived
from nexus.service.api import ollama_errors
from nexus.service.stream import Event

Kind = Literal["chat", "generate"]
Line = dict[str, Any]
MEDIA_TYPE = "application/x-ndjson"
_SECOND = 10**9
_REASONS = {"tool_calls": "stop"}


class Answer:
    """One answer while it grows. `model` is the name it was asked under."""

    def __init__(self, model: str, kind: Kind, *, thoughts: bool) -> None:
        """`thoughts`: whether the client wants to see what the model says to itself."""
        self._model, self._kind, self._thoughts = model, kind, thoughts
        self._asked = time.monotonic()
        self._first: float | None = None
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._frame: dict[str, Any] | None = None

    def take(self, event: Event) -> Iterator[Line]:
        """What an event of the job is to the client. Raises what the job reported."""
        match event:
            case Event("frame", frame):
                self._frame = frame
                yield self._line(nexus=frame)
            case Event("token", {"text": text}):
                self._begun()
                self._text.append(text)
                yield self._line(text)
            case Event("thinking", {"text": text}):
                self._begun()
                if self._thoughts:
                    self._thinking.append(text)
                    yield self._line(thinking=text)
            case Event("tool_call", call):
                self._begun()
                self._calls.append(_called(call))
                yield self._line(calls=[self._calls[-1]])
            case Event("done", done):
                yield self._last(done)
            case Event("error", data):
                error = data["error"]
                raise revived(error["code"], error["message"], error["hint"])

    def whole(self, last: Line) -> Line:
        """The answer in one piece; `last` is its last line."""
        said = self._said("".join(self._text), "".join(self._thinking), self._calls)
        frame = {} if self._frame is None else {"nexus": self._frame}
        return {**last, **said, **frame}

    def loaded(self) -> Line:
        """The answer to a request without a prompt, once the model is there."""
        return self._line(done=True, done_reason="load")

    def _begun(self) -> None:
        if self._first is None:
            self._first = time.monotonic()

    def _last(self, done: dict[str, Any]) -> Line:
        reason = done["finish_reason"]
        if reason == "cancelled":
            raise BusyError("the service is stopping", hint="try again")
        now = time.monotonic()
        # What the engine's lane counts begins when the question was taken up.
        load = min(max(0.0, now - self._asked - done["seconds"]["total"]), now - self._asked)
        first = min(max(self._asked + load, self._first or now), now)
        total, answer = round((now - self._asked) * _SECOND), round((now - first) * _SECOND)
        loading = min(round(load * _SECOND), total - answer)
        return self._line(
            done=True,
            done_reason=_REASONS.get(reason, reason),
            total_duration=total,
            load_duration=loading,
            prompt_eval_count=done["usage"]["prompt_tokens"],
            prompt_eval_duration=total - loading - answer,
            eval_count=done["usage"]["completion_tokens"],
            eval_duration=answer,
        )

    def _line(
        self,
        text: str = "",
        *,
        thinking: str = "",
        calls: list[dict[str, Any]] | None = None,
        done: bool = False,
        **more: Any,
    ) -> Line:
        head = {"model": self._model, "created_at": moment(datetime.now(UTC))}
        return {**head, **self._said(text, thinking, calls or []), "done": done, **more}

    def _said(self, text: str, thinking: str, calls: list[dict[str, Any]]) -> Line:
        thought = {"thinking": thinking} if thinking else {}
        if self._kind == "generate":
            return {"response": text, **thought}
        called = {"tool_calls": calls} if calls else {}
        return {"message": {"role": "assistant", "content": text, **thought, **called}}


def _called(call: dict[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(call["arguments"] or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise EngineError(
            f"the model called {call['name']} with arguments that are no JSON object", hint="ask again"
        )
    return {"id": call["id"], "function": {"name": call["name"], "arguments": arguments}}


def moment(when: datetime) -> str:
    """`2026-11-20T04:17:00.123456Z`, as Ollama's clients read it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def written(line: Line) -> bytes:
    """One line of a stream. Half a character, which a model may write in arguments, stays an escape."""
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def broken_off(error: NexusError) -> bytes:
    """The last line of an answer that could not be given whole."""
    return written(ollama_errors.body_of(error))
