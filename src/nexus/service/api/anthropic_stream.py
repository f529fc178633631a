"""An answer as Anthropic's message: its events one by one, and the whole message from the same.

Knows the events of `service.answer`, not HTTP. Invariants: every content block that is started is
stopped, before the next one and before the end; a message that was sent whole is the one that the events
would have built.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from nexus.core.errors import BusyError, EngineError, NexusError, revived
from nexus.service.api import anthropic_errors
from nexus.service.stream import Event

PING = Event("ping", {"type": "ping"})
# Claude Code gives a stream up after 300 seconds of nothing but pings, which its package swallows. It
# counts this, which says that nothing has changed.
NO_CHANGE = Event(
    "message_delta",
    {
        "type": "message_delta",
        "delta": {"stop_reason": None, "stop_sequence": None},
        "usage": {"output_tokens": 0},
    },
)


class Answer:
    """One message while it grows. `model` is the name it is sent under; `stops` end it; `thoughts`: whether
    the client wants to see what the model says to itself."""

    def __init__(self, model: str, stops: Sequence[str] = (), *, thoughts: bool = False) -> None:
        self.message: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(0, 0, 0),
        }
        self._stops = _Stops(stops)
        self._open = ""  # the kind of the block that is being sent
        self._thoughts = thoughts
        # The answer was given less room than was asked for.
        self._short = False

    @property
    def stopped(self) -> bool:
        """A stop text has come: nothing of what the model says from now on is wanted."""
        return bool(self._stops.found)

    def start(self) -> Event:
        """The first event: the message before anything has been said.

        Tokens are told at the end: Claude Code adds up what it was told at each sign of life.
        """
        before: dict[str, Any] = {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(0, 0, 0),
        }
        message = {**self.message, **before}
        return Event("message_start", {"type": "message_start", "message": message})

    def take(self, event: Event) -> list[Event]:
        """What an event of the job is to the client. Raises what the job reported."""
        match event:
            case Event("counted", {"short": short}):
                self._short = short
            case Event("thinking", {"text": text}):
                return self._think(text) if self._thoughts and not self.stopped else []
            case Event("token", {"text": text}):
                return [] if self.stopped else self._say(self._stops.push(text))
            case Event("tool_call", call):
                return [] if self.stopped else self._call(call)
            case Event("done", done):
                return self._finish(done)
            case Event("error", data):
                raise error_of(data)
        return []

    def _say(self, text: str) -> list[Event]:
        if not text:
            return []
        events = self._in("text", {"type": "text", "text": ""})
        self.message["content"][-1]["text"] += text
        return [*events, self._delta({"type": "text_delta", "text": text})]

    def _think(self, text: str) -> list[Event]:
        # Nobody checks our thoughts when they come back: they are left out then.
        said = self._say(self._stops.flush())
        events = [*said, *self._in("thinking", {"type": "thinking", "thinking": "", "signature": ""})]
        self.message["content"][-1]["thinking"] += text
        return [*events, self._delta({"type": "thinking_delta", "thinking": text})]

    def _in(self, kind: str, block: dict[str, Any]) -> list[Event]:
        """What opens such a block, where it is not open."""
        return [] if self._open == kind else [*self._end(), self._begin(block)]

    def _call(self, call: dict[str, Any]) -> list[Event]:
        try:
            given = json.loads(call["arguments"] or "{}")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise EngineError(
                f"the model called {call['name']} with arguments that are no JSON object", hint="ask again"
            )
        block = {"type": "tool_use", "id": call["id"], "name": call["name"], "input": {}}
        # What was held back in search of stop texts was said before the call.
        events = [*self._say(self._stops.flush()), *self._end(), self._begin(block)]
        self.message["content"][-1]["input"] = given
        partial = json.dumps(given, ensure_ascii=False)
        return [*events, self._delta({"type": "input_json_delta", "partial_json": partial}), *self._end()]

    def _finish(self, done: dict[str, Any]) -> list[Event]:
        events = [] if self.stopped else self._say(self._stops.flush())
        usage = done["usage"]
        self.message["stop_reason"] = self._reason(done["finish_reason"])
        self.message["stop_sequence"] = self._stops.found or None
        self.message["usage"] = _usage(
            usage["prompt_tokens"], usage["cached_tokens"], usage["completion_tokens"]
        )
        delta = {key: self.message[key] for key in ("stop_reason", "stop_sequence")}
        return [
            *events,
            *self._end(),
            Event("message_delta", {"type": "message_delta", "delta": delta, "usage": self.message["usage"]}),
            Event("message_stop", {"type": "message_stop"}),
        ]

    def _reason(self, reason: str) -> str:
        if self.stopped:
            return "stop_sequence"
        if reason == "cancelled":
            raise BusyError("the service is stopping", hint="try again")
        if any(block["type"] == "tool_use" for block in self.message["content"]):
            return "tool_use"
        if reason == "length":
            return "model_context_window_exceeded" if self._short else "max_tokens"
        return "end_turn"

    def _begin(self, block: dict[str, Any]) -> Event:
        self._open = block["type"]
        self.message["content"].append(block)
        data = {"type": "content_block_start", "index": self._index, "content_block": dict(block)}
        return Event("content_block_start", data)

    def _delta(self, delta: dict[str, Any]) -> Event:
        data = {"type": "content_block_delta", "index": self._index, "delta": delta}
        return Event("content_block_delta", data)

    def _end(self) -> list[Event]:
        if not self._open:
            return []
        self._open = ""
        return [Event("content_block_stop", {"type": "content_block_stop", "index": self._index})]

    @property
    def _index(self) -> int:
        return len(self.message["content"]) - 1


class _Stops:
    """Looks for stop texts in text that comes in pieces. `found` is the one that ended it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._keep = max(map(len, stops), default=1) - 1
        self._held = ""
        self.found = ""

    def push(self, text: str) -> str:
        """What may be shown: nothing that may still be the beginning of a stop text."""
        self._held += text
        places = [(at, stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if places:
            end, self.found = min(places)
        else:
            end = max(0, len(self._held) - self._keep)
        shown, self._held = self._held[:end], self._held[end:]
        return shown

    def flush(self) -> str:
        """The text has ended here: what was held back was no stop text."""
        shown, self._held = self._held, ""
        return shown


async def paced(events: AsyncIterator[Event], seconds: float) -> AsyncGenerator[Event]:
    """The events, and a ping whenever there was none for `seconds`."""
    coming: asyncio.Task[Event] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=seconds)
            if not done:
                yield PING
                continue
            came, coming = coming, None
            try:
                event = came.result()
            except StopAsyncIteration:
                return
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming


def error_of(data: dict[str, Any]) -> NexusError:
    """The error that a job reported."""
    error = data["error"]
    return revived(error["code"], error["message"], error["hint"])


def error_event(error: NexusError) -> Event:
    """The last event of an answer that could not be given."""
    return Event("error", anthropic_errors.body_of(error))


def _usage(prompt: int, cached: int, answer: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": answer,
    }
