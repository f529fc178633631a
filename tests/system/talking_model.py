"""A model server that says as much as a test wants, and waits where the test wants it to.

It stands for a model with a long answer: the small real one ends its answers when it likes, and too soon
to fill anything. Speaks the streamed form of OpenAI's interface.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WINDOW = 1_000_000


class TalkingModel:
    """`words` are said in each answer; while `gate` is not set, nothing after the first."""

    def __init__(self) -> None:
        self.words = 20
        self.pause = 0.0  # seconds between two words
        self.gate = threading.Event()
        self.gate.set()
        self.url = ""


@contextmanager
def talking_model() -> Iterator[TalkingModel]:
    """Serve until the context ends."""
    model = TalkingModel()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._begin("application/json")
            self.wfile.write(json.dumps({"data": [{"id": "talker", "max_model_len": WINDOW}]}).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if self.path != "/v1/chat/completions":
                self.send_error(404)
                return
            self._begin("text/event-stream")
            try:
                for number in range(model.words):
                    self.wfile.write(_chunk({"delta": {"content": f"word{number} "}}))
                    model.gate.wait()
                    if model.pause:
                        time.sleep(model.pause)
                self.wfile.write(_chunk({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n")
            except (BrokenPipeError, ConnectionResetError):
                # Whoever asked has enough.
                pass

        def _begin(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("connection", "close")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield model
    finally:
        model.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _chunk(choice: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n"
