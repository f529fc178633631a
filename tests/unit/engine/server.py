"""A real HTTP server on loopback whose replies a test writes out, byte for byte.

For what a healthy model server cannot be brought to do: wrong keys, broken streams, odd lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Reply:
    """What one path answers: JSON, or an event stream when `body` is bytes."""

    def __init__(self, body: Any, status: int = 200, kind: str = "") -> None:
        self.status = status
        self.kind = kind or ("text/event-stream" if isinstance(body, bytes) else "application/json")
        self.data = body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def serving(replies: dict[str, Reply], seen: list[dict[str, Any]] | None = None) -> Iterator[str]:
    """The URL of a server that knows exactly these paths; requests with a body go into `seen`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = replies.get(self.path, Reply({"error": {"message": "no such path"}}, 404))
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if seen is not None:
                seen.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            self.do_GET()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
