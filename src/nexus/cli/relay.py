"""MCP over stdin and stdout, passed on to the running service: one JSON-RPC message a line.

For agents that start their servers as processes: no token in anyone's settings, no second store. It
holds nothing but the protocol's revision and the agent's name. While the service is down the agent still
gets the handshake and the list of tools, from plain data; a call is answered with what to do, and the next
call finds the service if it has come up. Invariants: every request gets exactly one answer; nothing but
answers is written to stdout; the end of stdin ends the process.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nexus
from nexus.cli import pending
from nexus.cli.plain_http import PlainConnection
from nexus.core.instance import running
from nexus.core.paths import Home
from nexus.service.tool_schemas import INSTRUCTIONS, TOOLS

_AT_ONCE = 16
_LARGEST_LINE = 2**20
_DOWN = "NexusOS is not running (start it with `nexus up --detach`)"
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
_PARSE_ERROR, _INVALID_REQUEST, _NOT_FOUND, _OTHER = -32700, -32600, -32601, -32000
# With a handshake, newest first; the revision without one needs no answer while the service is down.
_REVISIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

Message = dict[str, Any]


class Relay:
    """Reads messages, writes answers."""

    def __init__(self, home: Home, write: Callable[[bytes], None], folder: Path, revision: str = "") -> None:
        """`write` takes one line; `folder` is where the agent works; `revision` was settled before."""
        self._home, self._write = home, write
        self._project = pending.project_header(folder)
        self._revision, self._configured = revision, ""
        self._agent = "nexus-mcp"
        self._writing = threading.Lock()
        self._idle: list[PlainConnection] = []
        self._places = threading.Semaphore(_AT_ONCE)

    def run(self, lines: Iterable[bytes]) -> None:
        """Relay until `lines` end; what was asked until then is answered before this returns."""
        for line in lines:
            message = self._parse(line)
            if message is None:
                continue
            if message.get("method") == "initialize":
                # The revision it settles is needed by all that follows.
                self._serve(message)
            else:
                # With so many under way no more is read, so that what waits is held by the agent.
                self._places.acquire()
                threading.Thread(target=self._serve_in_place, args=(message,), name="nexus-relay").start()
        for _ in range(_AT_ONCE):
            self._places.acquire()
        for connection in self._idle:
            connection.close()

    def _parse(self, line: bytes) -> Message | None:
        if not line.strip():
            return None
        if len(line) > _LARGEST_LINE:
            self._fail(None, _INVALID_REQUEST, f"a message of {len(line)} bytes, at most {_LARGEST_LINE}")
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._fail(None, _PARSE_ERROR, f"this is not JSON: {error}")
            return None
        if not isinstance(message, dict) or not isinstance(message.get("method", ""), str):
            self._fail(None, _INVALID_REQUEST, "a message is a JSON object with a method")
            return None
        return message

    def _serve_in_place(self, message: Message) -> None:
        try:
            self._serve(message)
        finally:
            self._places.release()

    def _serve(self, message: Message) -> None:
        wants_answer = "method" in message and "id" in message
        try:
            answer = self._ask(message)
        except Exception as error:
            # Whatever it is, the agent waits for an answer and other requests go on.
            if wants_answer:
                self._fail(message["id"], _OTHER, f"the relay failed: {error!r}")
            return
        if not wants_answer:
            return
        if answer is None:
            answer = self._without_service(message)
        if message["method"] == "initialize":
            self._revision = str(answer.get("result", {}).get("protocolVersion", ""))
        self._send(answer)

    def _ask(self, message: Message) -> Message | None:
        """The service's answer, or None when it does not run."""
        while True:
            service = running(self._home)
            if service is None or not service.url.startswith("http://"):
                return None
            kept = connection = self._idle.pop() if self._idle else None
            try:
                connection = connection or _connect(service.url)
                status, body = connection.post("/mcp", json.dumps(message).encode(), self._headers(message))
            except OSError:
                if connection is not None:
                    connection.close()
                if kept is None:
                    return None
                # The service may have closed it, or may be another one by now: ask on a fresh one.
                continue
            if connection.reusable:
                self._idle.append(connection)
            else:
                connection.close()
            if status == 401 and not self._configured and self._read_configured_token():
                continue
            return _answer(message, status, body)

    def _headers(self, message: Message) -> dict[str, str]:
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta")
        meta = meta if isinstance(meta, dict) else {}
        revision = meta.get(_VERSION_KEY)
        self._agent = _named(params.get("clientInfo")) or _named(meta.get(_CLIENT_KEY)) or self._agent
        headers = {
            "user-agent": self._agent,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {self._token()}",
            "nexus-project": self._project,
        }
        if isinstance(revision, str):
            # The revision without a handshake says in headers, too, what a request is about.
            headers |= {"mcp-protocol-version": revision, "mcp-method": message.get("method", "")}
            if isinstance(params.get("name"), str):
                headers["mcp-name"] = params["name"]
        elif self._revision and message.get("method") != "initialize":
            headers["mcp-protocol-version"] = self._revision
        return headers

    def _token(self) -> str:
        if self._configured:
            return self._configured
        try:
            return self._home.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _read_configured_token(self) -> bool:
        """The token of the configuration file, if there is one. Reading that takes long, so only now."""
        from nexus.core.config import load

        self._configured = load().settings.service.token
        return bool(self._configured)

    def _without_service(self, message: Message) -> Message:
        method, params = message["method"], message.get("params") or {}
        result: Message | None = None
        if method == "initialize":
            asked = params.get("protocolVersion")
            result = {
                "protocolVersion": asked if asked in _REVISIONS else _REVISIONS[0],
                "capabilities": {"tools": {"listChanged": False}},
                "serverInfo": {"name": "nexus", "version": nexus.__version__},
                "instructions": INSTRUCTIONS,
            }
        elif method == "tools/list":
            result = {"tools": list(TOOLS)}
        elif method == "ping":
            result = {}
        if result is not None:
            return {"jsonrpc": "2.0", "id": message["id"], "result": result}
        # A client of the newest revision asks this first, and shakes hands when it is not known.
        code = _NOT_FOUND if method == "server/discover" else _OTHER
        return _error(message["id"], code, _DOWN)

    def _fail(self, identifier: Any, code: int, text: str) -> None:
        self._send(_error(identifier, code, text))

    def _send(self, answer: Message) -> None:
        line = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._writing:
            self._write(line)


def relay_stdio() -> None:
    """Relay between this process's stdin and stdout and the service of this NEXUS_HOME."""

    def write(line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    relay = Relay(Home.from_env(), write, Path.cwd(), pending.revision())
    relay.run(pending.lines(sys.stdin.buffer))


def _connect(url: str) -> PlainConnection:
    address = urllib.parse.urlsplit(url)
    return PlainConnection(address.hostname or "", address.port or 80, timeout=60)


def _answer(message: Message, status: int, body: bytes) -> Message:
    """The JSON-RPC answer in a reply; the service's own errors become one."""
    try:
        answer = json.loads(body) if body else {}
    except ValueError:
        answer = {}
    if isinstance(answer, dict) and "jsonrpc" in answer:
        return {**answer, "id": message.get("id")}
    error = answer.get("error") if isinstance(answer, dict) else None
    known = error if isinstance(error, dict) else {}
    text = str(known.get("message") or f"the service answered with status {status}")
    hint = f" ({known['hint']})" if known.get("hint") else ""
    return _error(message.get("id"), _OTHER, f"{text}{hint}")


def _error(identifier: Any, code: int, text: str) -> Message:
    return {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": text}}


def _named(client: object) -> str:
    """What an agent calls itself, as a header may hold it; "" where it says nothing."""
    name = client.get("name") if isinstance(client, dict) else None
    return re.sub(r"[^!-~]+", "-", name)[:60] if isinstance(name, str) else ""
