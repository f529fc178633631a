"""Chat and texts over an OpenAI-compatible server: the request body, and the answer's chunks as events.

Shared by both engines. Does not know which server answers, how it is started or how it counts.
Invariants: an answer either ends with a `Finish` or raises; a stream cut short is never passed
off as a complete answer; a call of a tool is given out whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from threading import Event
from typing import Any

from nexus.core.errors import EngineError
from nexus.engine.base import (
    AnswerEvent,
    ChatMessage,
    ChatRequest,
    Delta,
    Finish,
    FinishReason,
    ToolCall,
    Usage,
)
from nexus.engine.call_parts import CallParts
from nexus.engine.completion import CompletionRequest
from nexus.engine.wire import ConnectionLostError, Wire, refusal


class ChatClient:
    """`chat` for one model behind `wire`. `extra` goes into every request body as it is."""

    def __init__(self, wire: Wire, *, model: str, path: str, extra: Mapping[str, Any] | None = None) -> None:
        self._wire = wire
        self._model = model
        self._path = path
        self._extra = dict(extra or {})

    def chat(
        self, request: ChatRequest | CompletionRequest, cancel: Event, *, prompt_tokens: int, started: float
    ) -> Generator[AnswerEvent, None, None]:
        """Stream the answer to a chat or to a text. `prompt_tokens` is used where the server reports none.

        `started` is the monotonic moment from which `Finish` counts its seconds.
        Raises `EngineError`, and `ContextOverflowError` when the server says so.
        """
        answer = _Answer(prompt_tokens, started)
        events = self._wire.stream(self._path, self._body(request), cancel)
        with closing(events):
            for data in events:
                if cancel.is_set():
                    break
                if data == "[DONE]":
                    answer.done = True
                    break
                yield from answer.take(_chunk(self._wire.label, data), self._wire.label)
        if cancel.is_set() and not answer.done:
            yield answer.finish("cancelled")
            return
        if answer.reason is None and not answer.done:
            raise ConnectionLostError(
                f"{self._wire.label} ended the stream before the answer was complete",
                hint="try again; if it happens often, read the server's log",
            )
        yield from answer.end(self._wire.label)

    def _body(self, request: ChatRequest | CompletionRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._extra,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body["seed"] = request.seed
        for name in ("top_k", "min_p", "presence_penalty", "frequency_penalty"):
            if value := getattr(request, name):
                body[name] = value
        if isinstance(request, CompletionRequest):
            return body | completion_fields(request)
        body["messages"] = message_objects(request.messages)
        if request.schema is not None:
            wanted = {"name": "answer", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return body | tool_fields(request)


class _Answer:
    """What has been received of one answer so far."""

    def __init__(self, prompt_tokens: int, started: float) -> None:
        self.done = False
        self.reason: FinishReason | None = None
        self._prompt_tokens = prompt_tokens
        self._started = started
        self._first: float | None = None
        self._pieces = 0
        self._usage: Usage | None = None
        self._calls = CallParts()

    def take(self, chunk: Mapping[str, Any], label: str) -> Iterator[Delta | ToolCall]:
        if chunk.get("error"):
            raise refusal(label, 0, chunk["error"])
        self._usage = _usage(chunk.get("usage")) or self._usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            thought = delta.get("reasoning_content") or delta.get("reasoning")
            # A text that is continued comes as `text`, beside no delta.
            said = delta.get("content") or choice.get("text")
            for text, reasoning in ((thought, True), (said, False)):
                if not text:
                    continue
                if not isinstance(text, str):
                    raise EngineError(f"{label} sent a {type(text).__name__} where text belongs")
                self._received()
                yield Delta(text, reasoning)
            for part in delta.get("tool_calls") or ():
                self._received()
                yield from self._calls.take(part, label)
            if choice.get("finish_reason"):
                self.reason = _reason(choice["finish_reason"], label)

    def end(self, label: str) -> Iterator[ToolCall | Finish]:
        """What the stream held at its end. Raises `EngineError` for a call that is none."""
        yield from self._calls.end(label, cut=self.reason == "length")
        # Some servers say "stop" after calls too.
        reason = self.reason or "stop"
        yield self.finish("tool_calls" if reason == "stop" and self._calls.given else reason)

    def _received(self) -> None:
        self._pieces += 1
        if self._first is None:
            self._first = time.monotonic() - self._started

    def finish(self, reason: FinishReason) -> Finish:
        usage = self._usage or Usage(self._prompt_tokens, self._pieces, exact=False)
        return Finish(reason, usage, self._first, time.monotonic() - self._started)


def message_objects(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The messages as the API writes them."""
    objects = []
    for message in messages:
        written: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            written["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id:
            written["tool_call_id"] = message.tool_call_id
        objects.append(written)
    return objects


def completion_fields(request: CompletionRequest) -> dict[str, Any]:
    """`prompt` and `suffix` as the API writes them."""
    fields = {"prompt": request.prompt}
    return fields if request.suffix is None else {**fields, "suffix": request.suffix}


def tool_fields(request: ChatRequest) -> dict[str, Any]:
    """`tools` and `tool_choice` as the API writes them; nothing where there are no tools."""
    if not request.tools:
        return {}
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in request.tools
    ]
    choice = request.tool_choice
    named = {"type": "function", "function": {"name": choice.name}}
    return {"tools": tools, "tool_choice": named if choice.name else choice.mode}


def _chunk(label: str, data: str) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise EngineError(f"{label} sent an event that is not JSON: {data[:80]!r}") from error
    if not isinstance(value, dict):
        raise EngineError(f"{label} sent an event that is no JSON object: {data[:80]!r}")
    return value


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    details = value.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(prompt, completion, cached if isinstance(cached, int) else 0)


def _reason(value: str, label: str) -> FinishReason:
    if value == "length":
        return "length"
    if value in ("stop", "eos", "end_turn", "stop_sequence"):
        return "stop"
    if value in ("tool_calls", "function_call", "tool_use"):
        return "tool_calls"
    raise EngineError(f"{label} ended the answer with {value!r}, so it is not complete")
