"""A real HTTP server that speaks as an Ollama server or an OpenAI-compatible one does, from a script.

No model that could teach runs on the machines of our tests, so what it says was written beforehand. It can
also misbehave as real servers do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from threading import Event, Thread
from typing import Any, Literal

Manner = Literal[
    "teach",
    "slow",
    "silent",
    "binary",
    "huge",
    "endless",
    "status",
    "error",
    "list",
    "number",
    "packed",
    "deep",
]


@dataclass
class Script:
    """What is said: pairs in turn. `asked` are the prompts; `left` counts clients that went away."""

    pairs: Sequence[tuple[str, str]]
    manner: Manner = "teach"
    asked: list[str] = field(default_factory=list)
    left: int = 0
    stopped: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._turns = cycle(self.pairs) if self.pairs else None

    def answer(self, prompt: str) -> str:
        """A question when one is asked for, the answer to a question of ours otherwise."""
        self.asked.append(prompt)
        if "Write one short question" in prompt:
            assert self._turns is not None
            return next(self._turns)[0]
        for question, answer in self.pairs:
            if question in prompt:
                return answer
        return "I have no answer to that question, for it is none of those that I was given to answer here."


@contextmanager
def teaching(script: Script) -> Iterator[str]:
    """The URL of a server with `/api/chat` (NDJSON) and `/v1/chat/completions` (server-sent events)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                self._reply(body, ollama=self.path == "/api/chat")
            except OSError:
                script.left += 1

        def _reply(self, body: dict[str, Any], *, ollama: bool) -> None:
            if script.manner == "status":
                self.send_response(500)
                self.end_headers()
                self.wfile.write(b"the server is on fire")
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson" if ollama else "text/event-stream")
            if script.manner == "packed":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            match script.manner:
                case "silent":
                    script.stopped.wait(60)
                case "binary":
                    self.wfile.write(bytes(range(256)) * 40)
                case "huge":
                    for _ in range(160):
                        self.wfile.write(b"x" * 65536)
                case "list":
                    self.wfile.write(b"[1, 2]\n" if ollama else b"data: [1, 2]\n\n")
                case "deep":
                    self.wfile.write((b"" if ollama else b"data: ") + b"[" * 200_000 + b"\n\n")
                case "number":
                    self._word(7, ollama=ollama)
                case "error":
                    line = json.dumps({"error": "the model went to lunch"}).encode()
                    self.wfile.write(line + b"\n" if ollama else b"data: " + line + b"\n\n")
                case "endless" | "slow":
                    while not script.stopped.wait(0.05 if script.manner == "slow" else 0):
                        self._word("entangled ", ollama=ollama)
                case _:
                    for word in script.answer(body["messages"][-1]["content"]).split(" "):
                        self._word(word + " ", ollama=ollama)
                    if not ollama:
                        self.wfile.write(b"data: [DONE]\n\n")

        def _word(self, word: Any, *, ollama: bool) -> None:
            if ollama:
                message = {"role": "assistant", "content": word}
                line = json.dumps({"model": "m", "message": message, "done": False}) + "\n"
            else:
                line = "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": word}}]}) + "\n\n"
            self.wfile.write(line.encode())
            self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            """pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        script.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
