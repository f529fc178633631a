"""The stdio relay: one answer for each request, with the service, without it, and when it comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nexus.cli.relay import Relay
from nexus.core.instance import Instance
from nexus.core.paths import Home
from nexus.service.tool_schemas import TOOLS


def ask(home: Home, folder, *messages: object) -> list[Any]:
    written: list[bytes] = []
    lines = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
    Relay(home, written.append, folder).run(line + b"\n" for line in lines)
    return [json.loads(line) for line in written]


def request(number: object, method: str, **params: object) -> Any:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@contextmanager
def service(home: Home) -> Iterator[list[tuple[dict[str, str], Any]]]:
    """Something that answers at /mcp and is the service of this home by its lock."""
    seen: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
            if self.headers["authorization"] != "Bearer secret":
                return self.send(401, {"error": {"code": "unauthorized", "message": "no", "hint": "see"}})
            if "id" not in body:
                return self.send(202, None)
            result = {"protocolVersion": "2025-06-18"} if body["method"] == "initialize" else {"ok": True}
            return self.send(200, {"jsonrpc": "2.0", "id": body["id"], "result": result})

        def send(self, status, body):
            data = json.dumps(body).encode() if body else b""
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    instance = Instance(home, f"http://127.0.0.1:{server.server_port}")
    try:
        yield seen
    finally:
        instance.release()
        server.shutdown()
        thread.join()
        server.server_close()


def test_without_a_service_the_tools_are_there_and_calls_say_what_to_do(home, tmp_path):
    answers = ask(
        home,
        tmp_path,
        request(0, "initialize", protocolVersion="2025-06-18"),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request(1, "tools/list"),
        request("two", "tools/call", name="memory_search", arguments={"query": "x"}),
        request(3, "ping"),
        request(4, "server/discover"),
    )
    by_id = {answer["id"]: answer for answer in answers}
    assert by_id[0]["result"]["protocolVersion"] == "2025-06-18"
    assert by_id[1]["result"]["tools"] == list(TOOLS)
    assert "nexus up --detach" in by_id["two"]["error"]["message"]
    assert by_id[3]["result"] == {}
    assert by_id[4]["error"]["code"] == -32601
    assert len(answers) == 5


def test_requests_reach_the_service_with_token_project_and_revision(home, tmp_path):
    home.token_file.write_text("secret\n")
    project = tmp_path / "ein Projekt ü"
    (project / ".cortex").mkdir(parents=True)
    with service(home) as seen:
        answers = ask(
            home,
            project,
            request(0, "initialize", protocolVersion="2025-06-18"),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            request(1, "tools/call", name="memory_status"),
        )
    assert {a["id"] for a in answers} == {0, 1}
    headers = next(h for h, body in seen if body["method"] == "tools/call")
    assert headers["mcp-protocol-version"] == "2025-06-18"
    assert headers["nexus-project"].endswith("ein%20Projekt%20%C3%BC")
    assert headers["accept"] == "application/json, text/event-stream"


def test_a_request_of_the_newest_revision_keeps_its_headers(home, tmp_path):
    home.token_file.write_text("secret\n")
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    with service(home) as seen:
        ask(home, tmp_path, request(1, "tools/call", name="memory_get", _meta=meta))
    ((headers, _),) = seen
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert (headers["mcp-method"], headers["mcp-name"]) == ("tools/call", "memory_get")


def test_a_token_of_the_configuration_is_found(home, tmp_path):
    home.token_file.write_text("an older one\n")
    home.config_file.write_text('[service]\ntoken = "secret"\n')
    with service(home):
        (answer,) = ask(home, tmp_path, request(1, "ping"))
    assert answer["result"] == {"ok": True}


def test_a_refusal_of_the_service_is_an_error_with_its_hint(home, tmp_path):
    home.token_file.write_text("wrong\n")
    with service(home):
        (answer,) = ask(home, tmp_path, request(1, "ping"))
    assert answer["error"]["message"] == "no (see)"


@pytest.mark.parametrize(
    ("line", "code"),
    [(b"{", -32700), (b"[1]", -32600), (b'{"method": 1, "id": 1}', -32600), (b"x" * 2_000_000, -32600)],
)
def test_what_is_no_message_is_answered_and_the_next_one_is_served(home, tmp_path, line, code):
    first, second = ask(home, tmp_path, line, request(2, "ping"))
    assert (first["id"], first["error"]["code"]) == (None, code)
    assert second == {"jsonrpc": "2.0", "id": 2, "result": {}}


def test_the_process_ends_with_its_input_and_finds_a_service_that_came_up_later(home):
    home.token_file.write_text("secret\n")
    command = [sys.executable, "-m", "nexus", "mcp"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdin
        assert process.stdout
        given, taken = process.stdin, process.stdout

        def answer(message: Any) -> Any:
            given.write(json.dumps(message).encode() + b"\n")
            given.flush()
            return json.loads(taken.readline())

        call = request(1, "tools/call", name="memory_status")
        assert "not running" in answer(call)["error"]["message"]
        with service(home):
            assert answer(call)["result"] == {"ok": True}
        assert "not running" in answer(call)["error"]["message"]
        given.close()
        assert process.wait(20) == 0
        assert taken.read() == b""


def test_a_program_in_the_folder_of_the_agent_is_not_taken_for_the_compiled_relay(home, tmp_path):
    trap = tmp_path / "nexus-relay"
    trap.write_text("#!/bin/sh\necho trapped\n")
    trap.chmod(0o755)
    program = (
        "import sys; sys.argv = ['nexus', 'mcp']; sys.executable = '';"
        "from nexus.cli.entry import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        input=json.dumps(request(1, "ping")).encode(),
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == {"jsonrpc": "2.0", "id": 1, "result": {}}
