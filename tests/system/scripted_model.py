"""A model with a script, behind the Messages API and the Responses API, on a port of this machine.

The real agents (`claude`, `codex`) talk to it as they would to their vendors. It stands for the model
only: no model of theirs can be had without a network. It keeps every request, which shows what the
model would have read, and says what `words` gives ("Noted.") unless `script` gives a tool to be called.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]
Script = Callable[[Request], tuple[str, dict[str, Any]] | None]


class ScriptedModel:
    """What was asked of the model, and what it is to do."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.keys: list[str] = []
        self.script: Script = lambda request: None
        self.words: Callable[[Request], str] = lambda request: "Noted."
        self.url = ""

    @property
    def read(self) -> str:
        """Everything the model was given to read, as text."""
        return json.dumps([r.get("messages") or r.get("input") for r in self.requests], ensure_ascii=False)


def call_once(name: str, **arguments: Any) -> Script:
    """A script that calls one tool, once, as soon as the agent offers it."""

    def script(request: Request) -> tuple[str, dict[str, Any]] | None:
        offered = any(tool.get("name") == name for tool in request.get("tools", ()))
        called = '"tool_result"' in json.dumps(request.get("messages"))
        return (name, arguments) if offered and not called else None

    return script


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """Serve until the context ends."""
    model = ScriptedModel()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            model.keys.append(self.headers.get("authorization", ""))
            request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            if self.path.startswith("/v1/messages") and "count_tokens" not in self.path:
                model.requests.append(request)
                self._stream(_message(request, model.script(request), model.words(request)))
            elif self.path.startswith("/v1/responses"):
                model.requests.append(request)
                self._stream(_response())
            else:
                self._send({"input_tokens": 1})

        def do_GET(self) -> None:
            self._send({"data": [], "models": []})

        def do_HEAD(self) -> None:
            self._send({})

        def _stream(self, events: list[dict[str, Any]]) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for event in events:
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.close_connection = True

        def _send(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _message(request: Request, call: tuple[str, dict[str, Any]] | None, words: str) -> list[dict[str, Any]]:
    start = {
        "id": f"msg_{len(request['messages'])}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    block: dict[str, Any] = {"type": "text", "text": ""}
    delta: dict[str, Any] = {"type": "text_delta", "text": words}
    if call:
        # Agents tell calls apart by their ids.
        number = len(request["messages"])
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": call[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
    stop = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def _response() -> list[dict[str, Any]]:
    text = {"type": "output_text", "text": "Noted.", "annotations": []}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return [
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "r", "usage": usage}},
    ]
