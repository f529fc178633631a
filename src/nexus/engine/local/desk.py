"""Between the socket and the scheduler: requests in the words of the chat API, answers as its chunks.

Does not compute and does not know HTTP. Invariant: a request that cannot be answered whole is refused
before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from nexus.core.errors import InvalidInputError
from nexus.engine.base import MOST_SCORED, Tool, ToolCall, refuse_overflow
from nexus.engine.local.answer import Answer, Constraint, Ended, Failed, Progress, Score, Text
from nexus.engine.local.canonical import canonical
from nexus.engine.local.constraint import Grammars
from nexus.engine.local.names import Tokens
from nexus.engine.local.raw import encode_raw
from nexus.engine.local.scheduler import Scheduler
from nexus.engine.local.scored import Scored
from nexus.engine.local.streams import Streams
from nexus.engine.local.template import ChatTemplate, encode
from nexus.engine.local.thoughts import ThoughtText, begun
from nexus.engine.local.tools import ToolText
from nexus.engine.local.wishes import Wishes, sampler

if TYPE_CHECKING:
    from nexus._engine import Model


class ChatDesk:
    """One model. `window` is the most tokens of one conversation, answer included."""

    def __init__(
        self, model: Model, streams: Streams, scheduler: Scheduler, template: ChatTemplate, *, window: int
    ) -> None:
        self._model = model
        self._streams = streams
        self._scheduler = scheduler
        self._template = template
        self._grammars = Grammars(model.tokenizer)
        self._window = window

    def properties(self) -> Mapping[str, Any]:
        running, waiting = self._scheduler.load
        return {
            "default_generation_settings": {"n_ctx": self._window},
            "model": self._model.config,
            "weight_bytes": self._model.bytes,
            "threads": self._model.threads,
            "running": running,
            "waiting": waiting,
            "reading": self._scheduler.reading,
        }

    def tokenize(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if body.get("parse_special"):
            return {"tokens": self._raw(body, "content").tolist()}
        return {"tokens": self._plain(body, "content").tolist()}

    def count(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"input_tokens": len(self._prompt(body, Wishes.of(body).offered))}

    def chat(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        wishes = Wishes.of(body)
        prompt = self._prompt(body, wishes.offered)
        thoughts = None
        # What is held to a grammar begins with the answer.
        if self._template.thinks(self._model.tokenizer) and not wishes.held:
            thoughts = ThoughtText(inside=begun(self._model.tokenizer, prompt))
        return self._answer(body, wishes, prompt, cancel, thoughts)

    def complete(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        return self._answer(body, Wishes.of(body), self._raw(body, "prompt"), cancel)

    def _answer(
        self,
        body: Mapping[str, Any],
        wishes: Wishes,
        prompt: Tokens,
        cancel: Event,
        thoughts: ThoughtText | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        draw = sampler(body)
        if not len(prompt):
            raise InvalidInputError("the prompt is empty", hint="send a message with text")
        refuse_overflow(len(prompt), wishes.max_tokens, self._window)
        answer = Answer(
            prompt=prompt,
            sampler=draw,
            tokenizer=self._model.tokenizer,
            max_tokens=wishes.max_tokens,
            stops=wishes.stops,
            constraint=self._constraint(wishes),
            cancel=cancel,
        )
        self._scheduler.submit(answer)
        return self._chunks(answer, wishes, thoughts)

    def score(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """How likely `continuation` is behind `prompt`: `{"logprob": nats, "tokens": n}`.

        No word in them is a control token. Nothing of it is kept.
        """
        prompt = self._plain(body, "prompt", add_bos=self._model.tokenizer.adds_bos)
        scored = self._plain(body, "continuation")
        if not 0 < len(scored) <= MOST_SCORED:
            raise InvalidInputError(
                f"continuation has {len(scored)} tokens", hint=f"send a text of 1 to {MOST_SCORED} tokens"
            )
        if not len(prompt):
            raise InvalidInputError("prompt is empty", hint="send a text that is to be read before")
        refuse_overflow(len(prompt) + len(scored), 1, self._window)
        wanted = Scored(np.concatenate([prompt, scored]), len(scored))
        self._scheduler.submit(wanted)
        while True:
            event = wanted.events.get()
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Score):
                return {"logprob": event.logprob, "tokens": event.tokens}

    def _plain(self, body: Mapping[str, Any], field: str, *, add_bos: bool = False) -> Tokens:
        text = body.get(field)
        if not isinstance(text, str):
            raise InvalidInputError(f"{field} is not text", hint="send a string")
        try:
            return self._model.tokenizer.encode(text, add_bos=add_bos)
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"{field} is not text: {error}", hint="send whole characters") from None

    def manage(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`action`: `store` says what is stored; `clear` forgets all that no open answer needs."""
        action = body.get("action")
        tasks = {"store": self._streams.summary, "clear": self._streams.clear}
        task = tasks.get(str(action))
        if task is None:
            raise InvalidInputError(f"action {action!r} is unknown", hint="store or clear")
        results: SimpleQueue[Mapping[str, Any] | Exception] = SimpleQueue()

        def work() -> None:
            try:
                results.put(task())
            except Exception as error:  # handed to the thread that asked
                results.put(error)

        self._scheduler.between_steps(work)
        result = results.get()
        if isinstance(result, Exception):
            raise result
        return result

    def _raw(self, body: Mapping[str, Any], field: str) -> Tokens:
        text, suffix = body.get(field), body.get("suffix")
        if not isinstance(text, str) or not isinstance(suffix, str | None):
            raise InvalidInputError(f"{field} or suffix is not text", hint="send strings")
        return encode_raw(self._model.tokenizer, text, suffix)

    def _prompt(self, body: Mapping[str, Any], tools: Sequence[Tool]) -> Tokens:
        messages = body.get("messages")
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            raise InvalidInputError("messages is not a list of objects", hint="send the chat's messages")
        offered = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in tools
        ]
        return encode(self._model.tokenizer, self._template, canonical(messages), offered)

    def _constraint(self, wishes: Wishes) -> Constraint | None:
        if wishes.choice.mode == "required":
            return self._grammars.tool_call(wishes.tools, wishes.choice, self._template.tool_format)
        if wishes.schema is not None:
            return self._grammars.json_schema(wishes.schema, wishes.offered, self._template.tool_format)
        return self._grammars.offered(wishes.offered, self._template.tool_format)

    def _chunks(
        self, answer: Answer, wishes: Wishes, thoughts: ThoughtText | None
    ) -> Iterator[Mapping[str, Any]]:
        names = [tool.name for tool in wishes.offered]
        reader = ToolText(self._template.tool_format, names) if names else None
        calls = 0

        def said(text: str) -> Iterator[Mapping[str, Any]]:
            yield from given(reader.push(text) if reader else [text])

        def parted(pieces: Sequence[tuple[str, bool]]) -> Iterator[Mapping[str, Any]]:
            for text, thought in pieces:
                yield from [_choice({"reasoning_content": text})] if thought else said(text)

        def given(pieces: Sequence[str | ToolCall]) -> Iterator[Mapping[str, Any]]:
            nonlocal calls
            for piece in pieces:
                if isinstance(piece, str):
                    if piece:
                        yield _choice({"content": piece})
                else:
                    yield _choice({"tool_calls": [_call(calls, piece)]})
                    calls += 1

        try:
            while True:
                event = answer.events.get()
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Progress):
                    progress = {"total": event.total, "cache": event.cached, "processed": event.done}
                    yield {"choices": [], "prompt_progress": progress}
                elif isinstance(event, Text):
                    yield from parted(thoughts.push(event.text)) if thoughts else said(event.text)
                elif isinstance(event, Ended):
                    yield from parted(thoughts.flush() if thoughts else [])
                    yield from given(reader.flush() if reader else [])
                    reason = "tool_calls" if calls else event.reason
                    yield _choice({}, reason)
                    yield {"choices": [], "usage": _usage(event), "timings": _timings(event)}
                    return
        finally:
            answer.cancel.set()


def _choice(delta: Mapping[str, Any], reason: str | None = None) -> Mapping[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _call(index: int, call: ToolCall) -> Mapping[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": index, "id": call.id, "type": "function", "function": function}


def _usage(ended: Ended) -> Mapping[str, Any]:
    return {
        "prompt_tokens": ended.prompt_tokens,
        "completion_tokens": ended.answer_tokens,
        "total_tokens": ended.prompt_tokens + ended.answer_tokens,
        "prompt_tokens_details": {"cached_tokens": ended.cached_tokens},
    }


def _timings(ended: Ended) -> Mapping[str, Any]:
    return {"prompt_seconds": ended.seconds_prompt, "answer_seconds": ended.seconds_answer}
