"""An answer as OpenAI's response: its events one by one, and the whole response from the same.

Knows the events of `service.answer`, not HTTP. Invariants: every item that is added is done, before the
next one and before the end; events are numbered without a gap; a response that is sent whole is the one
that the events would have built.
"""

from __future__ import annotations

import secrets
import time
from copy import deepcopy
from typing import Any

from nexus.core.errors import BusyError, NexusError
from nexus.service.api.anthropic_stream import error_of
from nexus.service.stream import Event


class Reply:
    """One response while it grows. `echoed` are the fields of the request that it repeats."""

    def __init__(self, model: str, echoed: dict[str, Any], left_out: dict[str, Any]) -> None:
        self.response: dict[str, Any] = {
            "id": f"resp_{secrets.token_hex(12)}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": [],
            "usage": None,
            # Nothing is kept: a client that reads this sends the whole conversation again.
            "store": False,
            "previous_response_id": None,
            **echoed,
            **({"nexus": {"left_out": left_out}} if left_out else {}),
        }
        self._number = 0
        self._open = False

    @property
    def ended(self) -> bool:
        """Whether the last event has been made."""
        return bool(self.response["status"] != "in_progress")

    def start(self) -> list[Event]:
        """The first events."""
        return [self._state("created"), self._state("in_progress")]

    def wait(self) -> Event:
        """A sign of life: clients give up a stream that says nothing for minutes."""
        return self._state("in_progress")

    def take(self, event: Event) -> list[Event]:
        """What an event of the job is to the client. Raises what the job reported."""
        match event:
            case Event("token", {"text": text}):
                return self._say(text)
            case Event("tool_call", call):
                return self._call(call)
            case Event("done", done):
                return self._finish(done)
            case Event("error", data):
                raise error_of(data)
        return []

    def fail(self, error: NexusError) -> list[Event]:
        """The last events of an answer that could not be given to its end."""
        events = self._end("incomplete")
        told = str(error).encode("utf-8", "backslashreplace").decode()
        self.response["error"] = {"code": error.code, "message": told}
        self.response["status"] = "failed"
        return [*events, self._state("failed")]

    def _say(self, text: str) -> list[Event]:
        events = []
        if not self._open:
            item = {"type": "message", "id": _id("msg"), "role": "assistant", "content": []}
            part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            events = [self._add({**item, "status": "in_progress"})]
            self._item["content"].append(part)
            events.append(self._event("content_part.added", **self._at, part=dict(part)))
            self._open = True
        self._item["content"][0]["text"] += text
        return [*events, self._event("output_text.delta", **self._at, delta=text, logprobs=[])]

    def _call(self, call: dict[str, Any]) -> list[Event]:
        events = self._end("completed")
        item = {"type": "function_call", "id": _id("fc"), "call_id": call["id"], "name": call["name"]}
        events.append(self._add({**item, "arguments": "", "status": "in_progress"}))
        self._item["arguments"] = arguments = call["arguments"]
        where = {"item_id": self._item["id"], "output_index": self._index}
        events.append(self._event("function_call_arguments.delta", **where, delta=arguments))
        events.append(
            self._event("function_call_arguments.done", **where, name=call["name"], arguments=arguments)
        )
        return [*events, self._done("completed")]

    def _finish(self, done: dict[str, Any]) -> list[Event]:
        reason, usage = done["finish_reason"], done["usage"]
        if reason == "cancelled":
            raise BusyError("the service is stopping", hint="try again")
        short = reason == "length"
        events = self._end("incomplete" if short else "completed")
        self.response["usage"] = {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": usage["cached_tokens"]},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"],
        }
        if short:
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        self.response["status"] = "incomplete" if short else "completed"
        return [*events, self._state(self.response["status"])]

    def _end(self, status: str) -> list[Event]:
        """End the text that is being said, if there is one."""
        if not self._open:
            return []
        self._open = False
        part = dict(self._item["content"][0])
        return [
            self._event("output_text.done", **self._at, text=part["text"], logprobs=[]),
            self._event("content_part.done", **self._at, part=part),
            self._done(status),
        ]

    def _add(self, item: dict[str, Any]) -> Event:
        self.response["output"].append(item)
        return self._event("output_item.added", output_index=self._index, item=deepcopy(item))

    def _done(self, status: str) -> Event:
        self._item["status"] = status
        return self._event("output_item.done", output_index=self._index, item=deepcopy(self._item))

    def _state(self, name: str) -> Event:
        return self._event(name, response=deepcopy(self.response))

    def _event(self, kind: str, /, **data: Any) -> Event:
        whole = {"type": f"response.{kind}", "sequence_number": self._number, **data}
        self._number += 1
        return Event(whole["type"], whole)

    @property
    def _item(self) -> dict[str, Any]:
        item: dict[str, Any] = self.response["output"][-1]
        return item

    @property
    def _index(self) -> int:
        return len(self.response["output"]) - 1

    @property
    def _at(self) -> dict[str, Any]:
        return {"item_id": self._item["id"], "output_index": self._index, "content_index": 0}


def echo_of(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request that its response repeats, as clients' types want them."""
    text = body.get("text") or {}
    kept = ("instructions", "max_output_tokens", "temperature", "top_p", "metadata", "prompt_cache_key")
    return {
        **{name: body.get(name) for name in kept},
        "tools": body.get("tools") or [],
        "tool_choice": body.get("tool_choice") or "auto",
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "text": text if text.get("format") else {**text, "format": {"type": "text"}},
        "truncation": "disabled",
    }


def _id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(12)}"
