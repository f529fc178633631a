"""A language model with a script, behind the chat API that our service asks a remote engine by.

It stands for the model only: everything between the agent and the model is real. It keeps every request.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME = "scripted"


class ScriptedEngine:
    """Calls `tool` with `arguments` until a tool has answered, then says `words`."""

    def __init__(self, tool: str, arguments: dict[str, Any], words: str) -> None:
        self.tool, self.arguments, self.words = tool, arguments, words
        self.requests: list[dict[str, Any]] = []
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a service that asks it."""
        return {
            "NEXUS_ENGINE_KIND": "remote",
            "NEXUS_ENGINE_URL": self.url,
            "NEXUS_ENGINE_MODEL": NAME,
            "NEXUS_ENGINE_CONTEXT": "65536",
        }

    def answer(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks that answer a request."""
        called = any(message["role"] == "tool" for message in request["messages"])
        if called:
            deltas: list[dict[str, Any]] = [{"content": word} for word in re.findall(r"\S+\s*", self.words)]
        else:
            function = {"name": self.tool, "arguments": json.dumps(self.arguments)}
            deltas = [{"tool_calls": [{"index": 0, "id": "call_1", "function": function}]}]
        reason = "stop" if called else "tool_calls"
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 60},
        }
        return [
            *({"choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas),
            {"choices": [{"delta": {}, "finish_reason": reason}]},
            {"choices": [], "usage": usage},
        ]


@contextmanager
def scripted_engine(tool: str, arguments: dict[str, Any], words: str) -> Iterator[ScriptedEngine]:
    """Serve until the context ends."""
    engine = ScriptedEngine(tool, arguments, words)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(
                {"data": [{"id": NAME, "max_model_len": 65536}]} if self.path == "/v1/models" else None
            )

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != "/v1/chat/completions":
                self._send(None)
                return
            engine.requests.append(request)
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for chunk in engine.answer(request):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

        def _send(self, body: dict[str, Any] | None) -> None:
            data = json.dumps(body or {"error": {"message": "no such path"}}).encode()
            self.send_response(200 if body else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
